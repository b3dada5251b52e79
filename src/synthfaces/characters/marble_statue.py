"""Marble statue: skin, hair, eyes and clothes are white stone, the background is unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synthfaces.appearance import Appearance, natural_appearance
from synthfaces.attributes import Attributes
from synthfaces.canvas import Canvas, line
from synthfaces.characters.character import Character
from synthfaces.geometry import FaceGeometry

STONE, LIGHT, DARK = (216.0, 213.0, 206.0), (255.0, 254.0, 250.0), (78.0, 78.0, 84.0)


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as a marble bust."""
    return replace(
        natural_appearance(attributes),
        skin=STONE,
        skin_shadow=DARK,
        skin_light=LIGHT,
        hair=(176.0, 174.0, 169.0),
        hair_shadow=(70.0, 70.0, 76.0),
        hair_light=(244.0, 242.0, 236.0),
        beard=(164.0, 162.0, 158.0),
        brow=(136.0, 134.0, 132.0),
        iris=(206.0, 203.0, 198.0),
        pupil=(150.0, 148.0, 146.0),
        eye_white=(232.0, 230.0, 225.0),
        lashes=(96.0, 95.0, 98.0),
        catch_light=None,
        lip=(182.0, 179.0, 174.0),
        mouth_inside=(74.0, 74.0, 78.0),
        teeth=(226.0, 224.0, 218.0),
        tongue=(130.0, 128.0, 128.0),
        blush=None,
        clothes=(190.0, 188.0, 183.0),
        hat=(172.0, 170.0, 166.0),
        frame=(104.0, 103.0, 106.0),
        lens=((112.0, 112.0, 116.0), (168.0, 167.0, 166.0)),
        gold=(150.0, 148.0, 146.0),
        gold_light=LIGHT,
        over_features=_veins,
    )


def _veins(canvas: Canvas, face: FaceGeometry) -> None:
    rng = np.random.default_rng(face.attributes.texture_seed)
    for _ in range(4):
        x, y = rng.uniform(28, 72), rng.uniform(16, 76)
        drift = rng.uniform(-7, 7, size=(3, 2))
        points = [(x, y), *((x + 6 * i + drift[i - 1, 0], y + 6 * i + drift[i - 1, 1]) for i in (1, 2, 3))]
        canvas.stroke(line(*points), (120.0, 122.0, 132.0), 0.8, alpha=0.35, blur=0.4)


CHARACTER = Character(
    "marble_statue",
    (
        "marble statue",
        "stone statue",
        "statue",
        "marble bust",
        "stone bust",
        "marble sculpture",
        "stone sculpture",
        "sculpture",
        "white marble statue",
        "greek statue",
    ),
    appearance,
)
