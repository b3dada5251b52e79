"""Initial values of the parameters of a domain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def zeros(generator: Generator, widths: Iterable[int]) -> list[Tensor]:
    """Create a zero vector for each width, float32, on the generator's device."""
    device = next(generator.parameters()).device
    return [torch.zeros(width, device=device) for width in widths]


def low_rank_factors(name: str, weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Create the factors of a low-rank change whose product is zero: zeros and random numbers.

    LoRA (Hu et al. 2022), arXiv:2106.09685, section 4.1. The random factor has variance 1 / rank, so that a
    training step moves the weight about as far as full fine-tuning would.

    Args:
        name: of the weight; seeds the random numbers.
        weight: (o, ...).
        rank: at least 1; clipped to the largest rank that the weight can have.

    Returns: (o, rank) and (rank, ...), float32, on the weight's device.
    """
    rank = min(rank, weight.shape[0], weight[0].numel())
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "little")
    rng = torch.Generator().manual_seed(seed)
    down = torch.randn(rank, *weight.shape[1:], generator=rng, device="cpu") * rank**-0.5
    return weight.new_zeros(weight.shape[0], rank), down.to(weight.device)
