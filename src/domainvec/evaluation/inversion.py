"""Inversion: the latents whose pictures are the given ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.stylegan2.network import Generator

_PRIOR = 1e-3
_SMALLEST = 8


@torch.enable_grad()
def invert(
    generator: Generator,
    images: Tensor,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    steps: int = 150,
    learning_rate: float = 0.1,
) -> Tensor:
    """Find latents in W+ by gradient descent, from the mean latent on.

    Image2StyleGAN (Abdal et al. 2019, arXiv:1904.03189) with another loss: the mean absolute difference at
    each resolution down to 8 px, that of the features, and a small pull to the mean latent.

    Args:
        generator: frozen; its pictures are resampled to the images' size.
        images: (N, 3, H, W), about [-1, 1]. They do not influence each other.
        features: images to (N, D), such as `Judge.features`; None does without.
        steps: of Adam, the rate falling as a cosine.
        learning_rate: in standard deviations of the latents.

    Returns:
        (N, num_ws, w_dim).

    Raises:
        ShapeError: if the images are of another shape.
        InputError: if steps is below 1.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ShapeError(f"images have shape {tuple(images.shape)}; expected (N, 3, height, width)")
    if steps < 1:
        raise InputError(f"steps is {steps}; expected 1 or more")
    z = torch.randn(1000, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        w = generator.mapping(z.to(generator.mapping.w_avg.device))[:, 0]
        described = None if features is None else features(images)
    mean, deviation = w.mean(0), w.std(0)
    moved = torch.zeros(len(images), generator.num_ws, generator.w_dim, device=w.device, requires_grad=True)
    optimizer = torch.optim.Adam([moved], learning_rate, betas=(0.9, 0.95))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        drawn = generator.synthesis(mean + deviation * moved).to(images.device)
        drawn = resample(drawn, images.shape[-1])
        loss = _PRIOR * moved.square().mean((1, 2)) + _pyramid_loss(drawn, images)
        if features is not None and described is not None:
            loss = loss + (features(drawn) - described).abs().mean(1)
        (moved.grad,) = torch.autograd.grad(loss.sum(), moved)
        optimizer.step()
    found: Tensor = (mean + deviation * moved).detach()
    return found


def resample(images: Tensor, side: int) -> Tensor:
    """Pictures (N, 3, H, W) at another resolution, (N, 3, side, side)."""
    if images.shape[-1] == side:
        return images
    resampled: Tensor = F.interpolate(
        images, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return resampled


def _pyramid_loss(drawn: Tensor, true: Tensor) -> Tensor:
    """Sum over resolutions of the mean absolute difference, (N,)."""
    loss = (drawn - true).abs().mean((1, 2, 3))
    while drawn.shape[-1] >= 2 * _SMALLEST:
        drawn, true = F.avg_pool2d(drawn, 2), F.avg_pool2d(true, 2)
        loss = loss + (drawn - true).abs().mean((1, 2, 3))
    return loss
