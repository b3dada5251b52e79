"""Watercolour: pale washes with darker rims of pigment, fading into white paper."""

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
    outlines,
    radius,
    saturate,
    smoothstep,
)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Paint a portrait in watercolour; see `Style.apply`."""
    size = len(picture)
    half = picture.reshape(size // 2, 2, size // 2, 2, 3).mean((1, 3), dtype=np.float32)
    wash: Image = ndimage.median_filter(half, size=(3, 3, 1)).repeat(2, 0).repeat(2, 1)
    wash = saturate(blur(wash, 1.2), 1.5)
    pools = grain(size, (7.0, 7.0), layer=2)
    # Transparent pigment: the paper shines through, more where the wash has pooled less.
    density = 0.72 + 0.10 * pools + 0.03 * grain(size, (0.8, 0.8), layer=3)
    body: Image = np.power(np.maximum(wash, np.float32(0.03)), density[..., None])
    wash = np.float32(0.2) + np.float32(0.8) * body
    rims = smoothstep(outlines(picture, 1.3), 0.15, 1.2)
    details = smoothstep(local_contrast(luminance(picture), 4.0), 0.85, 0.4)
    wash *= ((1.0 - 0.30 * rims) * (1.0 - 0.55 * details))[..., None]
    tide = radius(size) + np.float32(0.10) * pools + np.float32(0.03 * rng.standard_normal())
    dry = smoothstep(tide, 0.98, 1.12)
    rim = smoothstep(tide, 0.86, 0.98) * (1.0 - dry)
    wash *= 1.0 - 0.16 * rim[..., None]
    return finish(mix(wash, np.array([0.99, 0.985, 0.97], np.float32), dry))


STYLE = Style(
    "watercolor",
    "media",
    (
        "watercolor painting",
        "watercolor",
        "watercolour painting",
        "watercolor portrait",
        "watercolour",
        "aquarelle",
        "painting in watercolor",
    ),
    apply,
)
