"""Green skin, a heavy brow and a heavy jaw."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, line
from synthfaces.characters.character import Character
from synthfaces.looks import Look, natural, with_skin
from synthfaces.sitter import EYES, SIDES, Sitter


def look(attributes: Attributes) -> Look:
    """A person grown huge and green."""
    skin = mix((112.0, 190.0, 74.0), (52.0, 128.0, 44.0), attributes.skin)
    shadow = mix((24.0, 76.0, 26.0), (8.0, 42.0, 16.0), attributes.skin)
    green = with_skin(natural(attributes), skin, shadow, mix(skin, (214.0, 255.0, 160.0), 0.45))
    return replace(
        green,
        blush=None,
        brow=(20.0, 36.0, 18.0),
        brow_scale=1.75,
        brow_lowering=1.5,
        jaw_scale=1.13,
        over_features=_scowl,
    )


def _scowl(canvas: Canvas, sitter: Sitter) -> None:
    shade = sitter.look.skin_shadow
    for side in SIDES:
        canvas.stroke(
            line(sitter.at(1.6 * side, EYES - 9), sitter.at(2.4 * side, EYES - 4)), shade, 1.1, alpha=0.7
        )
        cheekbone = line(*sitter.curve([(21 * side, 57), (16 * side, 62), (14 * side, 69)]))
        canvas.stroke(cheekbone, shade, 2.2, alpha=0.5, blur=1.0)
    canvas.stroke(line(*sitter.curve([(0, 76), (0, 80)])), shade, 1.6, alpha=0.5, blur=0.6)


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
    look,
)
