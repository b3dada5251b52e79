"""What is drawn in a training step: latents, and their images at the training's precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.training import Training
from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def draw_latents(generator: Generator, training: Training, count: int, rng: torch.Generator) -> Tensor:
    """Draw latents, (count, num_ws, w_dim), some of which mix two from a random layer on."""
    device = next(generator.parameters()).device
    layers = generator.num_ws
    z = torch.randn(2, count, generator.z_dim, generator=rng)
    mixes = torch.rand(count, 1, generator=rng) < training.style_mixing
    crossover = torch.randint(1, layers, (count, 1), generator=rng)
    w: Tensor = generator.mapping(z[0].to(device), truncation_psi=training.truncation_psi)
    if not mixes.any():
        return w
    other = generator.mapping(z[1].to(device), truncation_psi=training.truncation_psi)
    swapped = mixes & (torch.arange(layers) >= crossover)
    return torch.where(swapped[:, :, None].to(device), other, w)


def draw_step(generator: Generator, training: Training, step: int) -> Tensor:
    """Draw the latents of a step, (N, num_ws, w_dim)."""
    return draw_latents(generator, training, training.batch_size, step_rng(training.seed, step, "latents"))


def synthesize(
    generator: Generator, training: Training, w: Tensor, step: int, domain: Domain | None
) -> Tensor:
    """Draw the images of a step, with the same noise whatever the domain."""
    images: Tensor = generator.synthesis(
        w,
        domain,
        noise=training.noise,
        resolution=training.resolution_at(step),
        dtype=training.dtype,
        rng=step_rng(training.seed, step, "noise", w.device),
    )
    return images


def synthesize_batches(
    generator: Generator, training: Training, batches: Sequence[Tensor], step: int, domain: Domain | None
) -> list[Tensor]:
    """Draw several batches of a step, each with the noise that it would have alone."""
    if training.noise == "random":
        return [synthesize(generator, training, w, step, domain) for w in batches]
    images = synthesize(generator, training, torch.cat([*batches]), step, domain)
    return list(torch.split(images, [len(w) for w in batches]))
