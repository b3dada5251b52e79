"""Blueprint: white lines on blue paper with a fine grid."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    exposure,
    finish,
    local_contrast,
    luminance,
    outlines,
    paint,
    smoothstep,
    stripes,
)

_GRID = 16


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Draw a portrait as a blueprint; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    line = smoothstep(outlines(picture, 0.8), 0.15, 0.75)
    details = smoothstep(local_contrast(tone, 4.0), 0.85, 0.45)
    hatched = stripes(size, 4.0, 45.0) * smoothstep(tone * exposure(tone, skin=0.85), 0.7, 0.3)
    grid = np.zeros_like(tone)
    grid[::_GRID] = grid[:, ::_GRID] = 1.0
    white = 1.0 - (1.0 - 0.95 * line) * (1.0 - 0.6 * details) * (1.0 - 0.30 * hatched) * (1.0 - 0.22 * grid)
    white = white + 0.01 * rng.standard_normal(tone.shape, np.float32)
    return finish(paint(white, (0.05, 0.20, 0.55), (0.93, 0.97, 1.0)))


STYLE = Style(
    "blueprint",
    "media",
    (
        "blueprint",
        "blueprint drawing",
        "technical drawing",
        "blueprint portrait",
        "engineering drawing",
        "blueprint picture",
        "blue technical drawing",
    ),
    apply,
    keeps_colors=False,
)
