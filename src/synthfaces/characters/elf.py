"""Elf: long pointed ears; nothing else changes."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.appearance import Appearance, natural_appearance
from synthfaces.attributes import LOOSE_HAIR, Attributes, mix
from synthfaces.canvas import Canvas, line, radial, shape
from synthfaces.characters.character import Character
from synthfaces.geometry import SIDES, FaceGeometry
from synthfaces.parts.body import ear_position


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as an elf; the ears are drawn over loose hair."""
    return replace(
        natural_appearance(attributes),
        ears=_pointed_ears,
        overlay=_pointed_ears if attributes.hair_style in LOOSE_HAIR else None,
    )


def _pointed_ears(canvas: Canvas, face: FaceGeometry) -> None:
    look = face.appearance
    for side in SIDES:
        x, y = ear_position(face, side)
        reach = 17.0 - 3.0 * side * face.attributes.yaw
        tip = (x + side * reach, y - 23)
        upper = [(x - side * 2.5, y - 6.5), (x + side * 4, y - 8.5), (x + side * 0.62 * reach, y - 14), tip]
        lower = [
            tip,
            (x + side * 0.7 * reach, y - 6),
            (x + side * 5, y + 4.5),
            (x - side * 1, y + 8.5),
            (x - side * 3, y + 7),
        ]
        lit = 0.5 + 0.5 * side * face.attributes.light
        skin = mix(look.skin_shadow, look.skin, 0.66 + 0.34 * lit)
        ear = shape(upper, lower)
        canvas.shade(
            ear,
            skin,
            radial((x + 2 * side, y), 26, (skin, 1), (mix(skin, look.skin_light, 0.5), 1)),
        )
        inner = shape(
            [(x, y - 4), (x + side * 6, y - 7), (x + side * 0.86 * reach, y - 18)],
            [(x + side * 0.6 * reach, y - 5), (x + side * 3.4, y + 2.5), (x, y + 3)],
        )
        canvas.fill_soft(inner, look.skin_shadow, alpha=0.6, blur=0.8)
        canvas.stroke(line(*upper), look.skin_shadow, 0.6, alpha=0.6)
        canvas.stroke(line(*lower), look.skin_shadow, 0.6, alpha=0.6)
        canvas.ink(ear)


CHARACTER = Character(
    "elf",
    (
        "elf",
        "elf with pointed ears",
        "wood elf",
        "fantasy elf",
        "elven person",
        "pointy-eared elf",
        "person with elf ears",
        "person with pointed ears",
    ),
    appearance,
)
