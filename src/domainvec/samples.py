"""Pictures of chosen seeds, a few at a time, so that a large generator fits into memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator, Multipliers

_PIXELS_AT_ONCE = 8 * 256 * 256


@torch.no_grad()
def draw(
    generator: Generator,
    seeds: Sequence[int],
    domain: Multipliers | None = None,
    truncation_psi: float = 0.7,
) -> Tensor:
    """Draw the pictures of some seeds.

    Args:
        generator: whose pictures to draw.
        seeds: one for each picture, as for `domainvec.seeds.latents`.
        domain: a single domain to draw them in, or None for the generator's own.
        truncation_psi: 1 keeps all variety; towards 0 the pictures become more typical.

    Returns: (N, 3, R, R) float32 on the CPU, about [-1, 1], with constant noise.

    Raises:
        InputError: if there are no seeds, one is out of range, or the truncation is not a finite number.
        ShapeError: if the domain does not fit the generator.
    """
    if not seeds:
        raise InputError("no seeds: give at least one")
    if not -10 <= truncation_psi <= 10:
        raise InputError(f"truncation must be a number from -10 to 10, not {truncation_psi}; 0.7 is usual")
    device = next(generator.parameters()).device
    batch_size = max(1, _PIXELS_AT_ONCE // generator.resolution**2)
    pictures = []
    for start in range(0, len(seeds), batch_size):
        z = latents(seeds[start : start + batch_size], generator.z_dim).to(device)
        w = generator.mapping(z, truncation_psi=truncation_psi)
        pictures.append(generator.synthesis(w, domain=domain).float().cpu())
    return torch.cat(pictures)
