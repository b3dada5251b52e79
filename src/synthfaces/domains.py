"""The domains of the world: the photo, media and moods (a filter), characters (another look)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthfaces.attributes import Attributes
from synthfaces.characters import CHARACTERS
from synthfaces.characters.character import Character
from synthfaces.errors import DrawingError, UnknownDomainError
from synthfaces.looks import natural
from synthfaces.portrait import paint_portrait
from synthfaces.styles import STYLES, Style

Picture = NDArray[np.float32]
SOURCE = "photo"
_OVERSAMPLING = 2
_SIDE = 128


@dataclass(frozen=True)
class Domain:
    """A named kind of picture."""

    name: str
    family: str
    """``photo``, ``media``, ``mood`` or ``character``."""
    phrases: tuple[str, ...]
    """Noun phrases that name it, the usual one first."""
    draw: Callable[[Attributes, int], Picture]
    """Attributes and a resolution to RGB in [0, 1], (resolution, resolution, 3)."""


def draw(attributes: Attributes, domain: str = SOURCE, resolution: int = 64) -> NDArray[np.uint8]:
    """One face in one domain, (resolution, resolution, 3) RGB.

    Drawn at twice the resolution and averaged. Media and moods are drawn at 128 pixels, the scale of
    their brush strokes, so their resolution must divide 128.

    Raises: UnknownDomainError naming the choices; DrawingError for an impossible resolution.
    """
    if domain not in DOMAINS:
        raise UnknownDomainError(f"unknown domain {domain!r}; choose one of {', '.join(DOMAINS)}")
    if resolution < 8:
        raise DrawingError(f"resolution must be at least 8 pixels, got {resolution}")
    picture = DOMAINS[domain].draw(attributes, resolution)
    return (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def draw_many(
    attributes: Sequence[Attributes], domain: str = SOURCE, resolution: int = 64
) -> NDArray[np.uint8]:
    """Faces in one domain, (N, resolution, resolution, 3) RGB; errors as ``draw``."""
    pictures = np.empty((len(attributes), resolution, resolution, 3), np.uint8)
    for picture, face in zip(pictures, attributes, strict=True):
        picture[...] = draw(face, domain, resolution)
    return pictures


def _photo(attributes: Attributes, resolution: int) -> Picture:
    return _reduce(paint_portrait(attributes, natural(attributes), _OVERSAMPLING * resolution), resolution)


def _character(character: Character) -> Domain:
    def draw_character(attributes: Attributes, resolution: int) -> Picture:
        look = character.look(attributes)
        return _reduce(paint_portrait(attributes, look, _OVERSAMPLING * resolution), resolution)

    return Domain(character.name, character.family, character.phrases, draw_character)


def _style(style: Style) -> Domain:
    def draw_style(attributes: Attributes, resolution: int) -> Picture:
        if _SIDE % resolution:
            raise DrawingError(f"{style.name} needs a resolution that divides {_SIDE}, got {resolution}")
        photo = paint_portrait(attributes, natural(attributes), _SIDE)
        strokes = np.random.default_rng(attributes.texture_seed)
        return _reduce(style.apply(photo, strokes), resolution)

    return Domain(style.name, style.family, tuple(style.phrases), draw_style)


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
