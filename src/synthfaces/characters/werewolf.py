"""Werewolf: fur, a muzzle with fangs, yellow eyes and pointed ears on top of the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synthfaces.appearance import BLACK, WHITE, Appearance, natural_appearance, with_skin
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, blob, line, oval, radial, shape
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, MOUTH, NOSE, SIDES, FaceGeometry
from synthfaces.parts.features import paint_mouth


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as a werewolf, with fur of about the colour of their hair."""
    fur = mix(attributes.grown_hair_rgb, (122.0, 88.0, 62.0), 0.55)
    shadow, light = mix(fur, (18.0, 10.0, 8.0), 0.68), mix(fur, (236.0, 212.0, 176.0), 0.4)
    return replace(
        with_skin(natural_appearance(attributes), fur, shadow, light),
        lip=mix(fur, (40.0, 18.0, 18.0), 0.6),
        blush=None,
        eye_white=(255.0, 214.0, 70.0),
        iris=(226.0, 142.0, 10.0),
        lashes=(20.0, 12.0, 10.0),
        brow=mix(fur, BLACK, 0.6),
        brow_scale=1.6,
        brow_lowering=0.8,
        ears=_cheek_tufts,
        nose=_snout,
        mouth=_jaws,
        under_features=_fur,
        overlay=_pointed_ears,
    )


def _cheek_tufts(canvas: Canvas, face: FaceGeometry) -> None:
    fur, c, w = face.appearance.skin, face.center, face.width
    for side in SIDES:
        spikes = [(w - 4, 42.0), (w + 3.5, 52), (w + 0.5, 53), (w + 6, 62), (w + 0.5, 62), (w + 3.5, 71)]
        spikes += [(w - 3, 69.5), (w - 2, 78), (w - 9, 75), (w - 10, 83), (w - 16, 78)]
        tuft = shape(*([(c + side * x, y)] for x, y in spikes))
        canvas.fill(tuft, mix(fur, face.appearance.skin_shadow, 0.35))


def _fur(canvas: Canvas, face: FaceGeometry) -> None:
    look, rng = face.appearance, np.random.default_rng(face.attributes.texture_seed)
    muzzle = face.point(0, MOUTH - 2)
    canvas.fill(oval(*muzzle, 13, 10.5), mix(look.skin, look.skin_light, 0.7), alpha=0.75, blur=1.6)
    for side in SIDES:
        canvas.fill(oval(*face.point(10.5 * side, EYES), 8, 6), look.skin_shadow, alpha=0.6, blur=1.8)
    for index, (u, y, length) in enumerate(rng.uniform((-23, 16, 3.5), (23, 80, 6.5), size=(64, 3))):
        if abs(u) < 9 and y > 52:
            continue
        lean = 0.16 * u
        hair = line(
            face.point(u, y), face.point(u + lean * 0.4, y + 0.5 * length), face.point(u + lean, y + length)
        )
        canvas.stroke(hair, look.skin_light if index % 2 else look.skin_shadow, 1.0, alpha=0.55)


def _snout(canvas: Canvas, face: FaceGeometry) -> None:
    x, y = face.x(0) + 2.6 * face.attributes.yaw, face.y(NOSE)
    canvas.fill(oval(x, y - 8, 2.6, 8), face.appearance.skin_light, alpha=0.45, blur=1.2)
    edge = ((-6, -2.6), (0, -3.6), (6, -2.6), (3.4, 2.2), (0, 3.6), (-3.4, 2.2))
    leather = blob([(x + across, y + down) for across, down in edge])
    canvas.fill(leather, radial((x, y - 2.4), 6, ((82.0, 70.0, 70.0), 1), ((24.0, 18.0, 20.0), 1)))
    canvas.fill(oval(x + 1.6 * face.attributes.light, y - 1.8, 1.8, 0.8), WHITE, alpha=0.5, blur=0.4)
    canvas.stroke(line((x, y + 3), face.point(0, MOUTH - 1.5)), (30.0, 18.0, 18.0), 1.1)


def _jaws(canvas: Canvas, face: FaceGeometry) -> None:
    paint_mouth(canvas, face)
    top = MOUTH + 0.2 - 0.6 * face.attributes.smile
    for side in SIDES:
        corners = ((3.4, top), (6.6, top - 0.4), (5.1, top + 5.6))
        fang = shape(*([face.point(u * side, y)] for u, y in corners))
        canvas.fill(fang, (252.0, 248.0, 232.0))
        canvas.stroke(fang, (70.0, 50.0, 44.0), 0.4)


def _pointed_ears(canvas: Canvas, face: FaceGeometry) -> None:
    look, c, w = face.appearance, face.center, face.width
    for side in SIDES:
        base_in, base_out, tip = c + side * 0.36 * w, c + side * 1.02 * w, (c + side * 0.95 * w, 1.0)
        outer = shape(
            [(base_in, 16), (c + side * 0.62 * w, 7), tip], [tip, (c + side * 1.1 * w, 14), (base_out, 29)]
        )
        canvas.fill(outer, mix(look.skin, look.skin_shadow, 0.25))
        canvas.stroke(outer, look.skin_shadow, 0.9)
        low = (c + side * 0.72 * w, 19.0)
        inner = shape(
            [low, (c + side * 0.74 * w, 10), (tip[0] - side * 0.8, 5)],
            [(c + side * 1.0 * w, 15), (c + side * 0.94 * w, 22)],
        )
        canvas.fill(inner, (150.0, 96.0, 88.0), blur=0.4)


CHARACTER = Character(
    "werewolf",
    (
        "werewolf",
        "wolf man",
        "hairy werewolf",
        "furry werewolf",
        "human wolf",
        "wolf monster",
        "lycanthrope",
    ),
    appearance,
)
