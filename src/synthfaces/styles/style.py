"""What defines a style: a name, phrases for it, and an image filter."""

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
    """An image filter for portraits of 128 px that are later downsampled to 64 px.

    Attributes:
        name: identifier, such as ``pencil_sketch``.
        family: ``media`` (a drawing or painting technique) or ``mood`` (a lighting, camera or print effect).
        phrases: noun phrases that name it in captions, the most common first.
        apply: ``apply(picture, rng)`` takes and returns float32 (S, S, 3) in [0, 1]. It keeps the geometry,
            does not modify its argument, and depends only on the picture and the state of the rng.
        keeps_colors: whether hair and eyes keep recognisable colours.
    """

    name: str
    family: str
    phrases: tuple[str, ...]
    apply: Filter
    keeps_colors: bool = True
