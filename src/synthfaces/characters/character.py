"""What a character is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synthfaces.attributes import Attributes
from synthfaces.looks import Look


@dataclass(frozen=True)
class Character:
    """A name, the phrases that mean it, and how a person looks as one."""

    name: str
    phrases: tuple[str, ...]
    look: Callable[[Attributes], Look]
    family: str = "character"
    """``character``, or ``mood`` for a manner of drawing that needs its own shapes."""
