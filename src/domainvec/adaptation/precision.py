"""Which precision a machine computes fastest in without harm."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def native_precision(device: torch.device) -> Precision:
    """Ask a device whether it multiplies bfloat16 numbers in hardware.

    Returns: "bfloat16" for a CPU with AVX512-BF16 or AMX and for a GPU of compute capability 8.0 (Ampere) or
        later, otherwise "float32", which is faster where bfloat16 is emulated.
    """
    if device.type == "cuda":
        native = torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        # Questions without a public name; a PyTorch that does not know them answers no.
        questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        native = any(getattr(torch.cpu, question, bool)() for question in questions)
    else:
        native = False
    return "bfloat16" if native else "float32"
