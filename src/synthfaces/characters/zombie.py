"""Zombie: grey-green skin, sunken clouded eyes, wounds, blood at the mouth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synthfaces.appearance import Appearance, natural_appearance, with_skin
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, line, oval
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, MOUTH, SIDES, FaceGeometry

BLOOD = (122.0, 14.0, 18.0)


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as a zombie."""
    skin = mix((148.0, 162.0, 112.0), (86.0, 104.0, 70.0), attributes.skin)
    rotten = with_skin(natural_appearance(attributes), skin, (40.0, 48.0, 40.0), (186.0, 196.0, 150.0))
    return replace(
        rotten,
        lip=(84.0, 62.0, 66.0),
        blush=None,
        eye_white=(232.0, 222.0, 168.0),
        iris=(196.0, 200.0, 176.0),
        lashes=(44.0, 24.0, 30.0),
        teeth=(206.0, 192.0, 128.0),
        catch_light=None,
        under_features=_decay,
        over_features=_wounds,
    )


def _decay(canvas: Canvas, face: FaceGeometry) -> None:
    for side in SIDES:
        canvas.fill(
            oval(*face.point(11 * side, EYES + 1.5), 8.5, 7.2), (52.0, 28.0, 44.0), alpha=0.8, blur=1.6
        )
        canvas.fill(oval(*face.point(17 * side, 66), 4.5, 7), (46.0, 52.0, 42.0), alpha=0.6, blur=2.2)


def _wounds(canvas: Canvas, face: FaceGeometry) -> None:
    rng = np.random.default_rng(face.attributes.texture_seed)
    side = 1.0 if rng.random() < 0.5 else -1.0
    gash = [(side * 19, 54.5), (side * 15.5, 59.5), (side * 14.5, 65)]
    canvas.stroke(line(*face.points(gash)), BLOOD, 3.4, blur=0.4)
    canvas.stroke(line(*face.points(gash)), (56.0, 4.0, 10.0), 1.3)
    x, y = face.point(-side * rng.uniform(6, 12), rng.uniform(29, 34))
    canvas.fill(oval(x, y, 4.2, 2.8), BLOOD, blur=0.5)
    canvas.fill(oval(x, y, 2.4, 1.4), (56.0, 4.0, 10.0), blur=0.3)
    for u, length in ((side * 6.5, rng.uniform(7, 11)), (side * 3, rng.uniform(4, 7))):
        canvas.stroke(line(face.point(u, MOUTH + 1), face.point(u * 1.05, MOUTH + length)), BLOOD, 1.9)


CHARACTER = Character(
    "zombie",
    (
        "zombie",
        "undead zombie",
        "undead person",
        "rotting zombie",
        "walking corpse",
        "living corpse",
        "living dead person",
        "zombified person",
        "undead creature",
    ),
    appearance,
)
