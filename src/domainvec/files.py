"""Where the bundled models are, and writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
"""One folder for each model that comes with the package."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and move it to `path` when the block succeeds.

    The temporary name keeps the suffix, since many writers choose their format by it. Missing parent
    folders are created. When the block raises, the temporary file is removed and `path` is left as it was.

    Args:
        path: the file to write or replace.

    Yields: the path to write to; writing nothing to it is an error.

    Raises: OSError if the folder cannot be made or the file cannot be moved.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(final)
    try:
        yield temporary
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def require_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that `path` could be written with `atomic_path`; nothing is left behind but its folder.

    Raises: OSError if it could not: the folder cannot be written to, or the name is too long.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(final)
    temporary.write_bytes(b"")
    temporary.unlink()


def _temporary(final: Path) -> Path:
    return final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all, as readable for others as any new file.

    Args:
        path: the file to write or replace; missing parent folders are created.
        tensors: on the CPU, by name.
        metadata: of the file's header.

    Raises: OSError if the file cannot be written.
    """
    from safetensors.torch import save

    # The library's own writer makes files that nobody else may read, and has other errors than OSError.
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(dict(tensors), metadata=dict(metadata) if metadata else None))
