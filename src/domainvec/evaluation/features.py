"""Features of pictures: taking them a part at a time, and checking them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from domainvec.errors import InputError, ShapeError

_AT_ONCE = 128


@torch.no_grad()
def in_parts(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply a function to pictures (N, …), a few at a time, without gradients; (N, …)."""
    return torch.cat([function(part) for part in torch.split(images, _AT_ONCE)])


def matching_features(first: Tensor, second: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Return two sets of features, checked, in double precision.

    Args:
        first: (N, D).
        second: (M, D).
        least: the fewest rows that the measure can do with.

    Raises:
        ShapeError: if they are not of these shapes.
        InputError: if there are too few rows, or numbers are not finite.
    """
    shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ShapeError(f"features have shapes {shapes}; expected (N, D) and (M, D)")
    if min(len(first), len(second)) < least:
        raise InputError(f"features have shapes {shapes}; expected at least {least} rows of each")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise InputError("features hold numbers that are not finite; look at the pictures they come from")
    return first.double(), second.double()


def require_pairs(*images: Tensor) -> None:
    """Raise ShapeError unless all are pictures (N, 3, H, W) of one shape, N at least 2."""
    shapes = {tuple(part.shape) for part in images}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) != 4 or shape[1] != 3 or shape[0] < 2:
        listed = ", ".join(str(tuple(part.shape)) for part in images)
        raise ShapeError(f"images have shapes {listed}; expected the same (N, 3, H, W), N at least 2")
