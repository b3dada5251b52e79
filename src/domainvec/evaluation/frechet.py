"""Fréchet distance between two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from domainvec.evaluation.features import check_features


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Compute the squared Fréchet distance between Gaussians fitted to two sets of features.

    Heusel et al. 2017, arXiv:1706.08500: |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½). Lower is better. The
    estimate is biased: samples of the same distribution have a positive distance, which grows as they get
    smaller. Compare it with the distance between two real samples of the same size.

    Args:
        first: features (N, D), such as `Judge.features`.
        second: features (M, D).

    Returns:
        a number of at least 0, in squared units of the features.

    Raises:
        ShapeError: if the features have other shapes.
        InputError: if a set has fewer than 2 rows, or values that are not finite.
    """
    a, b = check_features(first, second, min_rows=2)
    cov_a, cov_b = _covariance(a), _covariance(b)
    # C₁ C₂ has the eigenvalues of the symmetric matrix C₁^½ C₂ C₁^½, which are real and easy to compute.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)
