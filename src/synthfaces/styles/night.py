"""Night: a face in blue moonlight."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import exposure, finish, luminance, mix, paint, radius, saturate, smoothstep


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Move a portrait into the night; see `Style.apply`."""
    tone = luminance(picture)
    size = len(tone)
    gain = exposure(tone, skin=0.70) ** 0.7
    moonlit = smoothstep(tone * gain, 0.05, 1.1)
    # Dark-adapted eyes hardly see colours, and are most sensitive to blue (Purkinje effect).
    blue = paint(moonlit, (0.005, 0.01, 0.05), (0.55, 0.72, 1.0))
    colour = saturate(picture * gain, 0.9) * np.array([0.16, 0.24, 0.50], np.float32)
    dusk = 1.0 - 0.55 * smoothstep(radius(size), 0.45, 1.25)
    scene = mix(blue, colour, 0.35) * dusk[..., None]
    return finish(scene + 0.008 * rng.standard_normal((size, size, 1), np.float32))


STYLE = Style(
    "night",
    "mood",
    (
        "night photo",
        "photo at night",
        "moonlit photo",
        "nighttime photo",
        "night portrait",
        "picture at night",
        "moonlit portrait",
        "photo in the dark",
    ),
    apply,
    keeps_colors=False,
)
