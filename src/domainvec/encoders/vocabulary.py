"""What encoders were taught, from the vocabulary.json in their folders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from domainvec.encoders.model_files import locate, read_json
from domainvec.encoders.prompts import WORD, suggest
from domainvec.errors import EncoderError, InputError
from domainvec.files import BUNDLED_FOLDER

Vocabulary = dict[str, dict[str, tuple[str, ...]]]
"""Phrases by the name of what they mean, of "domains" and of "attributes"."""

_FILE = "vocabulary.json"


def read_vocabulary(folder: Path, name: str) -> Vocabulary | None:
    """Read the vocabulary.json of an encoder's folder; None if there is none.

    Raises:
        EncoderError: if the file is not valid.
    """
    plain = read_json(folder, name, _FILE)
    if plain is None:
        return None
    vocabulary: Vocabulary = {}
    for part, absent in (("domains", None), ("attributes", {})):
        named = plain.get(part, absent)
        if not isinstance(named, dict) or not all(
            isinstance(phrases, list) and phrases and all(isinstance(phrase, str) for phrase in phrases)
            for phrases in named.values()
        ):
            raise EncoderError(
                f'the {_FILE} of {name} is not valid; expected "{part}" with lists of phrases by name'
            )
        vocabulary[part] = {key: tuple(phrases) for key, phrases in named.items()}
    return vocabulary


def bundled_encoders() -> list[str]:
    """The names of the bundled encoders that say what they were taught."""
    return sorted(path.parent.name for path in BUNDLED_FOLDER.glob(f"*/{_FILE}"))


def find_phrases(encoders: Sequence[str], prefix: str = "") -> Vocabulary:
    """List the phrases that encoders were taught and that have a word beginning with a prefix.

    Args:
        encoders: names or folders, as for `Encoder.from_pretrained`.
        prefix: in any case; "" for all phrases.

    Raises:
        EncoderError: if there is no such encoder.
        InputError: if one does not say what it was taught, or no phrase has such a word.
    """
    found: Vocabulary = {"domains": {}, "attributes": {}}
    for encoder in encoders:
        location, name, is_local = locate(encoder)
        vocabulary = read_vocabulary(Path(location), name) if is_local else None
        if vocabulary is None:
            raise InputError(
                f"{name} has no {_FILE}, so nothing lists what it was taught; the real CLIP spells out any "
                f"word, and follows most of English"
            )
        for part, named in vocabulary.items():
            for key, phrases in named.items():
                found[part][key] = tuple(dict.fromkeys((*found[part].get(key, ()), *phrases)))
    begins = re.compile(rf"(?<![^\W_]){re.escape(prefix)}", re.IGNORECASE)
    chosen = {part: _matching(named, begins) for part, named in found.items()}
    if not any(chosen.values()):
        known = {
            word
            for named in found.values()
            for phrases in named.values()
            for phrase in phrases
            for word in WORD.findall(phrase)
        }
        raise InputError(
            f"{' and '.join(encoders)}: no known word begins with {prefix!r}{suggest([prefix], known)}"
        )
    return chosen


def _matching(named: Mapping[str, Sequence[str]], begins: re.Pattern[str]) -> dict[str, tuple[str, ...]]:
    matching = {key: tuple(filter(begins.search, phrases)) for key, phrases in named.items()}
    return {key: phrases for key, phrases in matching.items() if phrases}
