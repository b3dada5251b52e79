"""Checks of settings that are numbers."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from domainvec.errors import InputError

_PACKAGE = Path(__file__).parent


def require_between(settings: object, names: Iterable[str], greatest: float = math.inf) -> None:
    """Check that each of the named values is a finite number from 0 to `greatest`.

    Raises:
        InputError: naming the value, what it is and what it may be.
    """
    expected = f"a number from 0 to {greatest:.4g}" if greatest < math.inf else "a finite number, 0 or more"
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{name} is {value!r}, of the wrong type; expected {expected}")
        if not (0 <= value <= greatest and value < math.inf):
            raise InputError(f"{name} is {value!r}; expected {expected}")


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn, and point to the line outside this package that led here."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and Path(frame.f_code.co_filename).is_relative_to(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)
