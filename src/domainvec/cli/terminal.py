"""Standard streams that accept any text, whatever the encoding of the terminal or the pipe."""

from __future__ import annotations

import codecs
import io
import sys

_SUBSTITUTES = {"→": "->", "×": "x", "–": "-", "−": "-", "…": "...", "“": '"', "”": '"', "³": "3"}


def accept_any_text() -> None:
    """Make standard output and standard error replace characters that they cannot encode."""
    codecs.register_error("domainvec", _substitute)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="domainvec")


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(character, "?") for character in text), error.end
