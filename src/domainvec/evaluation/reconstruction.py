"""GAN inversion: finding latents that reproduce given images."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.stylegan2.network import Generator

_REGULARIZATION = 1e-3
_MIN_RESOLUTION = 8


@torch.enable_grad()
def reconstruct(
    generator: Generator,
    images: Tensor,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    steps: int = 150,
    learning_rate: float = 0.1,
) -> Tensor:
    """Find latents in W+ by gradient descent, starting at the mean latent.

    Image2StyleGAN (Abdal et al. 2019, arXiv:1904.03189) with another loss: L1 at each resolution down to
    8 px, L1 of the features, and a weak regularization towards the mean latent.

    Args:
        generator: frozen; its images are resampled to the size of the given ones.
        images: (N, 3, H, W), about [-1, 1]; they are inverted independently.
        features: maps images to (N, D), such as `Judge.features`; None for a loss on pixels only.
        steps: number of Adam steps, with a cosine schedule.
        learning_rate: in standard deviations of the latents.

    Returns:
        (N, num_ws, w_dim).

    Raises:
        ShapeError: if the images have another shape.
        InputError: if steps is below 1.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ShapeError(f"images have shape {tuple(images.shape)}; expected (N, 3, height, width)")
    if steps < 1:
        raise InputError(f"steps is {steps}; expected 1 or more")
    z = torch.randn(1000, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        w = generator.mapping(z.to(generator.mapping.w_avg.device))[:, 0]
        target_features = None if features is None else features(images)
    mean, std = w.mean(0), w.std(0)
    offset = torch.zeros(len(images), generator.num_ws, generator.w_dim, device=w.device, requires_grad=True)
    optimizer = torch.optim.Adam([offset], learning_rate, betas=(0.9, 0.95))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        generated = generator.synthesis(mean + std * offset).to(images.device)
        generated = resample(generated, images.shape[-1])
        loss = _REGULARIZATION * offset.square().mean((1, 2)) + _pyramid_loss(generated, images)
        if features is not None and target_features is not None:
            loss = loss + (features(generated) - target_features).abs().mean(1)
        (offset.grad,) = torch.autograd.grad(loss.sum(), offset)
        optimizer.step()
    found: Tensor = (mean + std * offset).detach()
    return found


def resample(images: Tensor, side: int) -> Tensor:
    """Resample images (N, 3, H, W) to (N, 3, side, side)."""
    if images.shape[-1] == side:
        return images
    resampled: Tensor = F.interpolate(
        images, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return resampled


def _pyramid_loss(generated: Tensor, images: Tensor) -> Tensor:
    """Sum the mean absolute differences over all resolutions, (N,)."""
    loss = (generated - images).abs().mean((1, 2, 3))
    while generated.shape[-1] >= 2 * _MIN_RESOLUTION:
        generated, images = F.avg_pool2d(generated, 2), F.avg_pool2d(images, 2)
        loss = loss + (generated - images).abs().mean((1, 2, 3))
    return loss
