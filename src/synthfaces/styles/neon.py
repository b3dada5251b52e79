"""Neon: glowing tubes of pink and cyan in the dark."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import blur, finish, outlines, smoothstep

_TOP = np.array([1.0, 0.12, 0.72], np.float32)
_BOTTOM = np.array([0.05, 0.85, 1.0], np.float32)
_DARK = np.array([0.025, 0.012, 0.06], np.float32)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Bend a portrait out of neon tubes; see `Style.apply`."""
    tube = smoothstep(outlines(picture, 1.0), 0.18, 0.8)
    flicker = 1.0 + 0.05 * float(rng.standard_normal())
    height = np.linspace(0.0, 1.0, len(tube), dtype=np.float32)
    gas = _TOP + smoothstep(height, 0.3, 0.75)[:, None, None] * (_BOTTOM - _TOP)
    halo = flicker * (0.75 * blur(tube, 2.0) + 0.5 * blur(tube, 6.0))
    core = smoothstep(tube, 0.55, 1.0)
    return finish(_DARK + gas * (halo + 0.7 * tube)[..., None] + 0.45 * core[..., None])


STYLE = Style(
    "neon",
    "media",
    (
        "neon sign",
        "neon light drawing",
        "neon picture",
        "neon portrait",
        "glowing neon sign",
        "neon glow drawing",
        "neon light portrait",
        "neon outline",
    ),
    apply,
    keeps_colors=False,
)
