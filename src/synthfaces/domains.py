"""The domains of the world: the photo, media and moods (a filter), characters (a look), compositions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from synthfaces.articles import with_article
from synthfaces.attributes import Attributes
from synthfaces.characters import CHARACTERS
from synthfaces.characters.character import Character
from synthfaces.errors import DrawingError, UnknownDomainError
from synthfaces.looks import natural
from synthfaces.portrait import paint_portrait
from synthfaces.styles import STYLES, Style

Picture = NDArray[np.float32]
SOURCE = "photo"
FAMILIES = ("media", "character", "mood")
"""The families of which a composition takes one domain each, in the order of its name."""
_OVERSAMPLING = 2
_SIDE = 128


@dataclass(frozen=True)
class Domain:
    """A named kind of picture."""

    name: str
    family: str
    """``photo``, ``media``, ``mood``, ``character`` or ``composition``."""
    phrases: tuple[str, ...]
    """Noun phrases that name it, the usual one first."""
    draw: Callable[[Attributes, int], Picture]
    """Attributes and a resolution to RGB in [0, 1], (resolution, resolution, 3)."""
    parts: tuple[str, ...] = ()
    """Names of the single domains that it is made of, medium, character, mood; none for the photo."""
    keeps_colors: bool = True
    """Whether hair, eyes and skin have the colours of the photo."""

    @property
    def prompt(self) -> str:
        """The text that asks for it: the usual phrase with its article."""
        return with_article(self.phrases[0])


def domain(name: str) -> Domain:
    """A domain by its name: a single one, or a composition such as ``pencil_sketch+zombie+sepia``.

    A composition takes at most one medium, one character and one mood, in any order, and is drawn as what it
    says: the character is painted, repainted in the medium, and that in the mood.

    Raises: UnknownDomainError naming the choices, or what does not go together.
    """
    if name in DOMAINS:
        return DOMAINS[name]
    parts = name.split("+")
    for part in parts:
        if part not in DOMAINS:
            raise UnknownDomainError(f"unknown domain {part!r}; choose one of {', '.join(DOMAINS)}")
    return _composition(tuple(sorted(parts, key=lambda part: (_rank(part), part))))


def compositions() -> tuple[str, ...]:
    """Names of all compositions: two or three domains of different families."""
    choices = [
        ("", *(part for part in DOMAINS if DOMAINS[part].family == family and part in _COMPOSABLE))
        for family in FAMILIES
    ]
    chosen = [[part for part in parts if part] for parts in product(*choices)]
    return tuple("+".join(parts) for parts in chosen if len(parts) > 1)


def draw(attributes: Attributes, domain_name: str = SOURCE, resolution: int = 64) -> NDArray[np.uint8]:
    """One face in one domain, (resolution, resolution, 3) RGB.

    Drawn at twice the resolution and averaged. Media and moods are drawn at 128 pixels, the scale of
    their brush strokes, so their resolution must divide 128.

    Args:
        attributes: the face.
        domain_name: as for `domain`.
        resolution: side of the picture in pixels.

    Raises: UnknownDomainError as `domain`; DrawingError for an impossible resolution.
    """
    painted = domain(domain_name)
    if resolution < 8:
        raise DrawingError(f"resolution must be at least 8 pixels, got {resolution}")
    picture = painted.draw(attributes, resolution)
    return (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def draw_many(
    attributes: Sequence[Attributes], domain_name: str = SOURCE, resolution: int = 64
) -> NDArray[np.uint8]:
    """Faces in one domain, (N, resolution, resolution, 3) RGB; arguments and errors as `draw`."""
    pictures = np.empty((len(attributes), resolution, resolution, 3), np.uint8)
    for picture, face in zip(pictures, attributes, strict=True):
        picture[...] = draw(face, domain_name, resolution)
    return pictures


def _photo(attributes: Attributes, resolution: int) -> Picture:
    return _reduce(paint_portrait(attributes, natural(attributes), _OVERSAMPLING * resolution), resolution)


def _character(character: Character) -> Domain:
    def draw_character(attributes: Attributes, resolution: int) -> Picture:
        look = character.look(attributes)
        return _reduce(paint_portrait(attributes, look, _OVERSAMPLING * resolution), resolution)

    return Domain(
        character.name,
        character.family,
        character.phrases,
        draw_character,
        (character.name,),
        keeps_colors=False,
    )


def _style(style: Style) -> Domain:
    draw_style = _repaint(style.name, None, (style,))
    phrases = tuple(style.phrases)
    return Domain(style.name, style.family, phrases, draw_style, (style.name,), style.keeps_colors)


@cache
def _composition(parts: tuple[str, ...]) -> Domain:
    families = [DOMAINS[part].family for part in parts]
    name = "+".join(parts)
    if len(set(families)) < len(families) or not _COMPOSABLE.issuperset(parts):
        described = ", ".join(f"{part} ({family})" for part, family in zip(parts, families, strict=True))
        raise UnknownDomainError(
            f"{name!r} does not go together: {described}; a composition takes at most one of each of "
            f"{', '.join(FAMILIES)}, and no photo or anime"
        )
    character = next((person for person in CHARACTERS if person.name in parts), None)
    styles = tuple(STYLES[part] for part in parts if part in STYLES)
    # A sepia photo of a pencil sketch of a zombie: the mood, the medium, the character.
    named = [DOMAINS[part].phrases[0] for part in (*parts[-1:], *parts[:-1])]
    if character is not None and parts[-1] == character.name:
        named = [DOMAINS[part].phrases[0] for part in parts]
    phrase = " of ".join([named[0], *map(with_article, named[1:])])
    natural_colors = all(DOMAINS[part].keeps_colors for part in parts)
    return Domain(name, "composition", (phrase,), _repaint(name, character, styles), parts, natural_colors)


def _repaint(
    name: str, character: Character | None, styles: tuple[Style, ...]
) -> Callable[[Attributes, int], Picture]:
    """How to paint a character, or the person in the photo, and then repaint it in each style."""

    def draw_repainted(attributes: Attributes, resolution: int) -> Picture:
        if _SIDE % resolution:
            raise DrawingError(f"{name} needs a resolution that divides {_SIDE}, got {resolution}")
        look = character.look(attributes) if character else natural(attributes)
        picture = paint_portrait(attributes, look, _SIDE)
        for style in styles:
            picture = style.apply(picture, np.random.default_rng(attributes.texture_seed))
        return _reduce(picture, resolution)

    return draw_repainted


def _rank(part: str) -> int:
    family = DOMAINS[part].family
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)


def _reduce(picture: Picture, resolution: int) -> Picture:
    """Average square blocks."""
    factor = picture.shape[0] // resolution
    blocks = picture.reshape(resolution, factor, resolution, factor, 3)
    reduced: Picture = blocks.mean(axis=(1, 3), dtype=np.float32)
    return reduced


_ALL = (
    Domain(SOURCE, "photo", ("photo", "portrait photo", "photograph"), _photo),
    *(_style(style) for style in STYLES.values()),
    *(_character(character) for character in CHARACTERS),
)
DOMAINS: dict[str, Domain] = {domain.name: domain for domain in _ALL}
_COMPOSABLE = {
    *STYLES,
    *(character.name for character in CHARACTERS if character.family == "character"),
}
