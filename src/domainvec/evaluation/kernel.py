"""Kernel distance between two sets of features."""

from __future__ import annotations

from torch import Tensor

from domainvec.evaluation.features import check_features


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Compute the unbiased squared maximum mean discrepancy with the kernel (x·y / D + 1)³.

    It is the kernel Inception distance (Bińkowski et al. 2018, arXiv:1801.01401) for arbitrary features.
    Lower is better. Samples of the same distribution give 0 on average, whatever their size, so that values
    can be negative.

    Args:
        first: features (N, D), such as `Judge.features`.
        second: features (M, D).

    Raises:
        ShapeError: if the features have other shapes.
        InputError: if a set has fewer than 2 rows, or values that are not finite.
    """
    a, b = check_features(first, second, min_rows=2)
    return float(
        _off_diagonal_mean(_kernel(a, a)) + _off_diagonal_mean(_kernel(b, b)) - 2 * _kernel(a, b).mean()
    )


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _off_diagonal_mean(kernel: Tensor) -> Tensor:
    return (kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1))
