"""What a style is: a name, the words people use for it, and a filter that repaints a portrait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""Float32 array in [0, 1]: (S, S, 3) for a colour picture, (S, S) for tones or masks."""

Filter = Callable[[Image, np.random.Generator], Image]


@dataclass(frozen=True)
class Style:
    """A repainting of portraits, made for pictures of 128 px that are later reduced to 64 px.

    Attributes:
        name: identifier, such as ``pencil_sketch``.
        family: ``media`` (another material) or ``mood`` (another light, lens or print).
        phrases: noun phrases that name it in captions, the most usual first.
        apply: ``apply(picture, rng)`` takes and returns float32 (S, S, 3) in [0, 1]. It keeps the geometry,
            does not change its argument, and depends on nothing but the picture and the rng's state.
        keeps_colors: whether hair and eyes can still be told by their colour.
    """

    name: str
    family: str
    phrases: tuple[str, ...]
    apply: Filter
    keeps_colors: bool = True
