"""Mosaic: small stones that follow edges, set in pale grout."""

from __future__ import annotations

import numpy as np

from synthfaces.styles.cells import borders, means, superpixels
from synthfaces.styles.style import Image, Style
from synthfaces.styles.tones import blur, finish, mix, saturate

_GROUT = np.array([0.94, 0.92, 0.87], np.float32)


def apply(picture: Image, rng: np.random.Generator) -> Image:
    """Lay a portrait in mosaic; see `Style.apply`."""
    crisp = picture + 0.7 * (picture - blur(picture, 3.0))
    labels = superpixels(crisp, cell=7, compactness=0.55)
    count = int(labels.max()) + 1
    stones = 0.86 * saturate(means(crisp, labels, count)[None], 1.4)[0]
    stones = stones + 0.04 * rng.standard_normal((count, 1), np.float32)
    return finish(mix(stones[labels], _GROUT, 0.8 * borders(labels)))


STYLE = Style(
    "mosaic",
    "media",
    (
        "mosaic",
        "tile mosaic",
        "roman mosaic",
        "mosaic portrait",
        "ancient mosaic",
        "byzantine mosaic",
        "ceramic mosaic",
        "mosaic picture",
    ),
    apply,
)
