"""Adversarial attacks on classifiers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError


def pgd_attack(
    classify: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    l2_radius: float | None = None,
    linf_radius: float | None = None,
    steps: int = 5,
) -> Tensor:
    """Perturb images by projected gradient ascent on the cross-entropy loss.

    Madry et al. 2018, arXiv:1706.06083, without a random start, with steps of half the radius.

    Args:
        classify: maps images to logits (N, classes), differentiable, independently for each image.
        images: (N, 3, H, W) in [-1, 1].
        labels: true class of each image, (N,).
        l2_radius: largest Euclidean norm of a perturbation.
        linf_radius: largest absolute value of a perturbation. Give either this or `l2_radius`.
        steps: number of gradient steps.

    Returns:
        the perturbed images, (N, 3, H, W) in [-1, 1].

    Raises:
        InputError: if not exactly one radius is given.
    """
    if (l2_radius is None) == (linf_radius is None):
        raise InputError(
            f"l2_radius is {l2_radius} and linf_radius is {linf_radius}; expected exactly one of them"
        )
    perturbed = images.clone()
    for _ in range(steps):
        perturbed.requires_grad_(True)
        with torch.enable_grad():
            loss = F.cross_entropy(classify(perturbed), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, perturbed)
        change = perturbed.detach() - images
        if l2_radius is not None:
            change = change + l2_radius / 2 * gradient / (_norm(gradient) + 1e-12)
            change = change * (l2_radius / (_norm(change) + 1e-12)).clamp(max=1)
        elif linf_radius is not None:
            change = (change + linf_radius / 2 * gradient.sign()).clamp(-linf_radius, linf_radius)
        perturbed = (images + change).clamp(-1, 1)
    return perturbed


def _norm(images: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return norm
