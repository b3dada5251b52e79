"""Captions of rendered faces, generated from a small grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from synthfaces.articles import with_article
from synthfaces.attributes import EYE_COLORS, HAIR_COLORS, Attributes
from synthfaces.domains import DOMAINS, SOURCE, domain
from synthfaces.styles import STYLES

Words = dict[str, tuple[str, ...]]

_OLD, _MIDDLE, _YOUNG = 62.0, (45.0, 60.0), 32.0
_GRINNING, _SMILING, _SERIOUS, _SAD = 0.7, 0.4, 0.15, -0.2
_LIGHT_SKIN, _DARK_SKIN = 0.3, 0.7

# {hair} is replaced by a colour and a space, or by nothing.
_HAIR: Words = {
    "buzz": ("very short {hair}hair", "a {hair}buzz cut"),
    "short": ("short {hair}hair", "{hair}hair"),
    "side part": ("short {hair}hair", "{hair}hair"),
    "curly": ("curly {hair}hair", "{hair}curls"),
    "long": ("long {hair}hair", "long straight {hair}hair"),
    "wavy": ("long {hair}hair", "wavy {hair}hair", "long wavy {hair}hair"),
    "bob": ("a {hair}bob", "{hair}hair", "a {hair}bob haircut"),
    "bun": ("{hair}hair in a bun", "a {hair}bun"),
}
_HAIR_COLOR_WORDS: Words = {
    "black": ("black", "black", "dark"),
    "brown": ("brown", "brown", "dark"),
    "blond": ("blond", "blond", "blonde"),
    "red": ("red", "red", "ginger"),
    "gray": ("gray", "grey", "white"),
}
_HAIR_ADJECTIVES: Words = {
    "black": ("black-haired", "dark-haired"),
    "brown": ("brown-haired", "dark-haired"),
    "blond": ("blond", "blonde", "blond-haired", "fair-haired"),
    "red": ("red-haired", "redheaded", "ginger"),
    "gray": ("gray-haired", "grey-haired", "white-haired"),
    "blue": ("blue-haired",),
    "pink": ("pink-haired",),
}
# Hair colours that can still be told apart without colours.
_GREY_TONES = ("black", "blond", "gray")
_GLASSES: Words = {
    "glasses": ("glasses", "glasses", "eyeglasses", "spectacles"),
    "sunglasses": ("sunglasses", "sunglasses", "dark sunglasses", "dark glasses"),
}
_BEARDS: Words = {
    "stubble": ("stubble", "a stubble beard"),
    "mustache": ("a mustache", "a moustache"),
    "full": ("a beard", "a beard", "a full beard"),
}
_HATS: Words = {
    "beanie": ("a beanie", "a hat", "a knit hat", "a woolly hat"),
    "cap": ("a cap", "a hat", "a baseball cap"),
}
_AGES: Words = {
    "old": ("old", "old", "elderly", "senior"),
    "middle-aged": ("middle-aged",),
    "young": ("young",),
}
_EXPRESSIONS: Words = {
    "grinning": ("grinning", "laughing", "cheerful", "smiling"),
    "smiling": ("smiling", "smiling", "happy", "cheerful"),
    "serious": ("serious", "unsmiling"),
    "sad": ("sad", "frowning", "unhappy"),
}
_EXPRESSION_NOUNS: Words = {
    "grinning": ("a big smile", "a grin"),
    "smiling": ("a smile",),
    "serious": ("a serious expression",),
    "sad": ("a frown", "a sad expression"),
}
_SKINS: Words = {
    "light": ("fair-skinned", "light-skinned", "pale"),
    "dark": ("dark-skinned",),
}
_BALD = ("bald", "bald", "hairless")
_PEOPLE: Words = {
    "woman": ("woman", "woman", "woman", "woman", "lady"),
    "man": ("man", "man", "man", "guy", "gentleman"),
    "person": ("person", "person", "human", "face", "human face", "human being"),
}
_REAL = "real"

# Further names of the source domain.
_PHOTO_PHRASES = (
    "picture",
    "image",
    "snapshot",
    "portrait",
    "headshot",
    "close-up photo",
    "realistic photo",
    "color photo",
    "photorealistic portrait",
    "portrait photograph",
)
# What follows the subject: a man, drawn in pencil.
_STYLE_PHRASES: Words = {
    "pencil_sketch": ("drawn in pencil", "sketched in pencil", "in pencil", "drawn with a pencil"),
    "charcoal": ("drawn in charcoal", "in charcoal", "sketched in charcoal"),
    "ink": ("drawn in ink", "in ink", "drawn with pen and ink"),
    "pastel": ("drawn in pastel", "in pastels", "drawn with pastels"),
    "watercolor": ("painted in watercolor", "in watercolor", "painted in watercolour", "in watercolors"),
    "oil_painting": ("painted in oils", "in oils", "painted in oil on canvas", "in oil paint"),
    "pixel_art": ("in pixel art", "made of pixels", "as pixel art", "in an 8-bit video game"),
    "mosaic": ("made of mosaic tiles", "made of tiles", "as a mosaic"),
    "stained_glass": ("in stained glass", "made of stained glass", "in a church window"),
    "pop_art": ("as pop art", "in pop art style", "in the style of andy warhol"),
    "blueprint": ("as a blueprint", "drawn as a blueprint", "on a blueprint"),
    "neon": ("in neon lights", "made of neon lights", "as a neon sign", "drawn in neon"),
    "sepia": ("in sepia", "in sepia tones", "in brown sepia"),
    "night": ("at night", "in the dark", "in the moonlight", "by night"),
    "infrared": ("in infrared", "seen in infrared", "seen by a thermal camera"),
    "comic": ("in a comic book", "drawn as a comic", "in comic style", "as a cartoon"),
    "anime": ("in anime style", "drawn as anime", "in a manga", "in manga style"),
}
# What precedes the name of a picture: a sepia pencil sketch.
_MOOD_ADJECTIVES: Words = {
    "sepia": ("sepia", "sepia", "vintage", "sepia-toned"),
    "night": ("night", "nighttime", "moonlit", "dark"),
    "infrared": ("infrared", "thermal"),
    "comic": ("comic", "comic book", "comic-style"),
}
_SENTENCES = (
    "{picture} of {subject}",
    "{subject}, {picture}",
    "a portrait of {subject}, {picture}",
    "{picture} of the face of {subject}",
    "{subject} in the style of {picture}",
    "{picture} showing {subject}",
    "{subject}{comma} {manner}",
    "a portrait of {subject}{comma} {manner}",
)
# Cumulative frequencies; only the first four suit a photo, which is no style.
_SENTENCE_WEIGHTS = tuple(accumulate((0.66, 0.06, 0.03, 0.03, 0.05, 0.02, 0.1, 0.05)))
_PHOTO_SENTENCE_WEIGHTS = _SENTENCE_WEIGHTS[:4]
_TRANSFORMED = ("{person} as {being}", "{person} turned into {being}", "{person} who looks like {being}")
# What joins a person and their accessories, with cumulative frequencies.
_WEARING = ("with", "wearing", "who wears", "in")
_WEARING_WEIGHTS = (0.45, 0.9, 0.95, 1.0)

# Characters that depict a person without being one.
_SCULPTURES = ("statue", "bust", "sculpture")
# Characters that a gender can follow: a zombie woman.
_GENDERED = ("zombie", "elf", "clown", "alien", "robot", "werewolf", "android", "cyborg")
_AGELESS = ("robot", "alien")


class _Plan(NamedTuple):
    medium: str
    """The part that names the picture; ``photo`` if there is neither a medium nor a mood."""
    mood: str | None
    character: str | None
    colors: bool
    """Whether hair, eyes and skin have their natural colours."""


def caption(attributes: Attributes, domain_name: str, rng: np.random.Generator | int) -> str:
    """Generate a caption for a face in a domain.

    It mentions only what can be seen: no colours in a sketch, no hair under a hat.

    Args:
        attributes: the face.
        domain_name: a single domain or a composition, such as ``pencil_sketch+zombie``.
        rng: a random generator or a seed, for the length and the choice of words.

    Returns: lower-case text, from a bare ``a pencil sketch`` to a full description.

    Raises: UnknownDomainError if there is no such domain.
    """
    plan = _plan(domain_name)
    rng = np.random.default_rng(rng)
    source = plan.medium == SOURCE
    bare = rng.random() < (0.2 if plan.character else 0.14)
    being = None if plan.character is None else _name(plan.character, rng)
    if bare and source:
        return _maybe_article(being or _name(SOURCE, rng), rng)
    picture, suffix = _picture(plan, rng)
    if bare:
        text = f"{with_article(picture)} of {with_article(being)}" if being else _maybe_article(picture, rng)
        return f"{text} {suffix}" if suffix else text
    if being is None:
        subject = with_article(_person(attributes, plan.colors, source, rng))
    elif source and rng.random() < 0.08:
        return _transformed(attributes, being, rng)
    else:
        subject = with_article(_character_phrase(attributes, being, plan.character in _AGELESS, rng))
    if source and rng.random() < (0.3 if being else 0.12):
        return subject
    return _sentence(plan, picture, suffix, subject, rng)


def describe_vocabulary() -> dict[str, Words]:
    """List the phrases that captions use.

    Returns: ``domains``, the phrases of each single domain, and ``attributes``, the phrases for each group
        of attributes. Their words, and the words that join them, make up the `vocabulary`.
    """
    further = {SOURCE: _PHOTO_PHRASES, **_STYLE_PHRASES}
    domains = {
        name: tuple(dict.fromkeys((*each.phrases, *further.get(name, ())))) for name, each in DOMAINS.items()
    }
    tables: dict[str, tuple[Words, ...]] = {
        "people": (_PEOPLE,),
        "age": (_AGES,),
        "expression": (_EXPRESSIONS, _EXPRESSION_NOUNS),
        "hair": ({style: tuple(text.format(hair="") for text in texts) for style, texts in _HAIR.items()},),
        "hair colour": (
            {color: _HAIR_COLOR_WORDS.get(color, (color,)) for color in HAIR_COLORS},
            _HAIR_ADJECTIVES,
        ),
        "bald": ({"bald": (*_BALD, "no hair", "a bald head")},),
        "eyes": ({color: (f"{color} eyes",) for color in EYE_COLORS},),
        "skin": (_SKINS, {tone: (f"{tone} skin",) for tone in _SKINS}),
        "glasses": (_GLASSES,),
        "beard": ({**_BEARDS, "adjectives": ("bearded", "clean-shaven")},),
        "hat": (_HATS,),
        "jewellery and lips": ({"": ("earrings", "red lipstick")},),
    }
    attributes = {
        name: tuple(
            dict.fromkeys(
                text for table in parts for texts in table.values() for text in texts if text != "hair"
            )
        )
        for name, parts in tables.items()
    }
    return {"domains": domains, "attributes": attributes}


def vocabulary() -> set[str]:
    """Return all words that can occur in captions."""
    phrases = [
        phrase for table in describe_vocabulary().values() for texts in table.values() for phrase in texts
    ]
    phrases += [text for texts in _MOOD_ADJECTIVES.values() for text in texts]
    phrases += [
        text.replace("-", " ") for texts in (*_HAIR_ADJECTIVES.values(), *_SKINS.values()) for text in texts
    ]
    phrases += [re.sub(r"\{\w+\}", " ", sentence) for sentence in (*_SENTENCES, *_TRANSFORMED)]
    phrases += [*_WEARING, _REAL, "a an and hair"]
    return {word for phrase in phrases for word in words(phrase)}


def words(text: str) -> list[str]:
    """Split a caption into words, without punctuation; ``8-bit`` is one word."""
    return re.findall(r"[a-z0-9]+(?:[-'][a-z0-9]+)*", text)


@cache
def _plan(domain_name: str) -> _Plan:
    parts = domain(domain_name).parts
    character = next((part for part in parts if DOMAINS[part].family == "character"), None)
    pictures = [part for part in parts if part != character]
    colors = character is None and all(STYLES[part].keeps_colors for part in pictures if part in STYLES)
    medium, mood = (*pictures, SOURCE)[0], pictures[1] if len(pictures) > 1 else None
    return _Plan(medium, mood, character, colors)


def _name(part: str, rng: np.random.Generator) -> str:
    """Choose a phrase for a single domain, often the most common one."""
    phrases = DOMAINS[part].phrases
    if rng.random() < 0.4:
        return phrases[0]
    return _pick(rng, (*phrases, *_PHOTO_PHRASES) if part == SOURCE else phrases)


def _picture(plan: _Plan, rng: np.random.Generator) -> tuple[str, str]:
    """Choose a name for the picture, and a phrase for its mood to end the caption with, or ""."""
    picture = _name(plan.medium, rng)
    if plan.mood is None:
        return picture, ""
    if rng.random() < 0.5:
        return f"{_pick(rng, _MOOD_ADJECTIVES[plan.mood])} {picture}", ""
    return picture, _pick(rng, _STYLE_PHRASES[plan.mood])


def _sentence(plan: _Plan, picture: str, suffix: str, subject: str, rng: np.random.Generator) -> str:
    """Build the caption: an oil painting of a man, a man painted in oils, a man in the style of a comic."""
    source = plan.medium == SOURCE
    comma = "," if " with " in subject or " wear" in subject else ""
    sentence = _SENTENCES[_pick_index(rng, _PHOTO_SENTENCE_WEIGHTS if source else _SENTENCE_WEIGHTS)]
    if "of the face" in sentence and ("face" in subject or plan.character is not None):
        sentence = _SENTENCES[0]
    name = with_article(picture)
    if sentence.endswith(", {picture}") and rng.random() < 0.4:
        name = picture
    manner = "" if source else _pick(rng, _STYLE_PHRASES[plan.medium])
    text = sentence.format(picture=name, subject=subject, comma=comma, manner=manner)
    if plan.mood is not None and not suffix and "{manner}" in sentence:
        suffix = _pick(rng, _STYLE_PHRASES[plan.mood])
    if suffix:
        text += f"{',' if comma or not sentence.startswith('{picture}') else ''} {suffix}"
    return text


def _character_phrase(a: Attributes, being: str, ageless: bool, rng: np.random.Generator) -> str:
    """Return a character without article: old zombie, zombie woman with long hair and glasses."""
    being, _, trait = being.partition(" with ")
    figure, age = being.endswith(_SCULPTURES), ""
    if rng.random() < 0.4 and not ageless:
        age = "old" if a.age >= _OLD else "young" if a.age <= _YOUNG else ""
        age = f"{_pick(rng, _AGES[age])} " if age else ""
    gendered = rng.random() < 0.3
    if figure:
        being += f" of {with_article(age + a.gender)}" if gendered else ""
    elif being.endswith(" person") or being.startswith("person"):
        being = age + (being.replace("person", a.gender) if gendered else being)
    else:
        being = age + (f"{being} {a.gender}" if gendered and being.endswith(_GENDERED) else being)
    if trait:
        return f"{being} with {trait}"
    if rng.random() < 0.5:
        return being
    return _with_details(being, _accessories(a, rng), _hair(a, (), rng), rng)


def _transformed(a: Attributes, being: str, rng: np.random.Generator) -> str:
    """Return a phrase such as a man turned into a zombie."""
    person = _pick(rng, _PEOPLE[a.gender]) if rng.random() < 0.72 else "person"
    return _pick(rng, _TRANSFORMED).format(person=with_article(person), being=with_article(being))


def _person(a: Attributes, colors: bool, source: bool, rng: np.random.Generator) -> str:
    """Return a noun phrase without article, such as ``young man with curly red hair and a beard``."""
    noun = _pick(rng, _PEOPLE[a.gender if rng.random() < 0.72 else "person"])
    hair_colors = tuple(HAIR_COLORS) if colors else _GREY_TONES
    words = _Words([], [])
    if source and rng.random() < 0.04:
        words.adjectives.append(_REAL)
    _describe_expression(words, a, rng)
    _describe_age(words, a, rng)
    _describe_skin(words, a, colors, rng)
    hair_described = _describe_hair_color(words, a, hair_colors, rng)
    _describe_baldness(words, a, rng)
    beard_described = _describe_beard(words, a, rng)
    person = " ".join([*words.adjectives[:3], noun])
    if rng.random() < 0.25:
        return person
    details = words.details
    if not hair_described:
        details += _hair(a, hair_colors, rng)
    if a.beard != "none" and not beard_described and rng.random() < 0.6:
        details.append(_pick(rng, _BEARDS[a.beard]))
    if a.is_woman and colors and a.lip_color > 0.8 and rng.random() < 0.2:
        details.append("red lipstick")
    if colors and a.glasses != "sunglasses" and rng.random() < 0.15:
        details.append(f"{a.eye_color} eyes")
    return _with_details(person, _accessories(a, rng), details, rng)


class _Words(NamedTuple):
    """The words collected for a person."""

    adjectives: list[str]
    """Before the noun."""
    details: list[str]
    """After the noun: with a smile, with light skin."""


def _describe_expression(words: _Words, a: Attributes, rng: np.random.Generator) -> None:
    expression, draw = _expression(a.smile), rng.random()
    if expression and draw < 0.35:
        words.adjectives.append(_pick(rng, _EXPRESSIONS[expression]))
    elif expression and draw < 0.43:
        words.details.append(_pick(rng, _EXPRESSION_NOUNS[expression]))


def _describe_age(words: _Words, a: Attributes, rng: np.random.Generator) -> None:
    age = _age(a.age)
    if age and rng.random() < (0.3 if age == "middle-aged" else 0.55):
        words.adjectives.append(_pick(rng, _AGES[age]))


def _describe_skin(words: _Words, a: Attributes, colors: bool, rng: np.random.Generator) -> None:
    skin = "light" if a.skin <= _LIGHT_SKIN else "dark" if a.skin >= _DARK_SKIN else ""
    if colors and skin and rng.random() < 0.12:
        if rng.random() < 0.6:
            words.adjectives.append(_maybe_split(_pick(rng, _SKINS[skin]), rng))
        else:
            words.details.append(f"{skin} skin")


def _describe_hair_color(
    words: _Words, a: Attributes, colors: Sequence[str], rng: np.random.Generator
) -> bool:
    """Add an adjective for the hair colour at times, and return whether it was added."""
    described = a.shows_hair and a.hair_color in colors and rng.random() < 0.15
    if described:
        words.adjectives.append(_maybe_split(_pick(rng, _HAIR_ADJECTIVES[a.hair_color]), rng))
    return described


def _describe_baldness(words: _Words, a: Attributes, rng: np.random.Generator) -> None:
    if a.hair_style == "bald" and a.hat == "none":
        draw = rng.random()
        if draw < 0.6:
            words.adjectives.append(_pick(rng, _BALD))
        elif draw < 0.75:
            words.details.append("no hair" if draw < 0.66 else "a bald head")


def _describe_beard(words: _Words, a: Attributes, rng: np.random.Generator) -> bool:
    """Add an adjective for a full beard or none at times, and return whether the beard was described."""
    described = a.beard == "full" and rng.random() < 0.15
    if described:
        words.adjectives.append("bearded")
    elif a.beard == "none" and a.gender == "man" and rng.random() < 0.06:
        words.adjectives.append("clean-shaven")
    return described


def _expression(smile: float) -> str:
    if smile >= _SMILING:
        return "grinning" if smile >= _GRINNING else "smiling"
    if smile <= _SAD:
        return "sad"
    return "serious" if abs(smile) <= _SERIOUS else ""


def _age(years: float) -> str:
    if years >= _OLD:
        return "old"
    if years <= _YOUNG:
        return "young"
    return "middle-aged" if _MIDDLE[0] <= years <= _MIDDLE[1] else ""


def _accessories(a: Attributes, rng: np.random.Generator) -> list[str]:
    """Return some of the accessories."""
    worn: list[str] = []
    if a.glasses != "none" and rng.random() < 0.75:
        worn.append(_pick(rng, _GLASSES[a.glasses]))
    if a.hat != "none" and rng.random() < 0.75:
        worn.append(_pick(rng, _HATS[a.hat]))
    if a.earrings and rng.random() < 0.4:
        worn.append("earrings")
    return worn


def _hair(a: Attributes, colors: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Describe visible hair at times, and its colour only if it is one of ``colors``."""
    if not a.shows_hair or rng.random() < 0.4:
        return []
    color = ""
    if a.hair_color in colors and rng.random() < 0.75:
        color = _pick(rng, _HAIR_COLOR_WORDS.get(a.hair_color, (a.hair_color,))) + " "
    phrase = _pick(rng, _HAIR[a.hair_style]).format(hair=color)
    return [] if phrase == "hair" else [phrase]


def _with_details(person: str, worn: Sequence[str], features: Sequence[str], rng: np.random.Generator) -> str:
    """Add up to three details to a person, in random order."""
    details = [*worn, *features]
    if not details:
        return person
    order = rng.permutation(len(details))[: 1 + int(3 * rng.random())].tolist()
    number = len(worn)
    worn = [details[i] for i in order if i < number]
    features = [details[i] for i in order if i >= number]
    if not features:
        return f"{person} {_WEARING[_pick_index(rng, _WEARING_WEIGHTS)]} {_join(worn)}"
    if worn and rng.random() < 0.35:
        return f"{person} with {_join(features)}, wearing {_join(worn)}"
    return f"{person} with {_join([details[i] for i in order])}"


def _join(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _maybe_split(word: str, rng: np.random.Generator) -> str:
    """Write a compound without its hyphen at times: dark haired."""
    return word.replace("-", " ") if rng.random() < 0.3 else word


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.random() * len(choices))]


def _pick_index(rng: np.random.Generator, cumulative: Sequence[float]) -> int:
    """Choose an index by cumulative frequencies."""
    draw = rng.random() * cumulative[-1]
    return next(number for number, share in enumerate(cumulative) if draw < share)


def _maybe_article(phrase: str, rng: np.random.Generator) -> str:
    return with_article(phrase) if rng.random() < 0.75 else phrase
