"""Diversity: do adapted faces still differ from each other?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.evaluation.estimate import Estimate, bootstrap

_SIDE = 16


def spread(rows: Tensor) -> float:
    """Mean Euclidean distance of two of the pictures (N, 3, H, W), at 16 px, or of two features (N, D)."""
    return float(torch.pdist(_flat(rows)).mean())


def diversity(adapted: Tensor, before: Tensor) -> Estimate:
    """Spread of the adapted pictures as a share of the unadapted ones'.

    Args:
        adapted: pictures (N, 3, H, W), about [-1, 1], or features (N, D).
        before: the same faces, unadapted.

    Returns:
        0 if all adapted pictures are alike, 1 if they differ as the unadapted ones do. Some domains differ
        less by nature; compare with their true drawings.

    Raises:
        ShapeError: if there are fewer than 2 pictures, or they are of another or not of one shape.
    """
    if adapted.shape != before.shape:
        raise ShapeError(f"adapted {tuple(adapted.shape)} and before {tuple(before.shape)} differ in shape")
    distances = [torch.cdist(flat, flat) for flat in (_flat(adapted).double(), _flat(before).double())]

    def share(rows: Tensor) -> Tensor:
        after, unadapted = (distance[rows][:, rows].sum() for distance in distances)
        return after / unadapted

    return bootstrap(share, torch.arange(len(adapted)))


def _flat(rows: Tensor) -> Tensor:
    if rows.ndim not in (2, 4) or len(rows) < 2:
        raise ShapeError(f"shape {tuple(rows.shape)}; expected at least 2 of (N, 3, H, W) or (N, D)")
    if rows.ndim == 4:
        rows = F.avg_pool2d(rows, max(1, rows.shape[-1] // _SIDE)).flatten(1)
    return rows
