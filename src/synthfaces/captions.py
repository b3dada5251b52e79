"""Captions: what people would write under a picture of the face world, from a small grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from synthfaces.attributes import EYE_COLORS, HAIR_COLORS, Attributes
from synthfaces.domains import DOMAINS, SOURCE
from synthfaces.errors import UnknownDomainError
from synthfaces.styles import STYLES

_OLD, _YOUNG = 62.0, 32.0
_SMILING, _SERIOUS, _SAD = 0.4, 0.15, -0.2

# {hair} stands for a colour and a space, or for nothing.
_HAIR = {
    "buzz": ("very short {hair}hair", "a {hair}buzz cut"),
    "short": ("short {hair}hair", "{hair}hair"),
    "side part": ("short {hair}hair", "{hair}hair"),
    "curly": ("curly {hair}hair", "{hair}curls"),
    "long": ("long {hair}hair", "long straight {hair}hair"),
    "wavy": ("long {hair}hair", "wavy {hair}hair", "long wavy {hair}hair"),
    "bob": ("a {hair}bob", "{hair}hair", "a {hair}bob haircut"),
    "bun": ("{hair}hair in a bun", "a {hair}bun"),
}
# Styles that show below a hat.
_HANGING = ("long", "wavy", "bob", "curly")
_COLORS = {"blond": ("blond", "blond", "blonde"), "red": ("red", "red", "ginger"), "gray": ("gray", "grey")}
# Tones that a drawing without colours still shows.
_TONES = ("black", "blond", "gray")
_GLASSES = {"glasses": ("glasses", "eyeglasses"), "sunglasses": ("sunglasses", "dark sunglasses")}
_BEARDS = {
    "stubble": ("stubble",),
    "mustache": ("a mustache", "a moustache"),
    "full": ("a beard", "a full beard"),
}
_HATS = {"beanie": ("a beanie", "a hat", "a knit hat"), "cap": ("a cap", "a hat", "a baseball cap")}
_OLD_WORDS = ("old", "old", "elderly")
_PEOPLE = ("person", "human", "face", "human face")
# What shows a person but is none.
_FIGURES = ("statue", "bust", "mask", "sculpture")
_MASS_NOUNS = (" art", " glass")
_FRAMES = (
    "{medium} of {person}",
    "{person}, {medium}",
    "a portrait of {person}, {medium}",
    "{person} in the style of {medium}",
    "{medium} of the face of {person}",
)
_FRAME_SHARES = (0.82, 0.06, 0.04, 0.04, 0.04)


def caption(attributes: Attributes, domain_name: str, rng: np.random.Generator | int) -> str:
    """A caption of a face in a domain, lower case, from the bare ``a pencil sketch`` to a full description.

    It names only what the picture shows: no colours in a sketch, no hair under a hat.

    Args:
        attributes: the face.
        domain_name: a key of ``DOMAINS``.
        rng: chooses the length and the words; a generator or a seed.

    Raises: UnknownDomainError if the world has no such domain.
    """
    if domain_name not in DOMAINS:
        raise UnknownDomainError(f"unknown domain {domain_name!r}; the world has: {', '.join(DOMAINS)}")
    rng = np.random.default_rng(rng)
    domain = DOMAINS[domain_name]
    names = domain.phrases
    name = names[0] if rng.random() < 0.5 else _pick(rng, names)
    if domain.family == "character":
        return _character(attributes, name, rng)
    if rng.random() < 0.14:
        return _maybe_article(name, rng)
    plain = domain_name == SOURCE
    colors = plain or domain_name not in STYLES or STYLES[domain_name].keeps_colors
    person = _with_article(_person(attributes, colors, rng))
    if plain and rng.random() < 0.12:
        return person
    shares = np.array(_FRAME_SHARES)
    if plain:
        shares[3] = 0.0
    frame = _FRAMES[int(rng.choice(len(_FRAMES), p=shares / shares.sum()))]
    if frame.startswith("{medium} of the face") and "face" in person:
        frame = _FRAMES[0]
    return frame.format(medium=_with_article(name), person=person)


def vocabulary() -> set[str]:
    """All words that captions can consist of."""
    hair = (phrase.format(hair="") for phrases in _HAIR.values() for phrase in phrases)
    phrases: list[str] = [
        *hair,
        *(phrase for domain in DOMAINS.values() for phrase in domain.phrases),
        *(
            word
            for table in (_COLORS, _GLASSES, _BEARDS, _HATS)
            for words in table.values()
            for word in words
        ),
        *HAIR_COLORS,
        *EYE_COLORS,
        *_OLD_WORDS,
        *_PEOPLE,
        *(frame.format(medium="", person="") for frame in _FRAMES),
        "a an and with wearing woman man young bald bearded smiling happy serious sad",
        "eyes earrings red lipstick",
    ]
    return {word for phrase in phrases for word in words(phrase)}


def words(text: str) -> list[str]:
    """The words of a caption, in order, without punctuation; ``8-bit`` is one word."""
    return re.findall(r"[a-z0-9]+(?:[-'][a-z0-9]+)*", text)


def _character(attributes: Attributes, name: str, rng: np.random.Generator) -> str:
    """A zombie, a photo of an old zombie, a photo of a zombie woman with long hair and glasses."""
    if rng.random() < 0.2:
        return _maybe_article(name, rng)
    being, _, trait = name.partition(" with ")
    if rng.random() < 0.25:
        being += f" of a {attributes.gender}" if being.endswith(_FIGURES) else f" {attributes.gender}"
    if attributes.age >= _OLD and rng.random() < 0.5:
        being = f"{_pick(rng, _OLD_WORDS)} {being}"
    if trait:
        being = f"{being} with {trait}"
    elif rng.random() < 0.5:
        being += _details([*_worn(attributes, rng), *_hair(attributes, (), rng)], rng)
    being = _with_article(being)
    if rng.random() < 0.3:
        return being
    return f"{_with_article(_pick(rng, DOMAINS[SOURCE].phrases))} of {being}"


def _person(a: Attributes, colors: bool, rng: np.random.Generator) -> str:
    """A noun phrase without article: young man with curly red hair and a beard."""
    noun = a.gender if rng.random() < 0.72 else _pick(rng, _PEOPLE)
    adjectives: list[str] = []
    if rng.random() < 0.4:
        if a.smile >= _SMILING:
            adjectives.append(_pick(rng, ("smiling", "smiling", "happy")))
        elif a.smile <= _SAD:
            adjectives.append("sad")
        elif abs(a.smile) <= _SERIOUS:
            adjectives.append("serious")
    if rng.random() < 0.55:
        if a.age >= _OLD:
            adjectives.append(_pick(rng, _OLD_WORDS))
        elif a.age <= _YOUNG:
            adjectives.append("young")
    if a.hair_style == "bald" and a.hat == "none" and rng.random() < 0.65:
        adjectives.append("bald")
    bearded = a.beard == "full" and rng.random() < 0.15
    if bearded:
        adjectives.append("bearded")
    phrase = " ".join([*adjectives, noun])
    if rng.random() < 0.25:
        return phrase
    details = [*_worn(a, rng), *_hair(a, tuple(HAIR_COLORS) if colors else _TONES, rng)]
    if a.beard != "none" and not bearded and rng.random() < 0.6:
        details.append((_pick(rng, _BEARDS[a.beard]), False))
    if a.is_woman and colors and a.lip_color > 0.8 and rng.random() < 0.2:
        details.append(("red lipstick", False))
    if colors and a.glasses != "sunglasses" and rng.random() < 0.15:
        details.append((f"{a.eye_color} eyes", False))
    return phrase + _details(details, rng)


def _worn(a: Attributes, rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Things worn, each with True."""
    worn: list[tuple[str, bool]] = []
    if a.glasses != "none" and rng.random() < 0.75:
        worn.append((_pick(rng, _GLASSES[a.glasses]), True))
    if a.hat != "none" and rng.random() < 0.75:
        worn.append((_pick(rng, _HATS[a.hat]), True))
    if a.earrings and rng.random() < 0.4:
        worn.append(("earrings", True))
    return worn


def _hair(a: Attributes, colors: Sequence[str], rng: np.random.Generator) -> list[tuple[str, bool]]:
    """The hair, if any of it shows and the caption cares; its colour only if it is among ``colors``."""
    hidden = a.hair_style == "bald" or (a.hat != "none" and a.hair_style not in _HANGING)
    if hidden or rng.random() < 0.4:
        return []
    color = ""
    if a.hair_color in colors and rng.random() < 0.75:
        color = _pick(rng, _COLORS.get(a.hair_color, (a.hair_color,))) + " "
    phrase = _pick(rng, _HAIR[a.hair_style]).format(hair=color)
    return [] if phrase == "hair" else [(phrase, False)]


def _details(details: Sequence[tuple[str, bool]], rng: np.random.Generator) -> str:
    """At most three of the details in any order, behind ``with``, or ``wearing`` if all are worn."""
    if not details:
        return ""
    chosen = [details[int(i)] for i in rng.permutation(len(details))[: 1 + int(rng.integers(3))]]
    wearing = all(worn for _, worn in chosen) and rng.random() < 0.5
    texts = [text for text, _ in chosen]
    listed = " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
    return f" {'wearing' if wearing else 'with'} {listed}"


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _maybe_article(phrase: str, rng: np.random.Generator) -> str:
    return _with_article(phrase) if rng.random() < 0.75 else phrase


def _with_article(phrase: str) -> str:
    """The phrase behind ``a`` or ``an``, by its sound: an 8-bit picture, a unicorn; mass nouns have none."""
    if phrase.endswith(_MASS_NOUNS):
        return phrase
    vowel = re.match(r"(?!uni|eu|one|use)[aeiou]|8|x-ray", phrase)
    return f"{'an' if vowel else 'a'} {phrase}"
