"""Fréchet distance of two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from domainvec.evaluation.features import matching_features


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Squared Fréchet distance of the normal distributions with the sets' means and covariances.

    Heusel et al. 2017, arXiv:1706.08500: |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½). Lower is better. Two sets
    of the same distribution are not at 0: the fewer the rows, the further apart, so compare with the
    distance of two true sets of the same size (the floor).

    Args:
        first: features (N, D), such as `Judge.features`.
        second: features (M, D).

    Returns:
        0 or more, in squared units of the features.

    Raises:
        ShapeError: if the features are of other shapes.
        InputError: if a set has fewer than 2 rows, or numbers that are not finite.
    """
    a, b = matching_features(first, second, least=2)
    cov_a, cov_b = _covariance(a), _covariance(b)
    # C₁ C₂ has the eigenvalues of the symmetric C₁^½ C₂ C₁^½, which can be had without complex numbers.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)
