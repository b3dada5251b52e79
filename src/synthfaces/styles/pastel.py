"""Soft pastel: chalky strokes in light, saturated colours on rough warm grey paper."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    blur,
    finish,
    grain,
    local_contrast,
    luminance,
    mix,
    radius,
    saturate,
    smoothstep,
)

_PAPER = np.array([0.60, 0.55, 0.50], np.float32)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Draw a portrait in pastel; see `Style.apply`."""
    size = len(picture)
    chalk: Image = ndimage.median_filter(picture, size=(3, 3, 1))
    # Chalk is opaque and pale: lighten dark colours, and saturate all of them.
    chalk = saturate(np.power(blur(chalk, 0.8), 0.72), 1.45)
    details = smoothstep(local_contrast(luminance(picture), 4.0), 0.85, 0.4)
    chalk = mix(chalk, np.array([0.20, 0.14, 0.16], np.float32), 0.75 * details)
    strokes = grain(size, (5.0, 0.9), angle=52.0, layer=11)
    chalk = chalk * (1.0 + 0.07 * strokes[..., None])
    # The paper shows between the strokes, less so on the face.
    pressure = 2.2 - 2.4 * smoothstep(radius(size), 0.45, 1.2) + 0.05 * float(rng.standard_normal())
    tooth = 0.6 * grain(size, (0.8, 0.8), layer=12) + strokes
    bare = smoothstep(tooth - pressure, -0.4, 0.6) * (1.0 - 0.6 * details)
    edge = 0.55 * smoothstep(radius(size), 0.8, 1.25)
    cover = (0.9 * np.maximum(bare, edge)).astype(np.float32)
    return finish(mix(chalk, _PAPER, cover))


STYLE = Style(
    "pastel",
    "media",
    (
        "pastel drawing",
        "soft pastel drawing",
        "chalk pastel drawing",
        "pastel portrait",
        "pastel sketch",
        "pastel picture",
        "drawing in pastels",
        "chalk drawing",
    ),
    apply,
)
