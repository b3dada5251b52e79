"""From the records in an unpickled checkpoint to tensors and arrays.

Everything that a file claims about a tensor is checked before any memory is allocated: its dtype, that its
sizes and strides are sane, and that every element lies within the bytes that the file really has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from domainvec.errors import CheckpointError
from domainvec.stylegan2.readers.unpickling import Name, Names, Record, kind, mentioned, quote, recorded

MAX_DIMENSIONS = 8

ARRAY_NAMES: Names = {
    **recorded(
        "numpy dtype",
        "numpy.core.multiarray _reconstruct",
        "numpy.core.multiarray scalar",
        "numpy.core.numeric _frombuffer",
        "_codecs encode",
    ),
    **mentioned("numpy ndarray"),
}
"""The names that NumPy arrays and numbers use in a pickle."""

STORAGE_DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
"""The classes of storages, and the dtypes of their elements."""

TENSOR_NAMES: Names = {
    **recorded("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"),
    **mentioned(*(name.replace(".", " ") for name in STORAGE_DTYPES)),
}
"""The names that PyTorch tensors use in a pickle, besides those of how their storages are found."""

_PARAMETER = "torch._utils._rebuild_parameter"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_ARRAY = "numpy.core.multiarray._reconstruct"
_BUFFER = "numpy.core.numeric._frombuffer"
_SCALAR = "numpy.core.multiarray.scalar"
# The names of plain dtypes in NumPy's pickles; subarrays, records and objects are not among them.
_ARRAY_DTYPES = {f"{kind}{size}" for kind in "fiu" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}


@dataclass(frozen=True, eq=False)
class Storage:
    """Flat memory that tensors of a file share, not read yet.

    Args:
        dtype: type of its elements.
        size: number of its elements.
        read: returns its bytes.
    """

    dtype: torch.dtype
    size: int
    read: Callable[[], bytes]


def is_tensor(value: object) -> bool:
    """Whether an object is a tensor, or a record of one, of an array or of a NumPy number."""
    records = (_PARAMETER, _TENSOR, _ARRAY, _BUFFER, _SCALAR)
    return isinstance(value, Tensor) or (isinstance(value, Record) and value.name in records)


def to_tensor(value: object) -> Tensor:
    """The tensor that a record stands for, float32, contiguous, on the CPU, with memory of its own.

    Args:
        value: a record, or a tensor of a safetensors file, which is taken as it is.

    Raises:
        CheckpointError: if it is not a tensor, not of floating point, or has a shape that does not fit it.
    """
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.to(torch.float32)
    if isinstance(value, Record) and value.name == _PARAMETER:
        value = value.arguments[0] if value.arguments else None
    if isinstance(value, Record) and value.name == _TENSOR:
        tensor = _rebuild_tensor(value.arguments)
    elif isinstance(value, Record) and value.name in (_ARRAY, _BUFFER):
        tensor = torch.from_numpy(_rebuild_array(value))
    elif isinstance(value, Record) and value.name == _SCALAR:
        tensor = torch.tensor(to_number(value))
    else:
        raise CheckpointError(f"expected a tensor, found {kind(value)}")
    return tensor.to(torch.float32)


def to_number(value: object) -> float:
    """A number, or the NumPy scalar that a record stands for."""
    if isinstance(value, Record) and value.name == _SCALAR and len(value.arguments) == 2:
        dtype, data = _dtype(value.arguments[0]), as_bytes(value.arguments[1])
        if len(data) != dtype.itemsize:
            raise CheckpointError(f"a number of {dtype.itemsize} bytes has {len(data)}")
        return float(np.frombuffer(data, dtype)[0])
    if isinstance(value, int | float):
        return float(value)
    raise CheckpointError(f"expected a number, found {kind(value)}")


def _sizes(value: object, what: str) -> tuple[int, ...]:
    """Non-negative integers, such as a shape."""
    if not isinstance(value, tuple) or len(value) > MAX_DIMENSIONS:
        raise CheckpointError(
            f"the {what} of a tensor is {kind(value)}; expected up to {MAX_DIMENSIONS} integers"
        )
    for size in value:
        if type(size) is not int or not 0 <= size < 2**48:
            raise CheckpointError(f"a negative, huge or non-integer number is in the {what} of a tensor")
    if what == "shape" and 0 in value:
        raise CheckpointError(f"a tensor of shape {value} is empty")
    return value


def _rebuild_tensor(arguments: tuple[object, ...]) -> Tensor:
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise CheckpointError("a tensor in the file has no storage")
    storage = arguments[0]
    (offset,) = _sizes((arguments[1],), "offset")
    shape, strides = _sizes(arguments[2], "shape"), _sizes(arguments[3], "strides")
    if len(shape) != len(strides):
        raise CheckpointError(f"a tensor has {len(shape)} sizes and {len(strides)} strides")
    if not storage.dtype.is_floating_point:
        raise CheckpointError(f"expected a tensor of floating point numbers, found {storage.dtype}")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # Strides of zero could expand a small storage to any shape; no saved network has them.
    if math.prod(shape) > storage.size or last >= storage.size:
        raise CheckpointError(
            f"a tensor of shape {shape} reaches outside of its storage of {storage.size} elements"
        )
    data = storage.read()
    if len(data) != storage.size * storage.dtype.itemsize:
        raise CheckpointError(
            f"a storage of {storage.size} elements has {len(data)} bytes; the file is damaged"
        )
    flat = torch.frombuffer(bytearray(data), dtype=storage.dtype)  # a copy, since bytes are immutable
    return flat.as_strided(shape, strides, offset).contiguous()


def _rebuild_array(record: Record) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """NumPy pickles an array as an empty one with a state, or (protocol 5) as a buffer with a shape."""
    if record.name == _BUFFER:
        parts = record.arguments
        if len(parts) != 4:
            raise CheckpointError("an array in the pickle is not described as NumPy describes one")
        data, dtype, shape, fortran = parts[0], _dtype(parts[1]), parts[2], parts[3] == "F"
    else:
        state = record.state
        if not isinstance(state, tuple) or len(state) != 5:
            raise CheckpointError("an array in the pickle is not described as NumPy describes one")
        shape, dtype, fortran, data = state[1], _dtype(state[2]), state[3] is True, state[4]
    if dtype.kind != "f":
        raise CheckpointError(f"expected an array of floating point numbers, found {dtype}")
    sizes, flat = _sizes(shape, "shape"), as_bytes(data)
    if len(flat) != math.prod(sizes) * dtype.itemsize:
        raise CheckpointError(f"an array of shape {sizes} and {dtype} has {len(flat)} bytes")
    array = np.frombuffer(bytearray(flat), dtype).reshape(sizes, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("=")).reshape(sizes)


def _dtype(value: object) -> np.dtype[np.generic]:
    """A plain numeric dtype, such as dtype("f4") with the state (3, "<", None, None, None, -1, -1, 0)."""
    if isinstance(value, Record) and value.name == "numpy.dtype" and value.arguments:
        name, state = value.arguments[0], value.state
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
        plain = not isinstance(state, tuple) or all(part is None for part in state[2:5])
        if isinstance(name, str) and name in _ARRAY_DTYPES and order in ("<", ">", "|", "=") and plain:
            return np.dtype(f"{order}{name}")
        if isinstance(name, str):
            raise CheckpointError(
                f"an array in the pickle has the dtype {quote(name)}; expected plain numbers"
            )
    raise CheckpointError("an array in the pickle has no plain numeric dtype")


def as_bytes(value: object) -> bytes:
    """Read bytes, which protocol 2 spells as text to be encoded."""
    if isinstance(value, Record) and value.name == "_codecs.encode":
        text, codec = value.arguments if len(value.arguments) == 2 else (None, None)
        if isinstance(text, str) and codec == "latin1":
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                raise CheckpointError("bytes in the pickle are damaged") from None
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise CheckpointError(f"expected bytes, found {kind(value)}")


def storage_dtype(value: object) -> torch.dtype:
    """The dtype of a class of storages."""
    if isinstance(value, Name) and value.name in STORAGE_DTYPES:
        return STORAGE_DTYPES[value.name]
    raise CheckpointError(f"expected a class of tensor storages, found {kind(value)}")
