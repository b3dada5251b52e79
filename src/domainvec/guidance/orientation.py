"""Orientation: where lines run, which holds the shape of a mouth while its colours change."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError

_MAP = 32


def orientation_loss(target: Tensor, source: Tensor) -> Tensor:
    """Squared one minus the cosine of the two images' orientation maps at 32 px, averaged over the images.

    An orientation map holds, at each place, the doubled angle of the gradient, scaled by its strength: the
    off-diagonal of the structure tensor, twice, and the difference of its diagonal (Bigün & Granlund 1987).
    A line has the same orientation whether it is dark on light or light on dark, so neon may turn a face
    inside out, but the corners of a smile may not turn down. In the face world, one minus the cosine of true
    renderings of the same face in another domain is 0.2 to 0.4, of other faces 0.8: the square leaves the
    former some room.

    Args:
        target: adapted images, (N, 3, H, W), at least 32 px on a side.
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 4].

    Raises:
        ShapeError: if the shapes differ or the images are too small.
    """
    if target.shape != source.shape or target.dim() != 4 or min(target.shape[-2:]) < _MAP:
        raise ShapeError(
            f"adapted images have shape {tuple(target.shape)} and source images {tuple(source.shape)}; the "
            f"orientation term expects the same (N, 3, H, W), at least {_MAP} px on a side: set its weight "
            "to 0 for smaller images"
        )
    cosines = F.cosine_similarity(_orientation_map(target), _orientation_map(source), dim=1)
    return (1 - cosines).square().mean()


def _orientation_map(images: Tensor) -> Tensor:
    """Doubled angles of gradients, of about their length, (N, 2 · 32 · 32)."""
    x = images.float()
    if min(x.shape[-2:]) > 2 * _MAP:
        x = F.adaptive_avg_pool2d(x, 2 * _MAP)
    horizontal = x[..., 1:-1, 2:] - x[..., 1:-1, :-2]
    vertical = x[..., 2:, 1:-1] - x[..., :-2, 1:-1]
    difference = (horizontal.square() - vertical.square()).sum(1)
    product = 2 * (horizontal * vertical).sum(1)
    energy = (horizontal.square() + vertical.square()).sum(1)
    # The small term keeps the square root differentiable where the image is flat.
    directions = torch.stack([difference, product], 1) / (energy + 1e-3).sqrt()[:, None]
    return F.adaptive_avg_pool2d(F.pad(directions, (1, 1, 1, 1)), _MAP).flatten(1)
