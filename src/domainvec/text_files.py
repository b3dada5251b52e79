"""Text files as editors write them, on any system."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from domainvec.errors import InputError

# The longer ones first: the mark of UTF-32 begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Read the lines of a text file; empty ones, and those that begin with #, are left out.

    Args:
        path: a file in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark.

    Returns:
        The lines, without white space around them.

    Raises:
        InputError: if the file is not text in one of these encodings, or has no line.
        OSError: if it cannot be read.
    """
    data = Path(path).read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not text in UTF-8 or UTF-16 (line {line}: {error.reason}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{path} is not text: it has zero bytes in it; save it as UTF-8")
    # Files that were put together from others keep the marks of each.
    stripped = (line.strip() for line in text.replace("\ufeff", "").splitlines())
    lines = [line for line in stripped if line and not line.startswith("#")]
    if not lines:
        raise InputError(f"{path} has no text in it")
    return lines
