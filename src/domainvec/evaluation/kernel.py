"""Kernel distance of two sets of features."""

from __future__ import annotations

from torch import Tensor

from domainvec.evaluation.features import matching_features


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y / D + 1)³, unbiased.

    The kernel Inception distance (Bińkowski et al. 2018, arXiv:1801.01401), here on any features. Lower is
    better. Two sets of the same distribution give 0 on average at any size, so single values may be negative.

    Args:
        first: features (N, D), such as `Judge.features`.
        second: features (M, D).

    Raises:
        ShapeError: if the features are of other shapes.
        InputError: if a set has fewer than 2 rows, or numbers that are not finite.
    """
    a, b = matching_features(first, second, least=2)
    return float(_mean_of_others(_kernel(a, a)) + _mean_of_others(_kernel(b, b)) - 2 * _kernel(a, b).mean())


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_of_others(kernel: Tensor) -> Tensor:
    """Mean without the diagonal."""
    return (kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1))
