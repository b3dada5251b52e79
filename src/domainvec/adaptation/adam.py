"""What Adam (Kingma & Ba 2015, arXiv:1412.6980) keeps of a weight, taken out and put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_MOMENTS = ("exp_avg", "exp_avg_sq")


def moments(optimizer: torch.optim.Adam, weight: Tensor) -> dict[str, Tensor]:
    """Copies of the running means of a weight's gradient and of its square, by name; none before a step."""
    kept = optimizer.state[weight]
    return {name: kept[name].clone() for name in _MOMENTS if name in kept}


def put_back(
    optimizer: torch.optim.Adam, weight: Tensor, steps: int, kept: Mapping[str, Tensor], mark: str = ""
) -> None:
    """Go on as after so many steps, with what `moments` gave; its names may end in a mark."""
    optimizer.state[weight] = {
        "step": torch.tensor(float(steps)),
        **{name: kept[f"{name}{mark}"].to(weight.device, copy=True) for name in _MOMENTS},
    }
