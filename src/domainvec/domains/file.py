"""The domain file: a safetensors file of the domain's numbers, its metadata in the header.

Tensors are named `offsets.{i}` and `shifts.{i}` (one for each 3×3 convolution), `rgb_offsets.{k}`,
`rgb_shifts.{k}` and `rgb_bias.{k}` (one for each ToRGB), all 1-D, and `weights.{parameter}`, or
`weights.{parameter}.up` and `.down` for the factors of a change of low rank. A domain of which half or more
is zeros is kept as two tensors: `values`, the numbers that are not, and `mask`, one bit for each number, the
lowest first. The header's entry `domainvec` is a JSON object, the metadata; beside a mask, `domainvec.shapes`
is another, the shape of each tensor by its name, in the order of the mask. A file is judged by its header
before any tensor is read, so that a hostile one costs no memory.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.domains.provenance import Metadata, parsed
from domainvec.errors import DomainError
from domainvec.files import save_tensors

FORMAT_VERSION = 1
PARTS = ("offsets", "rgb_offsets", "rgb_bias", "shifts", "rgb_shifts")

_CHANNELS_KEY = re.compile(rf"({'|'.join(PARTS)})\.(0|[1-9][0-9]?)")
_WEIGHT_KEY = re.compile(r"weights\.[a-z][a-z_]*(\.([a-z][a-z_]*|0|[1-9][0-9]?)){0,4}")
_SPARSE_KEYS = ("mask", "values")
_DTYPES = ("F16", "BF16", "F32", "F64")
_MAX_HEADER_BYTES = 2**20
_MAX_WIDTH = 2**16  # channels of one layer
_MAX_NUMBERS = 2**27  # of one domain, where fewer are in the file


def write_domain_file(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    metadata: Metadata,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a domain file, whole or not at all.

    Args:
        path: where to.
        tensors: the tensors of one domain by their names.
        metadata: a JSON object.
        dtype: how to store the numbers; by default float16 if it holds them exactly, else float32.

    Raises:
        DomainError: if a number is not finite, or does not fit the dtype.
        OSError: if the file cannot be written.
    """
    tensors = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{name} holds numbers that are not finite: nothing was saved")
    if dtype is None:
        dtype = torch.float16 if all(map(is_exact_in_float16, tensors.values())) else torch.float32
    stored = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    for name, tensor in stored.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{name} holds numbers too large for {dtype}: save it as torch.float32")
    text = json.dumps({**metadata, "format_version": FORMAT_VERSION}, allow_nan=False, ensure_ascii=False)
    if len(text.encode()) > _MAX_HEADER_BYTES // 2:
        raise DomainError(f"metadata of {len(text):,} characters is too long for a domain file")
    header = {"domainvec": text}
    numbers = torch.cat([tensor.reshape(-1) for tensor in stored.values()])
    if 2 * int(numbers.count_nonzero()) <= len(numbers) <= _MAX_NUMBERS:
        header["domainvec.shapes"] = json.dumps({name: list(tensor.shape) for name, tensor in stored.items()})
        mask = numbers != 0
        packed = np.packbits(mask.numpy(), bitorder="little")
        stored = {"mask": torch.from_numpy(packed), "values": numbers[mask]}
    save_tensors(path, stored, header)


def read_domain_file(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], Metadata]:
    """Read a domain file.

    Returns: the tensors by their names, float32; and the metadata.

    Raises: DomainError if the file cannot be read, is cut off, is not a domain file, or holds numbers that
        are not finite.
    """
    path = Path(path)
    try:
        _check_header_size(path)
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            metadata = _read_metadata(path, header)
            names = list(file.keys())
            views = {name: file.get_slice(name) for name in names}
            shapes = {name: tuple(view.get_shape()) for name, view in views.items()}
            dtypes = {name: view.get_dtype() for name, view in views.items()}
            sparse = set(names) == set(_SPARSE_KEYS)
            if sparse:
                shapes = _check_sparse(path, shapes, dtypes, header)
                dtypes = dict.fromkeys(shapes, dtypes["values"])
            names = _check_names(path, list(shapes))
            for name in names:
                _check_tensor(path, name, shapes[name], dtypes[name])
            _check_factors(path, shapes)
            if sparse:
                mask, values = (file.get_tensor(key) for key in _SPARSE_KEYS)
                tensors = _spread(path, mask, values.float(), shapes)
            else:
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
    return tensors, metadata


def holds_domain(names: Iterable[str]) -> bool:
    """Whether a safetensors file whose tensors have these names is a domain file, by them alone."""
    return any(
        name in _SPARSE_KEYS or _CHANNELS_KEY.fullmatch(name) or _WEIGHT_KEY.fullmatch(name) for name in names
    )


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
    """Make sure that the names are those of a domain; give them in order, numbered parts first."""
    weights = [name for name in names if _WEIGHT_KEY.fullmatch(name)]
    unexpected = sorted(
        name for name in names if not _CHANNELS_KEY.fullmatch(name) and not _WEIGHT_KEY.fullmatch(name)
    )
    counts = {part: sum(name.startswith(f"{part}.") for name in names) for part in PARTS}
    if not weights and not any(counts.values()):
        counts["offsets"] = 1
    numbered = [f"{part}.{index}" for part, count in counts.items() for index in range(count)]
    halves = {".up": ".down", ".down": ".up"}
    paired = [
        name.removesuffix(half) + other
        for name in weights
        for half, other in halves.items()
        if name.endswith(half)
    ]
    missing = [name for name in numbered + paired if name not in names]
    unexpected += [name for name in weights if f"{name}.up" in names]
    if unexpected or missing:
        raise DomainError(
            f"{path}: not a domain file, or a broken one: missing tensors {_listed(missing)}, "
            f"unexpected tensors {_listed(unexpected)}"
        )
    return numbered + weights


def _check_tensor(path: Path, name: str, shape: tuple[int, ...], dtype: str) -> None:
    changes_weight = name.startswith("weights.")
    widest = 3 if name.startswith("rgb_bias.") else _MAX_WIDTH
    fits = len(shape) <= 4 if changes_weight else len(shape) == 1
    if dtype not in _DTYPES or not fits or not all(1 <= size <= widest for size in shape):
        expected = "at most four sizes" if changes_weight else "a shape (c,) with c"
        raise DomainError(
            f"{path}: {name} is {dtype} of shape {shape}, expected one of {', '.join(_DTYPES)} "
            f"and {expected} from 1 to {widest}"
        )


def _check_factors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    # The product of two small factors can be a large tensor.
    products = [
        shapes[name][0] * math.prod(shapes[name.removesuffix(".up") + ".down"][1:])
        for name in shapes
        if name.endswith(".up") and shapes[name]
    ]
    if sum(products) > _MAX_NUMBERS:
        raise DomainError(
            f"{path}: factors whose products have {sum(products):,} numbers; expected at most "
            f"{_MAX_NUMBERS:,}"
        )


def _check_sparse(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str], header: Mapping[str, str]
) -> dict[str, tuple[int, ...]]:
    """Make sure that a mask, its values and the shapes in the header agree; give the shapes."""
    (mask_bytes, *_), values = shapes["mask"] or (0,), shapes["values"]
    try:
        found = json.loads(header["domainvec.shapes"])
        spread = {str(name): tuple(int(size) for size in shape) for name, shape in found.items()}
        total = sum(math.prod(shape) for shape in spread.values())
        good = (
            all(size >= 1 for shape in spread.values() for size in shape)
            and total <= _MAX_NUMBERS
            and shapes["mask"] == (-(-total // 8),)
            and len(values) == 1
            and dtypes["mask"] == "U8"
            and dtypes["values"] in _DTYPES
        )
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        good, spread = False, {}
    if not good:
        raise DomainError(
            f"{path}: a mask of {mask_bytes} bytes and values of shape {values} that do not go with the "
            "shapes in the header: the file is broken"
        )
    return spread


def _spread(
    path: Path, mask: Tensor, values: Tensor, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """Put the values where the mask has ones, zeros elsewhere, and cut the row into tensors."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    ones = torch.from_numpy(np.unpackbits(mask.numpy(), count=sum(sizes), bitorder="little")).bool()
    if int(ones.sum()) != len(values):
        raise DomainError(
            f"{path}: {len(values):,} values for a mask of {int(ones.sum()):,}: the file is broken"
        )
    numbers = torch.zeros(len(ones))
    numbers[ones] = values
    pieces = torch.split(numbers, sizes)
    return {
        name: piece.reshape(shape).clone()
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }


def _listed(names: list[str]) -> str:
    shown = ", ".join(name if len(name) <= 60 else name[:57] + "..." for name in names[:8])
    return (shown or "none") + (f" and {len(names) - 8} more" if len(names) > 8 else "")
