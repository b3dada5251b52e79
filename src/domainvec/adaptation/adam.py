"""Adam's state (Kingma & Ba 2015, arXiv:1412.6980) as named tensors, which a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def optimizer_state(optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Name the state of each parameter by its position and the state's name; empty before the first step."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    return {
        f"{index}.{name}": value.detach()
        for index, parameter in enumerate(parameters)
        for name, value in optimizer.state[parameter].items()
    }


def load_optimizer_state(optimizer: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_state` gave."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    for key, value in state.items():
        index, name = key.split(".")
        parameter = parameters[int(index)]
        # Adam keeps the step count on the CPU.
        device = "cpu" if name == "step" else parameter.device
        optimizer.state[parameter][name] = value.to(device, copy=True)
