"""Stained glass: glowing panes in dark lead, the features painted on the glass in black."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.cells import borders, means, superpixels
from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import (
    blur,
    exposure,
    finish,
    local_contrast,
    luminance,
    mix,
    radius,
    saturate,
    smoothstep,
)

_LEAD = np.array([0.03, 0.03, 0.05], np.float32)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Set a portrait in stained glass; see `Style.apply`."""
    size = len(picture)
    tone = luminance(picture)
    # Segmented at half size, which is faster and makes the leads two pixels wide.
    half = blur(picture, 1.0).reshape(size // 2, 2, size // 2, 2, 3).mean((1, 3))
    labels = superpixels(half, cell=7, compactness=0.5)
    count = int(labels.max()) + 1
    panes = means(half * (0.5 + 0.5 * exposure(tone, skin=0.62)), labels, count)
    panes = saturate(panes[None], 2.1)[0] + 0.03 * rng.standard_normal((count, 1), np.float32)
    # Leads between panes of similar colour are thin, so that they do not hide the face.
    lead = borders(labels, panes)
    lead = np.where(lead > 0, 0.45 + 0.55 * smoothstep(lead, 0.05, 0.35), np.float32(0.0))
    glow = 1.25 - 0.5 * blur(lead, 1.2)
    glass = (panes[labels] * glow[..., None]).repeat(2, 0).repeat(2, 1)
    lead = lead.repeat(2, 0).repeat(2, 1)
    relative = local_contrast(tone, 5.0)
    middle = smoothstep(radius(size), 0.80, 0.45)
    features = middle * smoothstep(np.abs(relative - 1.0), 0.10, 0.25)
    glass = mix(glass, np.minimum(1.3 * picture, 1.0), features)
    lead = lead * (1.0 - np.minimum(2.0 * blur(features, 1.5), 1.0))
    return finish(mix(glass, _LEAD, np.maximum(lead, 0.8 * smoothstep(relative, 0.8, 0.45))))


STYLE = Style(
    "stained_glass",
    "media",
    (
        "stained glass window",
        "stained glass",
        "stained glass portrait",
        "stained glass picture",
        "church window",
        "stained glass panel",
        "leaded glass window",
    ),
    apply,
)
