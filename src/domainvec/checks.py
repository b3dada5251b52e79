"""Checks of settings that are numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from domainvec.errors import InputError


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
