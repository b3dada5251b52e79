"""One file a character: the same person, as somebody else."""

from __future__ import annotations

from synthfaces.characters.character import Character

CHARACTERS: tuple[Character, ...] = ()

__all__ = ["CHARACTERS", "Character"]
