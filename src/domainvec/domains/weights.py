"""Weight changes: what a domain adds to the weights of a generator, dense or of low rank.

A change is a tensor that is broadcast to the shape of its weight, or a pair of factors `(up, down)` of shapes
(o, r) and (r, ...) whose product is the change, as in LoRA (Hu et al. 2022), arXiv:2106.09685.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

WeightChange = Tensor | tuple[Tensor, Tensor]


def to_dense(change: WeightChange) -> Tensor:
    """Multiply the factors of a change, if it has any; differentiable."""
    if isinstance(change, Tensor):
        return change
    up, down = change
    product: Tensor = torch.tensordot(up, down, dims=1)
    return product


def scale_change(change: WeightChange, strength: float) -> WeightChange:
    """Multiply a change by a number."""
    if isinstance(change, Tensor):
        return change * strength
    up, down = change
    return up * strength, down


def add_changes(
    first: Mapping[str, WeightChange], second: Mapping[str, WeightChange]
) -> dict[str, WeightChange]:
    """Add two sets of changes, keyed by the names of their weights.

    The sum of two low-rank changes has the sum of their ranks.
    """
    total = dict(first)
    for name, change in second.items():
        total[name] = _add(total[name], change) if name in total else change
    return total


def sort_changes(changes: Mapping[str, WeightChange]) -> dict[str, WeightChange]:
    """Sort changes by the names of their weights, in natural order: convs.9 before convs.10."""

    def key(name: str) -> str:
        return re.sub(r"\d+", lambda number: number[0].zfill(3), name)

    return {name: changes[name] for name in sorted(changes, key=key)}


def _add(first: WeightChange, second: WeightChange) -> WeightChange:
    if isinstance(first, tuple) and isinstance(second, tuple):
        return torch.cat([first[0], second[0]], dim=1), torch.cat([first[1], second[1]])
    return to_dense(first) + to_dense(second)
