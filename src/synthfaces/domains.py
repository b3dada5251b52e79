"""The domains of synthetic faces: photos, media and moods (filters), characters, and their compositions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from synthfaces.appearance import Appearance, natural_appearance
from synthfaces.articles import with_article
from synthfaces.attributes import Attributes
from synthfaces.characters import CHARACTERS
from synthfaces.characters.character import Character
from synthfaces.errors import DrawingError, UnknownDomainError
from synthfaces.portrait import paint_portrait
from synthfaces.styles import STYLES, Style

Picture = NDArray[np.float32]
SOURCE = "photo"
FAMILIES = ("media", "character", "mood")
"""The families that a composition combines, in the order of the parts of its name."""
_OVERSAMPLING = 2
_STYLE_RESOLUTION = 128


@dataclass(frozen=True)
class Domain:
    """A kind of picture that any face can be drawn as."""

    name: str
    family: str
    """``photo``, ``media``, ``mood``, ``character`` or ``composition``."""
    phrases: tuple[str, ...]
    """Noun phrases that name it, the most common first."""
    draw: Callable[[Attributes, int], Picture]
    """Maps attributes and a resolution to RGB in [0, 1], (resolution, resolution, 3)."""
    parts: tuple[str, ...] = ()
    """Names of the single domains it consists of, in the order of FAMILIES; empty for the photo."""
    keeps_colors: bool = True
    """Whether hair, eyes and skin keep their natural colours."""

    @property
    def prompt(self) -> str:
        """The prompt for this domain: its most common phrase with an article."""
        return with_article(self.phrases[0])


def domain(name: str) -> Domain:
    """Look up a domain by name.

    Args:
        name: a single domain, or a composition such as ``pencil_sketch+zombie+sepia``: at most one medium,
            one character and one mood, in any order. The character is painted first, then repainted in the
            medium, then in the mood.

    Raises: UnknownDomainError if there is no such domain, or the parts cannot be combined.
    """
    if name in DOMAINS:
        return DOMAINS[name]
    parts = name.split("+")
    for part in parts:
        if part not in DOMAINS:
            raise UnknownDomainError(f"unknown domain {part!r}; choose one of {', '.join(DOMAINS)}")
    return _composition(tuple(sorted(parts, key=lambda part: (_family_rank(part), part))))


def compositions() -> tuple[str, ...]:
    """Return the names of all compositions of two or three domains of different families."""
    choices = [
        ("", *(part for part in DOMAINS if DOMAINS[part].family == family and part in _COMPOSABLE))
        for family in FAMILIES
    ]
    chosen = [[part for part in parts if part] for parts in product(*choices)]
    return tuple("+".join(parts) for parts in chosen if len(parts) > 1)


def draw(attributes: Attributes, domain_name: str = SOURCE, resolution: int = 64) -> NDArray[np.uint8]:
    """Draw a face in a domain, with antialiasing.

    Args:
        attributes: the face.
        domain_name: as for `domain`.
        resolution: side in pixels, at least 8. Media and moods are drawn at 128 pixels, the scale of their
            brush strokes, and averaged down, so for them it must divide 128.

    Returns: (resolution, resolution, 3) RGB.

    Raises:
        UnknownDomainError: as `domain`.
        DrawingError: if the resolution is not supported.
    """
    chosen = domain(domain_name)
    if resolution < 8:
        raise DrawingError(f"resolution must be at least 8 pixels, got {resolution}")
    picture = chosen.draw(attributes, resolution)
    return (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def draw_many(
    attributes: Sequence[Attributes], domain_name: str = SOURCE, resolution: int = 64
) -> NDArray[np.uint8]:
    """Draw several faces in a domain, (N, resolution, resolution, 3) RGB; otherwise like `draw`."""
    pictures = np.empty((len(attributes), resolution, resolution, 3), np.uint8)
    for picture, face in zip(pictures, attributes, strict=True):
        picture[...] = draw(face, domain_name, resolution)
    return pictures


def _renderer(
    name: str, appearance: Callable[[Attributes], Appearance], styles: Sequence[Style] = ()
) -> Callable[[Attributes, int], Picture]:
    """Return a function that paints a portrait with an appearance, then repaints it in each style."""

    def render(attributes: Attributes, resolution: int) -> Picture:
        if styles and _STYLE_RESOLUTION % resolution:
            raise DrawingError(
                f"{name} needs a resolution that divides {_STYLE_RESOLUTION}, got {resolution}"
            )
        size = _STYLE_RESOLUTION if styles else _OVERSAMPLING * resolution
        picture = paint_portrait(attributes, appearance(attributes), size)
        for style in styles:
            picture = style.apply(picture, np.random.default_rng(attributes.texture_seed))
        return _downsample(picture, resolution)

    return render


def _character(character: Character) -> Domain:
    return Domain(
        character.name,
        character.family,
        character.phrases,
        _renderer(character.name, character.appearance),
        (character.name,),
        keeps_colors=False,
    )


def _style(style: Style) -> Domain:
    render = _renderer(style.name, natural_appearance, (style,))
    return Domain(style.name, style.family, style.phrases, render, (style.name,), style.keeps_colors)


@cache
def _composition(parts: tuple[str, ...]) -> Domain:
    families = [DOMAINS[part].family for part in parts]
    name = "+".join(parts)
    if len(set(families)) < len(families) or not _COMPOSABLE.issuperset(parts):
        described = ", ".join(f"{part} ({family})" for part, family in zip(parts, families, strict=True))
        raise UnknownDomainError(
            f"{name!r} cannot be composed: {described}; a composition takes at most one of each of "
            f"{', '.join(FAMILIES)}, and neither photo nor anime"
        )
    character = next((each for each in CHARACTERS if each.name in parts), None)
    styles = [STYLES[part] for part in parts if part in STYLES]
    # A sepia photo of a pencil sketch of a zombie: the mood, the medium, the character.
    order = parts if character and parts[-1] == character.name else (*parts[-1:], *parts[:-1])
    first, *others = (DOMAINS[part].phrases[0] for part in order)
    phrase = " of ".join([first, *map(with_article, others)])
    render = _renderer(name, character.appearance if character else natural_appearance, styles)
    keeps_colors = all(DOMAINS[part].keeps_colors for part in parts)
    return Domain(name, "composition", (phrase,), render, parts, keeps_colors)


def _family_rank(part: str) -> int:
    family = DOMAINS[part].family
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)


def _downsample(picture: Picture, resolution: int) -> Picture:
    """Downsample by averaging square blocks."""
    factor = picture.shape[0] // resolution
    blocks = picture.reshape(resolution, factor, resolution, factor, 3)
    downsampled: Picture = blocks.mean(axis=(1, 3), dtype=np.float32)
    return downsampled


_ALL = (
    Domain(SOURCE, "photo", ("photo", "portrait photo", "photograph"), _renderer(SOURCE, natural_appearance)),
    *(_style(style) for style in STYLES.values()),
    *(_character(character) for character in CHARACTERS),
)
DOMAINS: dict[str, Domain] = {domain.name: domain for domain in _ALL}
_COMPOSABLE = {
    *STYLES,
    *(character.name for character in CHARACTERS if character.family == "character"),
}
