"""The domain file: a safetensors file of a few thousand numbers, its metadata in the header.

Tensors are named `offsets.{i}` (one for each 3×3 convolution), `rgb_offsets.{k}` and `rgb_bias.{k}` (one for
each ToRGB), all 1-D. The header's only metadata entry, `domainvec`, is a JSON object. A file is judged by its
header before any tensor is read, so that a hostile one costs no memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from domainvec.domains.provenance import Metadata, parsed
from domainvec.errors import DomainError
from domainvec.files import atomic_path

FORMAT_VERSION = 1
PARTS = ("offsets", "rgb_offsets", "rgb_bias")

_KEY = re.compile(r"(offsets|rgb_offsets|rgb_bias)\.(0|[1-9][0-9]?)")
_DTYPES = ("F16", "BF16", "F32", "F64")
_MAX_HEADER_BYTES = 2**20
_MAX_WIDTH = 2**16  # channels of one layer


def write_domain_file(
    path: str | os.PathLike[str],
    parts: Mapping[str, tuple[Tensor, ...]],
    metadata: Metadata,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a domain file, whole or not at all.

    Args:
        path: where to.
        parts: for each of `PARTS` its tensors, (c,) each.
        metadata: a JSON object.
        dtype: how to store the numbers; by default float16 if it holds them exactly, else float32.

    Raises:
        DomainError: if a number is not finite, or does not fit the dtype.
        OSError: if the file cannot be written.
    """
    tensors = {
        f"{part}.{index}": tensor.detach().to("cpu", torch.float32)
        for part in PARTS
        for index, tensor in enumerate(parts.get(part, ()))
    }
    for key, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{key} holds numbers that are not finite: nothing was saved")
    if dtype is None:
        dtype = torch.float16 if all(map(is_exact_in_float16, tensors.values())) else torch.float32
    stored = {key: tensor.to(dtype).contiguous() for key, tensor in tensors.items()}
    for key, tensor in stored.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{key} holds numbers too large for {dtype}: save it as torch.float32")
    text = json.dumps({**metadata, "format_version": FORMAT_VERSION}, allow_nan=False, ensure_ascii=False)
    if len(text.encode()) > _MAX_HEADER_BYTES // 2:
        raise DomainError(f"metadata of {len(text):,} characters is too long for a domain file")
    with atomic_path(path) as temporary:
        save_file(stored, temporary, metadata={"domainvec": text})


def read_domain_file(path: str | os.PathLike[str]) -> tuple[dict[str, tuple[Tensor, ...]], Metadata]:
    """Read a domain file.

    Returns: for each of `PARTS` that the file has, its tensors, float32, (c,) each; and the metadata.

    Raises: DomainError if the file cannot be read, is cut off, is not a domain file, or holds numbers that
        are not finite.
    """
    path = Path(path)
    try:
        _check_header_size(path)
        with safe_open(path, framework="pt") as file:
            metadata = _read_metadata(path, file.metadata())
            names = _check_names(path, list(file.keys()))
            for name in names:
                _check_tensor(path, name, file.get_slice(name))
            tensors = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in names}
    except FileNotFoundError as error:
        raise DomainError(f"{path}: there is no such file") from error
    except (OSError, SafetensorError) as error:
        raise DomainError(
            f"{path}: not a domain file, or one that was cut off ({error}); expected a .safetensors file "
            "written by domainvec"
        ) from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{path}: {name} holds numbers that are not finite: the file is broken")
    counts = {part: sum(name.startswith(f"{part}.") for name in names) for part in PARTS}
    parts = {
        part: tuple(tensors[f"{part}.{index}"] for index in range(count))
        for part, count in counts.items()
        if count
    }
    return parts, metadata


def is_exact_in_float16(tensor: Tensor) -> bool:
    """Whether float16 holds every number of the tensor without rounding."""
    return bool((tensor.to(torch.float16).to(tensor.dtype) == tensor).all())


def _check_header_size(path: Path) -> None:
    # The header claims its own length, and is read whole; the tensors are small, as is checked by it.
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
    if header_bytes > _MAX_HEADER_BYTES:
        raise DomainError(
            f"{path}: not a domain file: a header of {header_bytes:,} bytes, expected at most "
            f"{_MAX_HEADER_BYTES:,}"
        )


def _read_metadata(path: Path, header: Mapping[str, str] | None) -> Metadata:
    if not header or "domainvec" not in header:
        raise DomainError(
            f"{path}: a safetensors file, but not a domain file: its header has no `domainvec` entry"
        )
    try:
        metadata = parsed(header["domainvec"])
    except DomainError as error:
        raise DomainError(f"{path}: {error}") from error
    version = metadata.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise DomainError(
            f"{path}: format version {version!r}, expected {FORMAT_VERSION}; a newer domainvec may read it"
        )
    return metadata


def _check_names(path: Path, names: list[str]) -> list[str]:
    unexpected = sorted(name for name in names if not _KEY.fullmatch(name))
    counts = {part: sum(name.startswith(f"{part}.") for name in names) for part in PARTS}
    counts["offsets"] = max(counts["offsets"], 1)
    needed = [f"{part}.{index}" for part, count in counts.items() for index in range(count)]
    missing = [name for name in needed if name not in names]
    if unexpected or missing:
        raise DomainError(
            f"{path}: not a domain file, or a broken one: missing tensors {_listed(missing)}, "
            f"unexpected tensors {_listed(unexpected)}"
        )
    return names


def _check_tensor(path: Path, name: str, view: Any) -> None:  # noqa: ANN401  (safetensors exports no type)
    shape, dtype = view.get_shape(), view.get_dtype()
    widest = 3 if name.startswith("rgb_bias.") else _MAX_WIDTH
    if dtype not in _DTYPES or len(shape) != 1 or not 1 <= shape[0] <= widest:
        raise DomainError(
            f"{path}: {name} is {dtype} of shape {tuple(shape)}, expected one of {', '.join(_DTYPES)} "
            f"and a shape (c,) with c from 1 to {widest}"
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(name if len(name) <= 60 else name[:57] + "..." for name in names[:8])
    return (shown or "none") + (f" and {len(names) - 8} more" if len(names) > 8 else "")
