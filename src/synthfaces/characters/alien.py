"""Alien: pale grey-green skin, huge slanted black eyes, slits for a nose, no ears."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.appearance import WHITE, Appearance, natural_appearance, paint_nothing, with_skin
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, blob, line, oval, radial
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, NOSE, SIDES, FaceGeometry


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as an alien."""
    skin = mix((194.0, 216.0, 190.0), (134.0, 164.0, 142.0), attributes.skin)
    shadow, light = mix(skin, (40.0, 70.0, 74.0), 0.66), mix(skin, WHITE, 0.5)
    return replace(
        with_skin(natural_appearance(attributes), skin, shadow, light),
        blush=None,
        ears=paint_nothing,
        brows=paint_nothing,
        eyes=_black_eyes,
        nose=_slits,
        mouth_scale=0.6,
        jaw_scale=0.76,
    )


def _black_eyes(canvas: Canvas, face: FaceGeometry) -> None:
    w, h = face.eye_size[0] * 1.42, face.eye_size[1] * 1.75
    for side in SIDES:
        m, y = (face.eye_distance + 0.6) * side, EYES + 1.5
        rim = [
            (-1, 0.62),
            (-0.86, -0.12),
            (-0.25, -0.72),
            (0.5, -1.0),
            (0.98, -0.94),
            (0.94, -0.3),
            (0.45, 0.5),
            (-0.4, 0.9),
        ]
        almond = blob(face.points([(m + dx * w * side, y + dy * h) for dx, dy in rim]))
        x, height = face.point(m, y)
        canvas.fill(almond, radial((x, height + 2), w, ((52.0, 56.0, 78.0), 1), ((8.0, 8.0, 16.0), 1)))
        canvas.stroke(almond, face.appearance.skin_shadow, 0.8, alpha=0.8)
        glint = x + (1.2 + 2.4 * face.attributes.light)
        canvas.fill(oval(glint, height - 0.4 * h, 2.0, 1.5), WHITE, alpha=0.95, blur=0.3)


def _slits(canvas: Canvas, face: FaceGeometry) -> None:
    x, y = face.x(0) + 1.6 * face.attributes.yaw, face.y(NOSE + 1)
    for side in SIDES:
        slit = line((x + 0.9 * side, y - 2.2), (x + 2.0 * side, y + 0.6))
        canvas.stroke(slit, mix(face.appearance.skin_shadow, (10.0, 20.0, 24.0), 0.4), 1.1)


CHARACTER = Character(
    "alien",
    (
        "alien",
        "grey alien",
        "gray alien",
        "space alien",
        "extraterrestrial",
        "alien being",
        "alien creature",
        "martian",
        "alien from outer space",
    ),
    appearance,
)
