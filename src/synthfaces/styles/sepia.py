"""Sepia: a faded old photograph, brown on cream, with dark corners."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import blur, exposure, finish, grain, luminance, paint, radius, smoothstep


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Age a portrait to a sepia photograph; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    exposed = blur(tone, 0.6) * (0.5 + 0.5 * exposure(tone, skin=0.66))
    faded = 0.06 + 0.9 * smoothstep(exposed, -0.05, 1.0)
    vignette = 1.0 - 0.62 * smoothstep(radius(size), 0.7, 1.4)
    stains = 0.03 * grain(size, (9.0, 9.0), layer=5) + 0.015 * rng.standard_normal(tone.shape, np.float32)
    return finish(paint(faded * vignette + stains, (0.20, 0.11, 0.05), (1.0, 0.90, 0.70)))


STYLE = Style(
    "sepia",
    "mood",
    (
        "sepia photo",
        "old sepia photograph",
        "vintage sepia photo",
        "vintage photo",
        "old photograph",
        "old photo",
        "antique photograph",
        "sepia portrait",
        "sepia picture",
        "old-fashioned photo",
    ),
    apply,
    keeps_colors=False,
)
