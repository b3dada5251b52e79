"""Oil painting: warm, saturated dabs with brush marks along the contours."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    blur,
    exposure,
    finish,
    grain,
    local_contrast,
    luminance,
    mix,
    saturate,
    smoothstep,
)

_DAB = 5


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Paint a portrait in oil; see `Style.apply`."""
    tone = luminance(picture)
    # Broad dabs, but a fine brush for eyes, mouth and glasses.
    fine = smoothstep(np.abs(local_contrast(tone, 5.0) - 1.0), 0.10, 0.30)
    paint = saturate(mix(_kuwahara(picture), picture, fine), 1.4)
    dabs = grain(len(tone), (5.0, 2.0), 35.0, layer=9)
    paint = paint + 0.025 * dabs[..., None] * np.array([1.0, 0.1, -1.0], np.float32)
    paint = paint * np.float32(exposure(tone, skin=0.7) ** 0.4)
    relief = _bristles(tone) * ((1.0 - 0.7 * fine) * np.float32(0.038 + 0.004 * rng.random()))
    paint = paint * (1.0 + 1.2 * relief[..., None]) + 0.6 * relief[..., None]
    return finish(paint * np.array([1.03, 0.96, 0.84], np.float32))


def _kuwahara(picture: Image) -> Image:
    """Kuwahara filter: each pixel takes the mean of the window with the lowest variance, of four."""
    tone = luminance(picture)
    stack = np.concatenate([picture, tone[..., None], (tone * tone)[..., None]], -1)
    stack = ndimage.uniform_filter(stack, (_DAB, _DAB, 1), mode="nearest")
    mean, variance = stack[..., :3], stack[..., 4] - stack[..., 3] ** 2
    shift = _DAB // 2
    windows = [(dy, dx) for dy in (-shift, shift) for dx in (-shift, shift)]
    smoothest = np.argmin([np.roll(variance, window, (0, 1)) for window in windows], 0)
    result = np.empty_like(picture)
    for index, window in enumerate(windows):
        here = smoothest == index
        result[here] = np.roll(mean, window, (0, 1))[here]
    return result


def _bristles(tone: Image) -> Image:
    """Brush marks along the contours: each pixel takes the texture of the nearest of four directions."""
    down, right = np.gradient(blur(tone, 2.0))
    # Smoothing the doubled angle, as in a structure tensor, lets opposite gradients agree.
    double = blur(right * right - down * down, 3.0), blur(2.0 * right * down, 3.0)
    along = 90.0 - np.rad2deg(np.arctan2(double[1], double[0])) / 2.0
    nearest = np.round(along / 45.0).astype(int) % 4
    marks = [grain(len(tone), (4.0, 0.9), 45.0 * index, layer=4) for index in range(4)]
    return np.choose(nearest, marks)


STYLE = Style(
    "oil_painting",
    "media",
    (
        "oil painting",
        "oil portrait",
        "painting",
        "painting in oils",
        "oil on canvas portrait",
        "canvas painting",
        "painted portrait",
        "classical painting",
        "old master painting",
    ),
    apply,
)
