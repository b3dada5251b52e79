"""What a command computes on."""

from __future__ import annotations

import torch

from domainvec.errors import InputError


def prepare(device: str | None, threads: int | None) -> torch.device:
    """Choose the device and set the number of CPU threads.

    Args:
        device: a name that PyTorch knows, or None for a GPU if there is one and else the CPU.
        threads: how many CPU threads to use, or None for PyTorch's own choice.

    Raises: InputError if this machine has no such device.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # Each backend has its own words, and several lines of them, for "there is none".
        raise InputError(f"device {device!r} cannot be used on this machine; cpu always can") from error
    return chosen
