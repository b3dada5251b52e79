"""Pencil sketch: graphite outlines on white paper, shaded with slanted strokes."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    exposure,
    finish,
    grain,
    local_contrast,
    luminance,
    outlines,
    paint,
    radius,
    smoothstep,
    stripes,
)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Draw a portrait in pencil; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    exposed = tone * exposure(tone, skin=0.85)
    details = smoothstep(local_contrast(tone, 5.0), 0.95, 0.35)
    shade = 0.62 * smoothstep(exposed, 0.85, 0.0)
    strokes = stripes(size, 5.0, 50.0) - 0.5
    shade = shade * (1.0 + 0.7 * strokes) * (1.0 - 0.5 * smoothstep(radius(size), 0.8, 1.3))
    line = smoothstep(outlines(picture, 0.8), 0.12, 0.9)
    graphite = 1.0 - (1.0 - shade) * (1.0 - 0.70 * details) * (1.0 - 0.62 * line)
    graphite = graphite * (1.0 + 0.12 * grain(size)) + 0.012 * rng.standard_normal(tone.shape, np.float32)
    return finish(paint(1.0 - graphite, (0.10, 0.10, 0.12), (0.985, 0.98, 0.965)))


STYLE = Style(
    "pencil_sketch",
    "media",
    (
        "pencil sketch",
        "pencil drawing",
        "sketch",
        "graphite drawing",
        "graphite sketch",
        "hand-drawn sketch",
        "pencil portrait",
        "sketched portrait",
        "drawing in pencil",
    ),
    apply,
    keeps_colors=False,
)
