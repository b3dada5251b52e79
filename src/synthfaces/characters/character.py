"""What defines a character."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synthfaces.appearance import Appearance
from synthfaces.attributes import Attributes


@dataclass(frozen=True)
class Character:
    """A character that any person can be drawn as.

    Attributes:
        name: identifier, such as ``green_giant``.
        phrases: noun phrases that name it in captions, the most common first.
        appearance: maps a person's attributes to their appearance as the character.
        family: ``character``, or ``mood`` for a drawing style that changes shapes, not only colours.
    """

    name: str
    phrases: tuple[str, ...]
    appearance: Callable[[Attributes], Appearance]
    family: str = "character"
