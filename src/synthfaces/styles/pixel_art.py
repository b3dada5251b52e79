"""Pixel art: a small sprite in the fixed palette of an old video game."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import blur, finish, outlines, saturate, smoothstep

_BLOCK = 4

# Ramps from dark to light: greys, skins and woods, reds, yellows, greens, blues, purples and pinks.
_PALETTE = np.array(
    [
        int(colour[i : i + 2], 16) / 255
        for colour in (
            "100c14 2e2a36 57525e 8a8794 bcbcc4 f4f4ee "
            "2c1610 4c2818 6e3c22 98592f c0804c e0a574 f4c89c ffe4c8 "
            "7a1626 8c3a34 b4544a c02c34 ec5a48 d8601c f09028 f8c43c fff08c "
            "12381e 286a34 58a848 a4dc70 "
            "141c50 24489c 3c80d8 70bcf0 b4e4f4 "
            "3a1c5c 6c3c9c a878d0 a03068 e05c98 f8a4c4"
        ).split()
        for i in (0, 2, 4)
    ],
    np.float32,
).reshape(-1, 3)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Draw a portrait as pixel art; see `Style.apply`."""
    size = len(picture)
    count = size // _BLOCK
    crisp = picture + 1.2 * (picture - blur(picture, 2.5))
    blocks = crisp.reshape(count, _BLOCK, count, _BLOCK, 3).mean((1, 3))
    edge = outlines(picture, 1.2).reshape(count, _BLOCK, count, _BLOCK).mean((1, 3))
    blocks = saturate(blocks, 1.25) * (1.0 - 0.45 * smoothstep(edge, 0.45, 1.0))[..., None]
    # |b - p|² = |b|² - 2 b·p + |p|², where |b|² is the same for every p. The eye is most sensitive to green.
    weighted = _PALETTE * np.array([0.9, 1.4, 0.7], np.float32)
    nearest = ((weighted * _PALETTE).sum(-1) - 2.0 * blocks @ weighted.T).argmin(-1)
    return finish(_PALETTE[nearest].repeat(_BLOCK, 0).repeat(_BLOCK, 1))


STYLE = Style(
    "pixel_art",
    "media",
    (
        "pixel art picture",
        "pixel art",
        "8-bit pixel art portrait",
        "pixel art portrait",
        "pixelated picture",
        "pixelated portrait",
        "8-bit picture",
        "video game sprite",
        "retro game portrait",
    ),
    apply,
)
