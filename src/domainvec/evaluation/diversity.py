"""Diversity of adapted images, relative to that of the source images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.evaluation.estimate import Estimate, bootstrap

_SIDE = 16


def mean_pairwise_distance(rows: Tensor) -> float:
    """Compute the mean Euclidean distance between images (N, 3, H, W), at 16 px, or features (N, D)."""
    return float(torch.pdist(_flatten(rows)).mean())


def diversity(adapted: Tensor, before: Tensor) -> Estimate:
    """Compute the mean pairwise distance of adapted images, divided by that of the source images.

    Args:
        adapted: images (N, 3, H, W), about [-1, 1], or features (N, D).
        before: the source images of the same latents, or their features.

    Returns:
        0 if all adapted images are equal, 1 if they differ as much as the source images. Some domains are
        naturally less diverse than photos; compare with their renderings.

    Raises:
        ShapeError: if there are fewer than 2 images, or their shapes are wrong or different.
    """
    if adapted.shape != before.shape:
        raise ShapeError(f"adapted {tuple(adapted.shape)} and before {tuple(before.shape)} differ in shape")
    distances = [torch.cdist(flat, flat) for flat in (_flatten(adapted).double(), _flatten(before).double())]

    def ratio(rows: Tensor) -> Tensor:
        after, source = (distance[rows][:, rows].sum() for distance in distances)
        return after / source

    return bootstrap(ratio, torch.arange(len(adapted)))


def _flatten(rows: Tensor) -> Tensor:
    if rows.ndim not in (2, 4) or len(rows) < 2:
        raise ShapeError(f"shape {tuple(rows.shape)}; expected at least 2 of (N, 3, H, W) or (N, D)")
    if rows.ndim == 4:
        rows = F.avg_pool2d(rows, max(1, rows.shape[-1] // _SIDE)).flatten(1)
    return rows
