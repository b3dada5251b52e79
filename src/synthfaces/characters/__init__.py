"""Characters that a person can be drawn as, one per file."""

from __future__ import annotations

from synthfaces.characters import (
    alien,
    anime,
    clown,
    elf,
    green_giant,
    marble_statue,
    robot,
    werewolf,
    zombie,
)
from synthfaces.characters.character import Character

CHARACTERS: tuple[Character, ...] = (
    anime.CHARACTER,
    zombie.CHARACTER,
    green_giant.CHARACTER,
    clown.CHARACTER,
    elf.CHARACTER,
    marble_statue.CHARACTER,
    werewolf.CHARACTER,
    robot.CHARACTER,
    alien.CHARACTER,
)

__all__ = ["CHARACTERS", "Character"]
