"""What is drawn in a step of training: latents, and their pictures at the settings' precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def draw_latents(
    generator: Generator, settings: AdaptationSettings, count: int, rng: torch.Generator
) -> Tensor:
    """Draw latents, (count, num_ws, w_dim), some of them mixed of two from a random layer on."""
    device = next(generator.parameters()).device
    layers = generator.num_ws
    z = torch.randn(2, count, generator.z_dim, generator=rng)
    mixes = torch.rand(count, 1, generator=rng) < settings.style_mixing
    crossover = torch.randint(1, layers, (count, 1), generator=rng)
    w: Tensor = generator.mapping(z[0].to(device), truncation_psi=settings.truncation_psi)
    if not mixes.any():
        return w
    other = generator.mapping(z[1].to(device), truncation_psi=settings.truncation_psi)
    swapped = mixes & (torch.arange(layers) >= crossover)
    return torch.where(swapped[:, :, None].to(device), other, w)


def draw_step(generator: Generator, settings: AdaptationSettings, step: int) -> Tensor:
    """Draw the latents of a step, (N, num_ws, w_dim)."""
    return draw_latents(generator, settings, settings.batch_size, step_rng(settings.seed, step, "latents"))


def synthesize(
    generator: Generator, settings: AdaptationSettings, w: Tensor, step: int, domain: Domain | None
) -> Tensor:
    """Draw the pictures of a step; with the same noise, whatever the domain."""
    images: Tensor = generator.synthesis(
        w,
        domain,
        noise=settings.noise,
        resolution=settings.resolution_at(step),
        dtype=torch.bfloat16 if settings.precision == "bfloat16" else None,
        rng=step_rng(settings.seed, step, "noise", w.device),
    )
    return images


def synthesize_batches(
    generator: Generator,
    settings: AdaptationSettings,
    batches: Sequence[Tensor],
    step: int,
    domain: Domain | None,
) -> list[Tensor]:
    """Draw several batches of a step, each with the noise that it would have alone."""
    if settings.noise == "random":
        return [synthesize(generator, settings, w, step, domain) for w in batches]
    drawn = synthesize(generator, settings, torch.cat([*batches]), step, domain)
    return list(torch.split(drawn, [len(w) for w in batches]))


def encoding(settings: AdaptationSettings, device: torch.device) -> torch.autocast:
    """Let encoders compute at the settings' precision inside the block."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")
