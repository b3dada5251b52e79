"""Infrared: a thermal camera's false colours, cold black and purple to hot yellow."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import blur, exposure, finish, local_contrast, luminance, radius, smoothstep

_HEAT = np.array([0.0, 0.2, 0.42, 0.62, 0.82, 1.0])
_COLOURS = np.array(
    [
        [0.02, 0.0, 0.10],
        [0.26, 0.02, 0.45],
        [0.72, 0.08, 0.42],
        [0.97, 0.38, 0.10],
        [1.0, 0.78, 0.10],
        [1.0, 1.0, 0.78],
    ]
)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """See a portrait by its heat; see `Style.apply`."""
    soft = blur(picture, 0.8)
    tone = luminance(soft)
    # Skin of any tone is warmer in hue than most backgrounds, so the ratio of red to blue stands for heat.
    warmth = (soft[..., 0] - soft[..., 2]) / (soft[..., 0] + soft[..., 2] + 0.1)
    brightness = np.minimum(tone * exposure(tone, skin=0.72), 1.0)
    heat = 0.75 * brightness + 0.55 * smoothstep(warmth, -0.3, 0.5) - 0.2
    heat = heat - 0.45 * smoothstep(radius(len(tone)), 0.55, 1.25)
    heat = heat * np.minimum(local_contrast(tone, 6.0), 1.1) + 0.01 * float(rng.standard_normal())
    return finish(np.stack([np.interp(heat, _HEAT, _COLOURS[:, c]) for c in range(3)], -1))


STYLE = Style(
    "infrared",
    "mood",
    (
        "infrared photo",
        "thermal image",
        "thermal camera photo",
        "infrared image",
        "infrared picture",
        "infrared portrait",
        "thermal photo",
        "heat camera image",
    ),
    apply,
    keeps_colors=False,
)
