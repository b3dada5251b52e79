"""Changes of weights: each one tensor, or the two factors of a change of low rank.

A change is added to the weight, broadcast to its shape. The factors `(up, down)`, (o, r) and (r, ...), stand
for their product, (o, ...), as in LoRA (Hu et al. 2022), arXiv:2106.09685.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

WeightChange = Tensor | tuple[Tensor, Tensor]


def dense(change: WeightChange) -> Tensor:
    """Give a change as one tensor; differentiable."""
    if isinstance(change, Tensor):
        return change
    up, down = change
    product: Tensor = torch.tensordot(up, down, dims=1)
    return product


def scaled(change: WeightChange, strength: float) -> WeightChange:
    """Give a change times a number; of two factors, one is multiplied."""
    if isinstance(change, Tensor):
        return change * strength
    up, down = change
    return up * strength, down


def added(first: Mapping[str, WeightChange], second: Mapping[str, WeightChange]) -> dict[str, WeightChange]:
    """Add changes by the names of their weights; what one lacks counts as zero.

    Two changes of low rank give one whose rank is the sum of theirs.
    """
    total = dict(first)
    for name, change in second.items():
        total[name] = _sum(total[name], change) if name in total else change
    return total


def in_order(changes: Mapping[str, WeightChange]) -> dict[str, WeightChange]:
    """Sort changes by the names of their weights, numbers in them by value."""

    def key(name: str) -> str:
        return re.sub(r"\d+", lambda number: number[0].zfill(3), name)

    return {name: changes[name] for name in sorted(changes, key=key)}


def _sum(first: WeightChange, second: WeightChange) -> WeightChange:
    if isinstance(first, tuple) and isinstance(second, tuple):
        return torch.cat([first[0], second[0]], dim=1), torch.cat([first[1], second[1]])
    return dense(first) + dense(second)
