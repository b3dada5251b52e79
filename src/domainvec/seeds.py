"""Latents from seeds: seed 7 is the same face alone, in a batch of 4, and in a batch of 400."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from domainvec.errors import InputError


def latents(seeds: Sequence[int], z_dim: int) -> Tensor:
    """Draw one standard normal latent for each seed.

    Each row comes from its own generator, so it depends on its own seed alone, not on the other rows.
    Always drawn on the CPU: the same seed is then the same latent on every device.

    Args:
        seeds: whole numbers in [0, 2**32).
        z_dim: length of a latent.

    Returns: (N, z_dim) float32 on the CPU.

    Raises: InputError if a seed is out of range.
    """
    rows = torch.empty(len(seeds), z_dim)
    for row, seed in zip(rows, seeds, strict=True):
        if not 0 <= seed < 2**32:
            raise InputError(f"seed {seed} is out of range: give a whole number from 0 to 2**32 - 1")
        row.copy_(torch.randn(z_dim, generator=torch.Generator().manual_seed(seed)))
    return rows
