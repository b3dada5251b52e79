"""What encoders cannot read in the prompts of an adaptation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

_CLIP = "openai/clip-vit-base-patch32"
_EXAMPLES = 6
# Words that ask for nothing by themselves.
_FILLERS = frozenset(
    "a an the this that these those my your his her its their some one "
    "of in on at by to as for from into with like and or is are it he she they who which very "
    "photo photograph picture image portrait face person people somebody someone style".split()
)


@runtime_checkable
class _Reader(Protocol):
    """An encoder that can say which words it does not know; `domainvec.Encoder` is one."""

    @property
    def name(self) -> str: ...

    @property
    def vocabulary(self) -> Mapping[str, Sequence[str]] | None: ...

    def unknown_words(self, text: str) -> list[str]: ...


def describe_unknown_words(encoders: Sequence[object], prompts: Mapping[str, str]) -> str | None:
    """What to say of words that no encoder was taught, or None if each is known to one of them.

    Articles, prepositions and words such as "photo" ask for nothing and are passed over.

    Args:
        encoders: one or several; nothing is said if one of them cannot tell (`Encoder.unknown_words`).
        prompts: texts by what they are for, such as "target".
    """
    readers = [encoder for encoder in encoders if isinstance(encoder, _Reader)]
    if len(readers) < len(encoders):
        return None
    unique = dict.fromkeys(reader.name for reader in readers)
    names = " and ".join(unique)
    know, do = ("knows", "does") if len(unique) == 1 else ("know", "do")
    sentences, lost = [], False
    for role, text in prompts.items():
        unknown = _unknown_to_all(readers, text)
        if not unknown:
            continue
        if _content(text) <= {word.lower() for word in unknown}:
            lost = True
            sentences.append(f"{names} {know} no word of the {role} {text!r} and cannot follow it")
        else:
            listed = ", ".join(map(repr, unknown))
            sentences.append(f"{names} {do} not know {listed} in the {role} {text!r}; the rest is followed")
    if lost:
        sentences.append(
            f"docs/vocabulary.md lists what is known{_examples(readers)}; other words need the real CLIP: "
            f"--encoder {_CLIP} on the command line, dv.Encoder.from_pretrained({_CLIP!r}) in Python"
        )
    return ". ".join(sentences) or None


def _unknown_to_all(readers: Sequence[_Reader], text: str) -> list[str]:
    first, *others = (reader.unknown_words(text) for reader in readers)
    return [
        word for word in first if word.lower() not in _FILLERS and all(word in unknown for unknown in others)
    ]


def _content(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text.lower())) - _FILLERS


def _examples(readers: Sequence[_Reader]) -> str:
    """A handful of what the readers were taught, from all over it: such as 'pencil sketch', 'zombie'."""
    phrases = dict.fromkeys(
        domain[0] for reader in readers if reader.vocabulary for domain in reader.vocabulary.values()
    )
    apart = max(1, len(phrases) // _EXAMPLES)
    examples = list(phrases)[apart - 1 :: apart][:_EXAMPLES]
    return ", such as " + ", ".join(map(repr, examples)) if examples else ""
