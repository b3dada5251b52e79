"""The domain file format: a safetensors file with the metadata in its header.

Tensors are named `offsets.{i}` and `shifts.{i}` (for each 3×3 convolution), `rgb_offsets.{k}`,
`rgb_shifts.{k}` and `rgb_bias.{k}` (for each ToRGB layer), all 1-D, and `weights.{parameter}`, or
`weights.{parameter}.up` and `.down` for the factors of a low-rank change. If at least half of the parameters
are zero, the file has two tensors instead: `values`, the nonzero parameters, and `mask`, one bit per
parameter, least significant bit first. The header entry `domainvec` is the metadata, a JSON object; sparse
files also have `domainvec.shapes`, a JSON object of the shape of each tensor, in the order of the mask. The
header is validated before any tensor is read, so that a malicious file cannot exhaust memory.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.domains.provenance import Metadata, parse
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
_MAX_PARAMETERS = 2**27  # parameters that a sparse or low-rank file expands to


def write_domain_file(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    metadata: Metadata,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a domain file, atomically.

    Args:
        path: the file to write.
        tensors: the tensors of one domain, keyed by their names.
        metadata: a JSON object.
        dtype: data type of the file; by default float16 if that is lossless, else float32.

    Raises:
        DomainError: if a parameter is not finite or overflows the dtype.
        OSError: if the file cannot be written.
    """
    tensors = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{name} has values that are not finite: nothing was saved")
    if dtype is None:
        dtype = torch.float16 if all(map(is_exact_in_float16, tensors.values())) else torch.float32
    stored = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    for name, tensor in stored.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{name} has values too large for {dtype}: save it with torch.float32")
    text = json.dumps({**metadata, "format_version": FORMAT_VERSION}, allow_nan=False, ensure_ascii=False)
    if len(text.encode()) > _MAX_HEADER_BYTES // 2:
        raise DomainError(f"the metadata is too long for a domain file: {len(text):,} characters")
    header = {"domainvec": text}
    vector = torch.cat([tensor.reshape(-1) for tensor in stored.values()])
    if 2 * int(vector.count_nonzero()) <= len(vector) <= _MAX_PARAMETERS:
        header["domainvec.shapes"] = json.dumps({name: list(tensor.shape) for name, tensor in stored.items()})
        mask = vector != 0
        packed = np.packbits(mask.numpy(), bitorder="little")
        stored = {"mask": torch.from_numpy(packed), "values": vector[mask]}
    save_tensors(path, stored, header)


def read_domain_file(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], Metadata]:
    """Read a domain file.

    Returns: the tensors, float32, keyed by their names; and the metadata.

    Raises: DomainError if the file cannot be read, is truncated, is not a domain file, or has values that are
        not finite.
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
                tensors = _unpack(path, mask, values.float(), shapes)
            else:
                tensors = {name: file.get_tensor(name).to(torch.float32, copy=True) for name in names}
    except FileNotFoundError as error:
        raise DomainError(f"{path}: there is no such file") from error
    except (OSError, SafetensorError) as error:
        raise DomainError(
            f"{path}: not a domain file, or a truncated one ({error}); expected a .safetensors file "
            "written by domainvec"
        ) from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise DomainError(f"{path}: {name} has values that are not finite: the file is corrupt")
    return tensors, metadata


def is_domain_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a readable safetensors file with the tensors of a domain."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
    except (OSError, SafetensorError):
        return False
    return any(
        name in _SPARSE_KEYS or _CHANNELS_KEY.fullmatch(name) or _WEIGHT_KEY.fullmatch(name) for name in names
    )


def is_exact_in_float16(tensor: Tensor) -> bool:
    """Return whether converting a tensor to float16 is lossless."""
    return bool((tensor.to(torch.float16).to(tensor.dtype) == tensor).all())


def _check_header_size(path: Path) -> None:
    # The library reads the whole header, whatever length it claims.
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
        metadata = parse(header["domainvec"])
    except DomainError as error:
        raise DomainError(f"{path}: {error}") from error
    version = metadata.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise DomainError(
            f"{path}: format version {version!r}, expected {FORMAT_VERSION}; a newer domainvec may read it"
        )
    return metadata


def _check_names(path: Path, names: list[str]) -> list[str]:
    """Check the names of the tensors, and return them in order."""
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
            f"{path}: not a domain file, or a broken one: missing tensors {_summarize(missing)}, "
            f"unexpected tensors {_summarize(unexpected)}"
        )
    return numbered + weights


def _check_tensor(path: Path, name: str, shape: tuple[int, ...], dtype: str) -> None:
    changes_weight = name.startswith("weights.")
    widest = 3 if name.startswith("rgb_bias.") else _MAX_WIDTH
    fits = len(shape) <= 4 if changes_weight else len(shape) == 1
    if dtype not in _DTYPES or not fits or not all(1 <= size <= widest for size in shape):
        expected = "at most four dimensions" if changes_weight else "a shape (c,) with c"
        raise DomainError(
            f"{path}: {name} is {dtype} of shape {shape}, expected one of {', '.join(_DTYPES)} "
            f"and {expected} from 1 to {widest}"
        )


def _check_factors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    # Small factors can have a huge product.
    products = [
        shapes[name][0] * math.prod(shapes[name.removesuffix(".up") + ".down"][1:])
        for name in shapes
        if name.endswith(".up") and shapes[name]
    ]
    if sum(products) > _MAX_PARAMETERS:
        raise DomainError(
            f"{path}: factors whose products have {sum(products):,} values; expected at most "
            f"{_MAX_PARAMETERS:,}"
        )


def _check_sparse(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str], header: Mapping[str, str]
) -> dict[str, tuple[int, ...]]:
    """Check the tensors of a sparse file, and return the shapes in its header."""
    (mask_bytes, *_), values = shapes["mask"] or (0,), shapes["values"]
    try:
        found = json.loads(header["domainvec.shapes"])
        declared = {str(name): tuple(int(size) for size in shape) for name, shape in found.items()}
        total = sum(math.prod(shape) for shape in declared.values())
        valid = (
            all(size >= 1 for shape in declared.values() for size in shape)
            and total <= _MAX_PARAMETERS
            and shapes["mask"] == (-(-total // 8),)
            and len(values) == 1
            and dtypes["mask"] == "U8"
            and dtypes["values"] in _DTYPES
        )
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        valid, declared = False, {}
    if not valid:
        raise DomainError(
            f"{path}: a mask of {mask_bytes} bytes and values of shape {values} do not match the shapes in "
            "the header: the file is corrupt"
        )
    return declared


def _unpack(
    path: Path, mask: Tensor, values: Tensor, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """Scatter the values to where the mask is one, and split the result into tensors."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    ones = torch.from_numpy(np.unpackbits(mask.numpy(), count=sum(sizes), bitorder="little")).bool()
    if int(ones.sum()) != len(values):
        raise DomainError(
            f"{path}: {len(values):,} values for a mask of {int(ones.sum()):,}: the file is corrupt"
        )
    vector = torch.zeros(len(ones))
    vector[ones] = values
    pieces = torch.split(vector, sizes)
    return {
        name: piece.reshape(shape).clone()
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }


def _summarize(names: list[str]) -> str:
    shown = ", ".join(name if len(name) <= 60 else name[:57] + "..." for name in names[:8])
    return (shown or "none") + (f" and {len(names) - 8} more" if len(names) > 8 else "")
