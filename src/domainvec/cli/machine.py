"""Device and threads of a command."""

from __future__ import annotations

import torch

from domainvec.errors import InputError


def prepare(device: str | None, threads: int | None) -> torch.device:
    """Select the device, and set the number of CPU threads.

    Args:
        device: name of a PyTorch device; None for a GPU if available, else the CPU.
        threads: number of CPU threads; None for PyTorch's default.

    Raises: InputError if the device cannot be used.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.ones(1, device=chosen).add(1).item()
    except Exception as error:  # each backend raises its own types, with messages of many lines
        raise InputError(f"device {device!r} cannot be used on this machine; use cpu or cuda") from error
    return chosen
