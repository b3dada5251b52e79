"""Prompts as encoders read them: their words, and which of them no encoder was taught."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol, runtime_checkable

from domainvec.errors import InputError

# A word of any script, with its hyphens and apostrophes, or an emoji.
WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*|[\u2600-\u27bf\U0001f000-\U0001faff]")

_CLIP = "openai/clip-vit-base-patch32"
_EXAMPLES = 6
_LIKENESS = 0.8  # of a word to one that may have been meant, from 0 to 1
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

    @property
    def words(self) -> Collection[str] | None: ...

    def unknown_words(self, text: str) -> list[str]: ...


def describe_unknown_words(encoders: Sequence[object], prompts: Mapping[str, str]) -> str | None:
    """Describe the words that no encoder was taught; None if each is known to one of them.

    Articles, prepositions and words such as "photo" ask for nothing and are passed over.

    Args:
        encoders: one or several; nothing is said if one of them cannot tell (`Encoder.unknown_words`).
        prompts: texts by what they are for, such as "target".
    """
    readers = _readers(encoders)
    unique = dict.fromkeys(reader.name for reader in readers)
    names = " and ".join(unique)
    know, do = ("knows", "does") if len(unique) == 1 else ("know", "do")
    sentences, lost = [], False
    for role, text in prompts.items():
        unknown = _unknown_to_all(readers, text)
        meant = suggest(unknown, {word for reader in readers for word in reader.words or ()} - _FILLERS)
        if _is_lost(text, unknown):
            lost = True
            sentences.append(f"{names} {know} no word of the {role} {text!r} and cannot follow it{meant}")
        elif unknown:
            listed = ", ".join(map(repr, unknown))
            sentences.append(
                f"{names} {do} not know {listed} in the {role} {text!r}; the rest is followed{meant}"
            )
    if lost:
        sentences.append(
            f"`domainvec words` lists what is known{_examples(readers)}; other words need the real CLIP: "
            f"--encoder {_CLIP} on the command line, dv.Encoder.from_pretrained({_CLIP!r}) in Python"
        )
    return ". ".join(sentences) or None


def require_known_words(
    encoders: Sequence[object], prompts: Mapping[str, str], allow_unknown: bool = False
) -> None:
    """Make sure that each prompt has a word that an encoder knows, or asks for nothing.

    Args:
        encoders: as for `describe_unknown_words`.
        prompts: texts by what they are for, such as "target".
        allow_unknown: whether prompts may be unknown altogether; then nothing is checked.

    Raises:
        InputError: naming each prompt of which no encoder knows a word.
    """
    readers = _readers(encoders)
    lost = {role: text for role, text in prompts.items() if _is_lost(text, _unknown_to_all(readers, text))}
    if lost and not allow_unknown:
        raise InputError(
            f"{describe_unknown_words(encoders, lost)}. To train all the same, pass --allow-unknown on the "
            "command line, dv.Text(..., allow_unknown=True) in Python"
        )


def suggest(unknown: Sequence[str], known: Collection[str]) -> str:
    """Ask whether known words were meant by unknown ones: " (did you mean 'pencil'?)"; "" if none is near."""
    near = [get_close_matches(word.lower(), sorted(known), 1, _LIKENESS) for word in unknown]
    meant = ", ".join(repr(word) for word in dict.fromkeys(word for words in near for word in words))
    return f" (did you mean {meant}?)" if meant else ""


def _readers(encoders: Sequence[object]) -> list[_Reader]:
    """The encoders, if all of them can say which words they know, else none."""
    readers = [encoder for encoder in encoders if isinstance(encoder, _Reader)]
    return readers if len(readers) == len(encoders) else []


def _unknown_to_all(readers: Sequence[_Reader], text: str) -> list[str]:
    if not readers:
        return []
    first, *others = (reader.unknown_words(text) for reader in readers)
    return [
        word for word in first if word.lower() not in _FILLERS and all(word in unknown for unknown in others)
    ]


def _is_lost(text: str, unknown: Sequence[str]) -> bool:
    """Whether nothing of what a text asks for is known."""
    content = {word[0] for word in WORD.finditer(text.lower())} - _FILLERS
    return bool(content) and content <= {word.lower() for word in unknown}


def _examples(readers: Sequence[_Reader]) -> str:
    """A handful of what the readers were taught, from all over it: such as 'pencil sketch', 'zombie'."""
    phrases = dict.fromkeys(
        domain[0] for reader in readers if reader.vocabulary for domain in reader.vocabulary.values()
    )
    apart = max(1, len(phrases) // _EXAMPLES)
    examples = list(phrases)[apart - 1 :: apart][:_EXAMPLES]
    return ", such as " + ", ".join(map(repr, examples)) if examples else ""
