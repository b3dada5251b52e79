"""Images of chosen seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator, Multipliers


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

    Returns: (N, 3, R, R) float32 on the CPU, within [-1, 1], with constant noise.

    Raises:
        InputError: if there are no seeds, one is out of range, or the truncation is not a finite number.
        ShapeError: if the domain does not fit the generator.
    """
    if not seeds:
        raise InputError("no seeds: give at least one")
    if not -10 <= truncation_psi <= 10:
        raise InputError(f"truncation must be a number from -10 to 10, not {truncation_psi}; 0.7 is usual")
    z = latents(seeds, generator.z_dim).to(next(generator.parameters()).device)
    return generator.draw(generator.mapping(z, truncation_psi=truncation_psi), domain).cpu()
