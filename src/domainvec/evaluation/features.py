"""Helpers for images and features: batching, validation, and conversion to and from 8 bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError

_BATCH_SIZE = 128
_MAX_SIDE = 256  # of images that are kept in memory


@torch.no_grad()
def map_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply a function to a tensor batch by batch along its first dimension, without gradients."""
    return torch.cat([function(batch) for batch in torch.split(images, _BATCH_SIZE)])


def check_features(first: Tensor, second: Tensor, min_rows: int) -> tuple[Tensor, Tensor]:
    """Validate two sets of features, and convert them to double precision.

    Args:
        first: (N, D).
        second: (M, D).
        min_rows: smallest number of rows that is allowed.

    Raises:
        ShapeError: if they have other shapes.
        InputError: if there are too few rows, or values are not finite.
    """
    shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ShapeError(f"features have shapes {shapes}; expected (N, D) and (M, D)")
    if min(len(first), len(second)) < min_rows:
        raise InputError(f"features have shapes {shapes}; expected at least {min_rows} rows of each")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise InputError("features have values that are not finite; check the images they come from")
    return first.double(), second.double()


def check_pairs(*images: Tensor) -> None:
    """Raise ShapeError unless all tensors are images (N, 3, H, W) of one shape, N at least 2."""
    shapes = {tuple(each.shape) for each in images}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) != 4 or shape[1] != 3 or shape[0] < 2:
        listed = ", ".join(str(tuple(each.shape)) for each in images)
        raise ShapeError(f"images have shapes {listed}; expected the same (N, 3, H, W), N at least 2")


def quantize(images: Tensor) -> Tensor:
    """Convert images in about [-1, 1] to uint8 on the CPU, clipped and rounded."""
    return images.mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def dequantize(images: Tensor, device: torch.device | None = None) -> Tensor:
    """Convert uint8 images to float32 in [-1, 1]."""
    return images.to(device or images.device).float().div(127.5).sub(1)


def downsample(images: Tensor) -> Tensor:
    """Downsample uint8 images (N, 3, H, W) to at most 256 px."""
    if images.shape[-1] <= _MAX_SIDE:
        return images
    return quantize(F.adaptive_avg_pool2d(dequantize(images), _MAX_SIDE))
