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


def draw_latents(
    generator: Generator,
    training: Training,
    count: int,
    rng: torch.Generator,
    layer_rng: torch.Generator | None = None,
) -> Tensor:
    """Draw latents, (count, num_ws, w_dim), some of which mix two from a random layer on.

    With a random generator of its own for the layer, the whole batch mixes from the same layer on, or not.
    """
    device = next(generator.parameters()).device
    layers = generator.num_ws
    z = torch.randn(2, count, generator.z_dim, generator=rng)
    rows = count if layer_rng is None else 1
    mixes = torch.rand(rows, 1, generator=rng) < training.style_mixing
    crossover = torch.randint(1, layers, (rows, 1), generator=layer_rng or rng)
    w: Tensor = generator.mapping(z[0].to(device), truncation_psi=training.truncation_psi)
    if not mixes.any():
        return w
    other = generator.mapping(z[1].to(device), truncation_psi=training.truncation_psi)
    swapped = mixes & (torch.arange(layers) >= crossover)
    return torch.where(swapped[:, :, None].to(device), other, w)


def draw_step(generator: Generator, training: Training, step: int, source: bool = False) -> Tensor:
    """Draw the latents of a step, (N, num_ws, w_dim); those of the source images may differ in mixing."""
    rng = step_rng(training.seed, step, "latents")
    layer_rng = None
    if not training.shared_draws:
        layer_rng = step_rng(training.seed, step, "layer of the sources" if source else "layer")
    return draw_latents(generator, training, training.batch_size, rng, layer_rng)


def synthesize(
    generator: Generator, training: Training, w: Tensor, step: int, domain: Domain | None
) -> Tensor:
    """Draw the images of a step, with the same noise whatever the domain if the draws are shared."""
    noise = "noise" if domain is None or training.shared_draws else "noise of the adapted"
    images: Tensor = generator.synthesis(
        w,
        domain,
        noise=training.noise,
        resolution=training.resolution_at(step),
        dtype=training.dtype,
        rng=step_rng(training.seed, step, noise, w.device),
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
