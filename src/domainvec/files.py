"""Where the bundled models are, and writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
"""One folder for each model that comes with the package."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to `path` when the block succeeds.

    The temporary file lies beside the final one and has its suffix, since many writers choose their format by
    it. Missing parent folders are created. When the block raises, the temporary file is removed and `path` is
    left as it was.

    Args:
        path: the file to write or replace.

    Yields: the path to write to; writing nothing to it is an error.

    Raises: OSError, which names `path`, if the file cannot be written.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, final)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            # Nobody knows the temporary file, and writing to an open one names none.
            error.filename, error.filename2 = str(final), None
        raise


def require_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that `atomic_path` can write `path`; nothing but missing parent folders is created.

    Raises: OSError if the folder cannot be written to or the name is too long.
    """
    with suppress(_Written), atomic_path(path) as temporary:
        temporary.write_bytes(b"")
        raise _Written


class _Written(Exception):
    """Ends the block of `require_writable`, so that its file is removed."""


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all, with the permissions of any new file.

    Args:
        path: the file to write or replace; missing parent folders are created.
        tensors: on the CPU, by name.
        metadata: of the file's header.

    Raises: OSError if the file cannot be written.
    """
    from safetensors.torch import save

    # The library's own writer makes files that nobody else may read, and raises errors that are no OSError.
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(dict(tensors), metadata=dict(metadata) if metadata else None))
