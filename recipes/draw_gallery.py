"""Draw the pictures of the gallery: the face world's photos, its domains, and compositions of them.

    python recipes/draw_gallery.py --output docs/images

No network is involved: everything is drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from torch import Tensor

import synthfaces
from domainvec.images import from_uint8, grid, save_png
from synthfaces.domains import FAMILIES

SEED = 7
FACE = 8
"""The sitter of the compositions."""


def drawn(faces: list[synthfaces.Attributes], domain: str) -> Tensor:
    """Faces in one domain, (N, 3, 64, 64)."""
    return from_uint8(synthfaces.draw_many(faces, domain))


def photos(columns: int = 20, rows: int = 5) -> Tensor:
    """The first faces of the world, as photos."""
    faces = [synthfaces.sample(SEED, i) for i in range(columns * rows)]
    return grid([drawn(faces[start : start + columns], "photo") for start in range(0, len(faces), columns)])


def domains(columns: int = 12) -> Tensor:
    """The same faces in all single domains."""
    faces = [synthfaces.sample(SEED, i) for i in range(columns)]
    return grid(
        [drawn(faces, name) for name in synthfaces.DOMAINS],
        labels=[name.replace("_", " ") for name in synthfaces.DOMAINS],
    )


def compositions() -> Tensor:
    """One face: a row for each medium and each mood, a column for each character."""
    media, characters, moods = (
        [name for name, domain in synthfaces.DOMAINS.items() if domain.family == family]
        for family in FAMILIES
    )
    face = synthfaces.sample(SEED, FACE)
    styles = ["photo", *media, *(mood for mood in moods if mood != "anime")]
    rows = []
    for style in styles:
        names = [character if style == "photo" else f"{style}+{character}" for character in characters]
        rows.append(from_uint8(np.stack([synthfaces.draw(face, name) for name in (style, *names)])))
    return grid(rows, labels=[style.replace("_", " ") for style in styles])


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    for name, picture in {
        "world-photos": photos(),
        "world-domains": domains(),
        "world-compositions": compositions(),
    }.items():
        save_png(picture, options.output / f"{name}.png")
        print(options.output / f"{name}.png")


if __name__ == "__main__":
    _main()
