"""Charcoal: smudged black on rough off-white paper."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    blur,
    exposure,
    finish,
    grain,
    local_contrast,
    luminance,
    outlines,
    paint,
    radius,
    smoothstep,
)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Draw a portrait in charcoal; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    smudged = blur(tone * exposure(tone, skin=0.78), 1.2)
    light = smoothstep(smudged, 0.05, 0.95)
    details = smoothstep(local_contrast(tone, 6.0), 0.95, 0.4)
    line = smoothstep(outlines(picture, 1.6), 0.15, 1.0)
    backdrop = 1.0 - 0.55 * smoothstep(radius(size), 0.75, 1.3)
    light = light * backdrop * (1.0 - 0.75 * blur(details, 0.6)) * (1.0 - 0.85 * line)
    tooth = grain(size, (0.9, 0.9), layer=1) + 0.25 * rng.standard_normal(tone.shape, np.float32)
    light = light + 0.08 * tooth * (0.25 + 3.0 * light * (1.0 - light))
    return finish(paint(light, (0.05, 0.045, 0.045), (0.93, 0.91, 0.87)))


STYLE = Style(
    "charcoal",
    "media",
    (
        "charcoal drawing",
        "charcoal sketch",
        "charcoal portrait",
        "charcoal picture",
        "drawing in charcoal",
        "smudged charcoal drawing",
    ),
    apply,
    keeps_colors=False,
)
