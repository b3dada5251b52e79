"""The same images before and after: a grid to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.images import grid
from domainvec.seeds import latents

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_COLUMNS = 8
_SMALLEST_TILE, _LARGEST_TILE = 128, 256


@torch.no_grad()
def before_after(
    generator: Generator,
    domain: Domain,
    seeds: Sequence[int] = range(16),
    truncation_psi: float = 0.7,
) -> Image.Image:
    """Draw faces, eight in a row, and under each row the same faces in the domain.

    Pictures above 256 px are shown reduced, those below 128 px enlarged by a whole number.

    Args:
        generator: the frozen generator.
        domain: one domain.
        seeds: one for each face; at least one.
        truncation_psi: 1 for all faces that there are, lower for more typical ones.

    Raises:
        DomainError: if the domain does not fit the generator's widths.
        InputError: if a seed is out of range.
    """
    domain.check(generator, allow_mismatch=True)
    z = latents(seeds, generator.z_dim).to(next(generator.parameters()).device)
    w = generator.mapping(z, truncation_psi=truncation_psi)
    before, after = (
        torch.split(_reduced(generator.draw(w, each)).cpu(), _COLUMNS) for each in (None, domain)
    )
    scale = max(1, _SMALLEST_TILE // generator.resolution)
    return grid([row for pair in zip(before, after, strict=True) for row in pair], scale=scale)


def _reduced(images: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(images, min(images.shape[-1], _LARGEST_TILE))
