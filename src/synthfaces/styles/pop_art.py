"""Pop art: a screen print in a few flat, vivid inks."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import blur, exposure, finish, local_contrast, luminance, outlines, smoothstep

# From dark to light.
_INKS = np.array(
    [[0.10, 0.04, 0.28], [0.82, 0.05, 0.45], [1.0, 0.45, 0.15], [1.0, 0.84, 0.15], [0.55, 0.93, 0.92]],
    np.float32,
)
# The tones at which the inks change.
_STEPS = (0.30, 0.52, 0.72, 0.98)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Print a portrait as pop art; see `Style.apply`."""
    tone = luminance(picture)
    exposed = blur(tone, 0.8) * exposure(tone, skin=0.80)
    exposed = exposed * np.minimum(local_contrast(tone, 6.0), 1.0)
    print_ = np.broadcast_to(_INKS[0], picture.shape).copy()
    for ink, step in zip(_INKS[1:], _STEPS, strict=True):
        print_ += smoothstep(exposed, step - 0.02, step + 0.02)[..., None] * (ink - print_)
    line = smoothstep(outlines(picture, 1.0), 0.45, 0.8)
    return finish(print_ + line[..., None] * (_INKS[0] - print_))


STYLE = Style(
    "pop_art",
    "media",
    (
        "pop art print",
        "pop art poster",
        "pop art",
        "pop art portrait",
        "pop art picture",
        "screen print",
        "warhol print",
        "andy warhol portrait",
    ),
    apply,
    keeps_colors=False,
)
