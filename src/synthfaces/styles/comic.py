"""Comic: flat bright colours, black outlines, halftone dots in the shadows."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    blur,
    dots,
    exposure,
    finish,
    local_contrast,
    luminance,
    mix,
    outlines,
    radius,
    saturate,
    smoothstep,
)

_INK = np.array([0.03, 0.02, 0.05], np.float32)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Print a portrait as a comic panel; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    gain = exposure(tone, skin=0.75) ** 0.5
    flat = blur(picture, 1.0) * gain
    levels = 4.0
    grey = luminance(flat)
    step = (np.floor(grey * levels) + smoothstep(grey * levels % 1.0, 0.4, 0.6)) / levels
    flat = saturate(flat * ((step + 0.1) / (grey + 0.1))[..., None], 1.9)
    shadow = smoothstep(local_contrast(tone, 14.0), 1.0, 0.7)
    shadow = np.maximum(shadow, 0.6 * smoothstep(radius(size), 0.7, 1.2))
    screen = smoothstep(dots(size, 6.0) - 0.55 * shadow - 0.02, 0.06, -0.06)
    flat = mix(flat, flat * np.float32(0.6), screen)
    details = smoothstep(local_contrast(tone, 5.0), 0.75, 0.55)
    line = smoothstep(outlines(picture, 1.0), 0.45, 0.7)
    return finish(mix(flat, _INK, np.maximum(details, line)))


STYLE = Style(
    "comic",
    "mood",
    (
        "comic book drawing",
        "comic",
        "comic book panel",
        "comic book picture",
        "comic book portrait",
        "comic drawing",
        "comic strip",
        "cartoon",
        "graphic novel illustration",
    ),
    apply,
)
