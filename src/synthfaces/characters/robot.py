"""Robot: a metal face with panels and rivets, glowing eyes, a grille for a mouth."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.appearance import BLACK, WHITE, Appearance, natural_appearance, paint_nothing, with_skin
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, Point, blob, box, line, oval, radial, shape
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, MOUTH, NOSE, SIDES, FaceGeometry
from synthfaces.parts.body import ear_position

SEAM, GLOW = (42.0, 52.0, 72.0), (64.0, 226.0, 255.0)


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as a robot."""
    metal = mix((186.0, 202.0, 220.0), (96.0, 114.0, 142.0), attributes.skin)
    plated = with_skin(
        natural_appearance(attributes), metal, mix(metal, (14.0, 22.0, 46.0), 0.72), mix(metal, WHITE, 0.7)
    )
    return replace(
        plated,
        blush=None,
        ears=_bolts,
        eyes=_lamps,
        brows=paint_nothing,
        nose=_wedge,
        mouth=_grille,
        under_features=_panels,
        overlay=_antenna,
    )


def _bolts(canvas: Canvas, face: FaceGeometry) -> None:
    look = face.appearance
    for side in SIDES:
        x, y = ear_position(face, side)
        axle = box(min(x, x + 5 * side), y - 5, max(x, x + 5 * side), y + 5)
        disc = box(x + 4.6 * side - 1.6, y - 7, x + 4.6 * side + 1.6, y + 7)
        canvas.fill(axle, mix(look.skin, look.skin_shadow, 0.5))
        canvas.fill(disc, mix(look.skin, look.skin_light, 0.3))
        canvas.stroke(disc, SEAM, 0.8)


def _panels(canvas: Canvas, face: FaceGeometry) -> None:
    seams: list[list[Point]] = [[(0, 12), (0, 38)], [(-26, 36.5), (-12, 35), (12, 35), (26, 36.5)]]
    for side in SIDES:
        seams.append([(side * 24, 56), (side * 15, 60), (side * 13.5, 76), (side * 10, 86)])
    for seam in seams:
        path = line(*face.points(seam))
        canvas.stroke(path, SEAM, 1.2, alpha=0.85)
    for side in SIDES:
        for u, y in ((19, 31), (6, 31), (18.5, 63.5), (14.5, 74)):
            x, height = face.point(u * side, y)
            canvas.fill(oval(x, height, 1.3, 1.3), SEAM)
            canvas.fill(oval(x - 0.3, height - 0.4, 0.7, 0.6), WHITE, alpha=0.8)


def _lamps(canvas: Canvas, face: FaceGeometry) -> None:
    radius = face.eye_size[1] * 1.5
    for side in SIDES:
        x, y = face.point(face.eye_distance * side, EYES)
        canvas.fill(oval(x, y, radius + 1.2, radius + 1.2), mix(face.appearance.skin, BLACK, 0.35))
        canvas.fill(oval(x, y, radius, radius), (14.0, 22.0, 40.0))
        canvas.fill(oval(x, y, radius * 1.1, radius * 1.1), GLOW, alpha=0.45, blur=1.8)
        canvas.fill(
            oval(x, y, radius * 0.68, radius * 0.68),
            radial((x, y), radius * 0.7, (WHITE, 1), (GLOW, 1), ((0.0, 130.0, 210.0), 1)),
        )


def _wedge(canvas: Canvas, face: FaceGeometry) -> None:
    look, turn = face.appearance, 2.2 * face.attributes.yaw
    x, y = face.x(0) + turn, face.y(NOSE + 1)
    top = face.point(0, EYES + 3)
    left = shape([(top[0], top[1])], [(x, y)], [(x - 4.4, y)])
    right = shape([(top[0], top[1])], [(x, y)], [(x + 4.4, y)])
    light = face.attributes.light
    canvas.fill(left, mix(look.skin, look.skin_light if light < 0 else look.skin_shadow, 0.5))
    canvas.fill(right, mix(look.skin, look.skin_shadow if light < 0 else look.skin_light, 0.5))
    canvas.stroke(line((x - 4.4, y), (x + 4.4, y)), SEAM, 1.0)


def _grille(canvas: Canvas, face: FaceGeometry) -> None:
    smile = face.attributes.smile
    w = 9.5 + 0.7 * face.attributes.mouth_width + 1.5 * max(0.0, smile)
    half = 2.8 + 1.0 * face.attributes.mouth_opening
    middle, corner = MOUTH + 0.4 * smile, MOUTH - 1.8 * smile
    top = [(-w, corner - half), (0, middle - half), (w, corner - half)]
    low = [(w, corner + half), (0, middle + half), (-w, corner + half)]
    slot = blob(face.points([*top, (w + 1.2, corner), *low, (-w - 1.2, corner)]))
    canvas.fill(slot, (22.0, 30.0, 48.0))
    with canvas.clip(slot):
        for index in range(-3, 4):
            x, y = face.point(index * w / 3.2, middle + (corner - middle) * (index / 3.2) ** 2)
            canvas.stroke(
                line((x, y - half - 1), (x, y + half + 1)), mix(face.appearance.skin, WHITE, 0.3), 1.1
            )
    canvas.stroke(slot, SEAM, 1.1)


def _antenna(canvas: Canvas, face: FaceGeometry) -> None:
    for side in SIDES:
        x, y = ear_position(face, side)
        foot, top = (x + 4.6 * side, y - 7), (x + 7.5 * side, y - 29)
        canvas.stroke(line(foot, top), mix(face.appearance.skin, SEAM, 0.5), 1.5)
        canvas.fill(
            oval(*top, 2.4, 2.4),
            radial((top[0] - 0.6, top[1] - 0.8), 3, ((255.0, 190.0, 180.0), 1), ((226.0, 40.0, 44.0), 1)),
        )


CHARACTER = Character(
    "robot",
    (
        "robot",
        "metal robot",
        "android",
        "cyborg",
        "humanoid robot",
        "steel robot",
        "robotic person",
        "mechanical person",
    ),
    appearance,
)
