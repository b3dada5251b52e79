"""Clown: white face, red nose, painted eyes and mouth, green hair."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.appearance import BLACK, WHITE, Appearance, natural_appearance, with_skin
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, blob, oval, radial
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, MOUTH, NOSE, SIDES, FaceGeometry
from synthfaces.parts.features import paint_mouth

RED = (214.0, 22.0, 34.0)


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as a clown."""
    hair = mix((86.0, 196.0, 70.0), (24.0, 132.0, 64.0), attributes.skin)
    painted = with_skin(natural_appearance(attributes), (246.0, 244.0, 242.0), (142.0, 142.0, 164.0), WHITE)
    return replace(
        painted,
        hair=hair,
        hair_shadow=mix(hair, (0.0, 20.0, 12.0), 0.55),
        hair_light=mix(hair, (236.0, 255.0, 190.0), 0.45),
        beard=mix(hair, BLACK, 0.25),
        brow=(30.0, 60.0, 40.0),
        lip=RED,
        blush=None,
        nose=_ball,
        mouth=_grin,
        under_features=_face_paint,
    )


def _face_paint(canvas: Canvas, face: FaceGeometry) -> None:
    for side in SIDES:
        u = face.eye_distance * side
        corners = [(u, EYES - 12.5), (u + 6.2, EYES - 2), (u, EYES + 13), (u - 6.2, EYES - 2)]
        canvas.fill(blob(face.points(corners)), (44.0, 84.0, 196.0), alpha=0.9, blur=0.4)
        canvas.fill(oval(*face.point(18 * side, 63), 4.4, 4.2), (255.0, 110.0, 120.0), alpha=0.75, blur=1.0)


def _ball(canvas: Canvas, face: FaceGeometry) -> None:
    x, y = face.x(0) + 2.6 * face.attributes.yaw, face.y(NOSE - 0.6)
    canvas.fill(oval(x, y + 1.4, 6, 5.4), face.appearance.skin_shadow, alpha=0.5, blur=1.2)
    shine = (x + 2 * face.attributes.light, y - 2)
    canvas.fill(
        oval(x, y, 5.6, 5.2), radial(shine, 7, ((255.0, 120.0, 110.0), 1), (RED, 1), ((130.0, 4.0, 16.0), 1))
    )
    canvas.fill(oval(*shine, 1.2, 0.9), WHITE, alpha=0.85, blur=0.3)


def _grin(canvas: Canvas, face: FaceGeometry) -> None:
    lift = 2.0 + 2.4 * max(-0.5, face.attributes.smile)
    rim = [
        (-16, MOUTH - lift - 1.5),
        (-8, MOUTH - 2.6),
        (0, MOUTH - 2.4),
        (8, MOUTH - 2.6),
        (16, MOUTH - lift - 1.5),
    ]
    low = [(13, MOUTH + 2.6), (6, MOUTH + 7), (0, MOUTH + 8), (-6, MOUTH + 7), (-13, MOUTH + 2.6)]
    canvas.fill(blob(face.points([*rim, *low])), RED)
    paint_mouth(canvas, FaceGeometry(face.attributes, replace(face.appearance, lip=(140.0, 8.0, 22.0))))


CHARACTER = Character(
    "clown",
    (
        "clown",
        "joker",
        "circus clown",
        "painted clown",
        "scary clown",
        "clown with a red nose",
        "person in clown makeup",
    ),
    appearance,
)
