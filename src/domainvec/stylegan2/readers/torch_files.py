"""Files of torch.save: the zip archives of today and the stream of pickles from before PyTorch 1.6.

NVIDIA's pickles hold one such stream for each tensor storage, as bytes to be passed to torch.load, which
would really unpickle them. Here they are read by the same machine as everything else.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from domainvec.errors import CheckpointError, UnsafeCheckpointError
from domainvec.stylegan2.readers.tensors import ARRAY_NAMES, TENSOR_NAMES, Storage, as_bytes, storage_dtype
from domainvec.stylegan2.readers.unpickling import (
    MAX_OPCODES,
    PLAIN_NAMES,
    Names,
    kind,
    quote,
    quote_some,
    recorded,
    unpickle,
)

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The number in the first pickle of an old torch.save file."""

_NAMES: Names = {
    **PLAIN_NAMES,
    **ARRAY_NAMES,
    **TENSOR_NAMES,
    **recorded("torch_utils.persistence _reconstruct_persistent_obj"),  # NVIDIA's modules, saved whole
}
_MAX_ENTRIES = 100_000
# A nested storage takes about fifty; a file could ask for the same one again and again.
_MAX_NESTED_OPCODES = 1000


@contextmanager
def opened_zip(path: Path) -> Iterator[object]:
    """Open a zip archive of torch.save; tensors of its content can be read until the block ends.

    Raises:
        UnsafeCheckpointError: if the archive is built to exhaust memory or disk, or its pickle is unsafe.
        CheckpointError: if it is cut off, damaged or another kind of archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise CheckpointError(
            f"the archive is cut off or damaged ({quote(str(error))}); download the file again"
        ) from None
    with archive:
        yield _read_zip(archive, path.stat().st_size)


def read_legacy(data: bytes, *, max_opcodes: int = MAX_OPCODES) -> object:
    """Read a stream of torch.save from before PyTorch 1.6: five pickles, then the storages.

    Raises:
        UnsafeCheckpointError: if one of the pickles is unsafe.
        CheckpointError: if the data are cut off or damaged.
    """
    stream = io.BytesIO(data)
    if unpickle(stream, {}, max_opcodes=max_opcodes) != LEGACY_MAGIC:
        raise CheckpointError("the bytes of a tensor storage are not what torch.save writes")
    unpickle(stream, {}, max_opcodes=max_opcodes)  # the protocol's version, 1001 since 2017
    system = unpickle(stream, {}, max_opcodes=max_opcodes)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise CheckpointError("the tensors were written on a big-endian machine, which is not supported")

    described: dict[str, Storage] = {}
    positions: dict[str, int] = {}

    def load_storage(persistent_id: object) -> Storage:
        key, storage = _described_storage(persistent_id)
        size = storage.size * storage.dtype.itemsize
        found = described.setdefault(
            key, Storage(storage.dtype, storage.size, lambda: data[positions[key] : positions[key] + size])
        )
        if (found.dtype, found.size) != (storage.dtype, storage.size):
            raise CheckpointError(f"storage {quote(key)} is described in two ways")
        return found

    content = unpickle(stream, _NAMES, load_storage, max_opcodes=max_opcodes)
    keys = unpickle(stream, {}, max_opcodes=max_opcodes)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise CheckpointError("the list of tensor storages is damaged")
    for key in keys:
        if key not in described:
            raise CheckpointError(f"storage {quote(key)} is not described in the pickle")
        size = int.from_bytes(stream.read(8), "little")
        positions[key] = stream.tell()
        end = positions[key] + size * described[key].dtype.itemsize
        if size != described[key].size or end > len(data):
            raise CheckpointError(f"storage {quote(key)} is cut off or of another size than its pickle says")
        stream.seek(end)
    if set(described) != set(positions):
        raise CheckpointError("the file lacks some of the tensor storages that its pickle names")
    return content


def nested_storage(arguments: tuple[object, ...]) -> Storage:
    """Stand in for torch.storage._load_from_bytes: read the storage from a torch.save stream."""
    if len(arguments) != 1:
        raise CheckpointError("a tensor storage in the pickle is not given as bytes")
    storage = read_legacy(as_bytes(arguments[0]), max_opcodes=_MAX_NESTED_OPCODES)
    if not isinstance(storage, Storage):
        raise CheckpointError(f"expected a tensor storage inside of the pickle, found {kind(storage)}")
    return storage


def _described_storage(persistent_id: object) -> tuple[str, Storage]:
    """Key and storage, without its data, of ("storage", class, key, device, size[, view])."""
    if (
        not isinstance(persistent_id, tuple)
        or len(persistent_id) not in (5, 6)
        or persistent_id[0] != "storage"
    ):
        raise CheckpointError("the pickle refers to something other than a tensor storage")
    _, kind, key, _, size, *view = persistent_id
    if not isinstance(key, str) or type(size) is not int or not 0 <= size < 2**48 or view not in ([], [None]):
        raise CheckpointError("the pickle describes a tensor storage in an unknown way")
    return key, Storage(storage_dtype(kind), size, bytes)


def _read_zip(archive: zipfile.ZipFile, file_size: int) -> object:
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    pickles = [name for name in sizes if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError(
            f"the zip archive holds {quote_some(list(sizes))} and has no data.pkl, so torch.save did not "
            "write it; unpack it and give the checkpoint that is in it"
        )
    _check_entries(archive.infolist(), file_size)
    prefix = pickles[0].removesuffix("data.pkl")
    if f"{prefix}constants.pkl" in sizes:
        raise CheckpointError("the archive holds a compiled TorchScript program; expected weights")
    if f"{prefix}byteorder" in sizes and _read_entry(archive, f"{prefix}byteorder") != b"little":
        raise CheckpointError("the archive was written on a big-endian machine, which is not supported")

    def load_storage(persistent_id: object) -> Storage:
        key, storage = _described_storage(persistent_id)
        name = f"{prefix}data/{key}"
        expected = storage.size * storage.dtype.itemsize
        if sizes.get(name) != expected:
            raise CheckpointError(
                f"storage {quote(key)} has {sizes.get(name, 'no')} bytes; its pickle says {expected}"
            )
        return Storage(storage.dtype, storage.size, lambda: _read_entry(archive, name))

    return unpickle(io.BytesIO(_read_entry(archive, pickles[0])), _NAMES, load_storage)


def _check_entries(entries: list[zipfile.ZipInfo], file_size: int) -> None:
    """Refuse what torch.save never writes: it compresses nothing, so all entries fit into the file."""
    if len(entries) > _MAX_ENTRIES:
        raise UnsafeCheckpointError(f"the archive has {len(entries):,} entries, more than any checkpoint")
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UnsafeCheckpointError(
                f"the archive has an entry {quote(entry.filename)}, outside of itself; nothing was unpacked"
            )
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise UnsafeCheckpointError(
                f"the archive's entry {quote(entry.filename)} is compressed or encrypted, which "
                "torch.save never does; nothing was unpacked"
            )
    if sum(entry.file_size for entry in entries) > file_size:
        raise UnsafeCheckpointError(
            "the entries of the archive claim more bytes than the file has; nothing was unpacked"
        )


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        struct.error,
    ) as error:
        raise CheckpointError(
            f"entry {quote(name)} of the archive is damaged ({quote(str(error))})"
        ) from None
