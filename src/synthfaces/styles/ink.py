"""Ink: black lines and areas on white, with hatched midtones."""

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


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Draw a portrait in ink; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    exposed = tone * exposure(tone, skin=0.85)
    fill = smoothstep(exposed, 0.36, 0.28)
    halftone = 0.56 + float(rng.uniform(-0.03, 0.03))
    strokes = smoothstep(stripes(size, 6.0, -45.0), 0.45, 0.65)
    hatched = strokes * smoothstep(exposed, halftone + 0.04, halftone - 0.04)
    details = smoothstep(local_contrast(tone, 5.0), 0.80, 0.62)
    line = smoothstep(outlines(picture, 0.9), 0.40, 0.62)
    black = np.maximum.reduce([fill, hatched, details, line])
    return finish(paint(1.0 - black, (0.02, 0.02, 0.03), (1.0, 1.0, 1.0)))


STYLE = Style(
    "ink",
    "media",
    (
        "ink drawing",
        "pen and ink drawing",
        "black and white ink drawing",
        "ink sketch",
        "pen drawing",
        "line drawing",
        "ink portrait",
        "ink illustration",
    ),
    apply,
    keeps_colors=False,
)
