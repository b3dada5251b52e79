"""Random numbers that depend on the seed, the step and the purpose alone.

A step draws the same numbers whether or not a run was interrupted before it, on every device.
"""

from __future__ import annotations

import hashlib

import torch


def step_rng(seed: int, step: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Make the random generator of one purpose in one step.

    Args:
        seed: of the run.
        step: counted from 0.
        purpose: any name; purposes of one step do not share numbers.
        device: where it draws.
    """
    digest = hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
