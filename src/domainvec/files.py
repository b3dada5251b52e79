"""Where the bundled models are, and writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    temporary = final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")
    try:
        yield temporary
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
