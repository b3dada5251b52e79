"""Precision and recall of a set of features against a true one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import matching_features


class PrecisionRecall(NamedTuple):
    """Both 0 to 1, higher is better."""

    precision: Estimate
    """Share of the fake that lies among the real: quality."""
    recall: Estimate
    """Share of the real that lies among the fake: variety."""


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """How much of the one set lies within the other, where a set is balls around its rows.

    Kynkäänniemi et al. 2019, arXiv:1904.06991: each ball reaches to the k-th nearest row of its own set.
    Both depend on the number of rows; compare with two true sets of the same size. The intervals hold the
    balls fixed.

    Args:
        real: features (N, D) of true pictures.
        fake: features (M, D) of those to measure.
        k: which neighbour a ball reaches to.

    Raises:
        ShapeError: if the features are of other shapes.
        InputError: if k is below 1, a set has no more than k rows, or numbers that are not finite.
    """
    if k < 1:
        raise InputError(f"k is {k}; expected 1 or more")
    a, b = matching_features(real, fake, least=k + 1)
    between = torch.cdist(a, b)
    return PrecisionRecall(
        precision=mean_estimate((between <= _reach(a, k)[:, None]).any(0)),
        recall=mean_estimate((between <= _reach(b, k)[None]).any(1)),
    )


def _reach(rows: Tensor, k: int) -> Tensor:
    """Distance to the k-th nearest other row, (N,)."""
    distances = torch.cdist(rows, rows).fill_diagonal_(torch.inf)
    return distances.kthvalue(k, dim=1).values
