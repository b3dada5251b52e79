"""The attack: what a gradient can make of a classifier, within a small distance of the picture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError


def fool(
    classify: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    radius: float | None = None,
    reach: float | None = None,
    steps: int = 5,
) -> Tensor:
    """Move pictures to where their labels fit least: projected gradient ascent on the cross entropy.

    Madry et al. 2018, arXiv:1706.06083, without a random start; each step is half of what is allowed.

    Args:
        classify: images to logits (N, classes), differentiable, each row by itself.
        images: (N, 3, H, W) on [-1, 1].
        labels: the right class of each, (N,).
        radius: the greatest Euclidean length of the change of a picture.
        reach: the greatest change of a value. Give this or the radius.
        steps: number of gradients taken.

    Returns:
        (N, 3, H, W) on [-1, 1].

    Raises:
        InputError: if not exactly one of radius and reach is given.
    """
    if (radius is None) == (reach is None):
        raise InputError(f"radius is {radius} and reach is {reach}; expected exactly one of them")
    moved = images.clone()
    for _ in range(steps):
        moved.requires_grad_(True)
        with torch.enable_grad():
            loss = F.cross_entropy(classify(moved), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
        change = moved.detach() - images
        if radius is not None:
            change = change + radius / 2 * gradient / (_length(gradient) + 1e-12)
            change = change * (radius / (_length(change) + 1e-12)).clamp(max=1)
        elif reach is not None:
            change = (change + reach / 2 * gradient.sign()).clamp(-reach, reach)
        moved = (images + change).clamp(-1, 1)
    return moved


def _length(images: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return length
