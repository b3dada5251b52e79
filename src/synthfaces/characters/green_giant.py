"""Green giant: green skin, heavy brows and jaw."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.appearance import Appearance, natural_appearance, with_skin
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, line
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, SIDES, FaceGeometry


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as a green giant."""
    skin = mix((112.0, 190.0, 74.0), (52.0, 128.0, 44.0), attributes.skin)
    shadow = mix((24.0, 76.0, 26.0), (8.0, 42.0, 16.0), attributes.skin)
    green = with_skin(natural_appearance(attributes), skin, shadow, mix(skin, (214.0, 255.0, 160.0), 0.45))
    return replace(
        green,
        blush=None,
        brow=(20.0, 36.0, 18.0),
        brow_scale=1.75,
        brow_lowering=1.5,
        jaw_scale=1.13,
        over_features=_scowl,
    )


def _scowl(canvas: Canvas, face: FaceGeometry) -> None:
    shade = face.appearance.skin_shadow
    for side in SIDES:
        canvas.stroke(
            line(face.point(1.6 * side, EYES - 9), face.point(2.4 * side, EYES - 4)), shade, 1.1, alpha=0.7
        )
        cheekbone = line(*face.points([(21 * side, 57), (16 * side, 62), (14 * side, 69)]))
        canvas.stroke(cheekbone, shade, 2.2, alpha=0.5, blur=1.0)
    canvas.stroke(line(*face.points([(0, 76), (0, 80)])), shade, 1.6, alpha=0.5, blur=0.6)


CHARACTER = Character(
    "green_giant",
    (
        "green giant",
        "green hulk",
        "hulk",
        "incredible hulk",
        "green monster",
        "green-skinned giant",
        "green ogre",
    ),
    appearance,
)
