"""Questions about faces, such as "Is there a hat?", whose answers follow from the attributes.

They are the attributes that classifiers are trained and evaluated on. Ambiguous faces have no answer: those
with a borderline age or smile, with hair hidden by a hat, or with stubble.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synthfaces.attributes import HAIR_COLORS, LOOSE_HAIR, Attributes

_HAIR = {
    "bald": "bald",
    "buzz": "short",
    "short": "short",
    "side part": "short",
    "curly": "curly",
    "long": "long",
    "wavy": "long",
    "bob": "long",
    "bun": "bun",
}


@dataclass(frozen=True)
class Question:
    """A classification task on faces."""

    texts: dict[str, tuple[str, ...]]
    """For each answer, captions of matching photos, for zero-shot classification."""
    read: Callable[[Attributes], str | None]
    """Maps a face to its answer, or to None if it is ambiguous or hidden."""
    needs_color: bool = False
    """Whether the answer cannot be seen without natural colours."""

    @property
    def answers(self) -> tuple[str, ...]:
        """All possible answers, in a fixed order."""
        return tuple(self.texts)


def _age(a: Attributes) -> str | None:
    return "young" if a.age < 45 else "old" if a.age >= 60 else None


def _hair(a: Attributes) -> str | None:
    return _HAIR[a.hair_style] if a.hat == "none" or a.hair_style in LOOSE_HAIR else None


def _smile(a: Attributes) -> str | None:
    return "smiling" if a.smile >= 0.4 else "serious" if a.smile <= 0.15 else None


def _skin(a: Attributes) -> str | None:
    return "light" if a.skin < 0.4 else "dark" if a.skin > 0.6 else None


def _photos(*people: str) -> tuple[str, ...]:
    return tuple(f"a photo of {person}" for person in people)


QUESTIONS: dict[str, Question] = {
    "gender": Question({"woman": _photos("a woman"), "man": _photos("a man")}, lambda a: a.gender),
    "age": Question(
        {
            "young": _photos("a young person", "a young woman", "a young man"),
            "old": _photos("an old person", "an old woman", "an old man"),
        },
        _age,
    ),
    "hair": Question(
        {
            "bald": _photos("a bald person", "a bald man"),
            "short": _photos("a person with short hair", "a man with short hair", "a woman with short hair"),
            "long": _photos("a person with long hair", "a woman with long hair"),
            "curly": _photos("a person with curly hair", "a woman with curly hair", "a man with curly hair"),
            "bun": _photos("a person with hair in a bun", "a woman with hair in a bun"),
        },
        _hair,
    ),
    "hair_color": Question(
        {color: _photos(f"a person with {color} hair") for color in HAIR_COLORS},
        lambda a: a.hair_color if a.shows_hair else None,
        needs_color=True,
    ),
    "glasses": Question(
        {
            "none": _photos("a person", "a woman", "a man"),
            "glasses": _photos("a person with glasses", "a woman with glasses", "a man with glasses"),
            "sunglasses": _photos(
                "a person with sunglasses", "a woman with sunglasses", "a man with sunglasses"
            ),
        },
        lambda a: a.glasses,
    ),
    "beard": Question(
        {
            "none": _photos("a man", "a woman", "a person"),
            "mustache": _photos("a man with a mustache"),
            "full": _photos("a man with a beard"),
        },
        lambda a: None if a.beard == "stubble" else a.beard,
    ),
    "hat": Question(
        {
            "no": _photos("a person", "a woman", "a man"),
            "yes": _photos("a person with a hat", "a woman with a hat", "a man with a hat"),
        },
        lambda a: "no" if a.hat == "none" else "yes",
    ),
    "smile": Question(
        {
            "serious": _photos("a serious person", "a serious woman", "a serious man"),
            "smiling": _photos("a smiling person", "a smiling woman", "a smiling man"),
        },
        _smile,
    ),
    "skin": Question(
        {
            "light": _photos("a person with light skin"),
            "dark": _photos("a person with dark skin"),
        },
        _skin,
        needs_color=True,
    ),
}
"""All questions by name, in a fixed order."""
