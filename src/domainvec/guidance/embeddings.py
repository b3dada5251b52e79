"""Shapes and angles of embeddings, which every loss here speaks about."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError


def cosine(a: Tensor, b: Tensor, *, shortest: float = 1e-8) -> Tensor:
    """Cosine between rows: (N, D) and (1 or N, D) to (N,).

    Rows of `a` shorter than `shortest` count as that long, which bounds the gradient by 1 / `shortest`.
    Elementwise on purpose: under autocast a matrix product would round angles to bfloat16.
    """
    return (F.normalize(a, dim=-1, eps=shortest) * F.normalize(b, dim=-1, eps=1e-8)).sum(dim=-1)


def cosine_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all rows of one with all of the other: (…, N, D) and (…, M, D) to (…, N, M), float32.

    Under autocast, too, which would round angles to bfloat16.
    """
    with torch.autocast(a.device.type, enabled=False):
        return F.normalize(a.float(), dim=-1) @ F.normalize(b.float(), dim=-1).transpose(-2, -1)


def require_images(name: str, embeddings: Tensor) -> None:
    """Raise ShapeError unless `embeddings` is (N, D) with N ≥ 1."""
    if embeddings.dim() != 2 or embeddings.shape[0] == 0:
        raise ShapeError(f"{name} has shape {tuple(embeddings.shape)}; expected image embeddings (N, D)")


def require_same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ShapeError unless the two tensors have one shape."""
    if value.shape != other.shape:
        raise ShapeError(
            f"{name} has shape {tuple(value.shape)} but {other_name} has {tuple(other.shape)}; "
            f"expected the same shape"
        )


def require_texts(name: str, embeddings: Tensor, images: Tensor) -> None:
    """Raise ShapeError unless `embeddings` is (1 or N, T, D) beside images (N, D)."""
    count, width = images.shape
    if (
        embeddings.dim() != 3
        or embeddings.shape[0] not in (1, count)
        or embeddings.shape[1] == 0
        or embeddings.shape[2] != width
    ):
        raise ShapeError(
            f"{name} has shape {tuple(embeddings.shape)}; expected (1 or {count}, templates, {width}) "
            f"to go with images {tuple(images.shape)}"
        )
