"""The factors that a change of low rank begins with."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def factors(name: str, weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Make the factors of a change of low rank that is zero: zeros, and random numbers.

    LoRA (Hu et al. 2022), arXiv:2106.09685, section 4.1. The random factor has a variance of one over the
    rank: a step then moves the weight about as far as it would if all its numbers were trained.

    Args:
        name: of the weight; it seeds the random numbers.
        weight: (o, ...).
        rank: at least 1; more than the weight can have is cut to it.

    Returns: (o, rank) and (rank, ...), float32, on the weight's device.
    """
    rank = min(rank, weight.shape[0], weight[0].numel())
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "little")
    rng = torch.Generator().manual_seed(seed)
    down = torch.randn(rank, *weight.shape[1:], generator=rng, device="cpu") * rank**-0.5
    return weight.new_zeros(weight.shape[0], rank), down.to(weight.device)
