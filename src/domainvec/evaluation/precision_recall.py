"""Improved precision and recall of generated images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import check_features


class PrecisionRecall(NamedTuple):
    """Both from 0 to 1, higher is better."""

    precision: Estimate
    """Share of fake features on the manifold of the real ones: quality."""
    recall: Estimate
    """Share of real features on the manifold of the fake ones: coverage."""


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Compute precision and recall with k-nearest-neighbour manifolds.

    Kynkäänniemi et al. 2019, arXiv:1904.06991: the manifold of a set is the union of balls around its rows
    that reach to the k-th nearest neighbour in the set. Both values depend on the number of rows; compare
    with those of two real samples of the same size. The intervals keep the manifolds fixed.

    Args:
        real: features (N, D) of real images.
        fake: features (M, D) of generated images.
        k: number of neighbours.

    Raises:
        ShapeError: if the features have other shapes.
        InputError: if k is below 1, a set has at most k rows, or values are not finite.
    """
    if k < 1:
        raise InputError(f"k is {k}; expected 1 or more")
    a, b = check_features(real, fake, min_rows=k + 1)
    between = torch.cdist(a, b)
    return PrecisionRecall(
        precision=mean_estimate((between <= _radii(a, k)[:, None]).any(0)),
        recall=mean_estimate((between <= _radii(b, k)[None]).any(1)),
    )


def _radii(rows: Tensor, k: int) -> Tensor:
    """Return the distance of each row to its k-th nearest neighbour, (N,)."""
    distances = torch.cdist(rows, rows).fill_diagonal_(torch.inf)
    return distances.kthvalue(k, dim=1).values
