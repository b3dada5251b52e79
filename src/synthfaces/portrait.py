"""Draws a head and shoulders: one function a part, from the background to the glasses.

Coordinates are the canvas's 100 units. A point of the face is given as (u, y): ``u`` is the distance
from the middle line of a face seen from the front, which ``Sitter.x`` turns with the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synthfaces.attributes import Attributes, Color, mix
from synthfaces.canvas import Canvas, Point, blob, box, circles, line, linear, oval, radial, shape
from synthfaces.looks import BLACK, WHITE, Look

if TYPE_CHECKING:
    import skia

TOP, EYES, NOSE, MOUTH = 13.0, 47.0, 59.5, 68.8
SIDES = (-1.0, 1.0)
_FACE_RADIUS = 27.0
_COVERS_EARS = ("long", "wavy", "bob")


@dataclass(frozen=True)
class Sitter:
    """A face with its look, measured for drawing."""

    attributes: Attributes
    look: Look

    @property
    def center(self) -> float:
        """The middle of the head."""
        return 50.0 + 0.8 * self.attributes.yaw

    @property
    def width(self) -> float:
        """Half the width of the head."""
        return 24.3 * (1.0 + 0.033 * self.attributes.head_width)

    @property
    def jaw(self) -> float:
        """Half the width of the jaw."""
        share = (0.84 if self.attributes.is_woman else 0.93) + 0.045 * self.attributes.jaw
        return self.width * share * self.look.jaw_scale

    @property
    def chin(self) -> float:
        """The height of the lowest point of the face."""
        base = 81.5 if self.attributes.is_woman else 83.0
        return base + 1.1 * self.attributes.chin + 0.8 * self.attributes.pitch

    @property
    def beard(self) -> str:
        """The beard to draw."""
        return self.look.beard_kind or self.attributes.beard

    @property
    def eye_distance(self) -> float:
        """From the middle line to the middle of an eye."""
        return 11.0 + 0.4 * self.attributes.eye_spacing

    @property
    def eye_size(self) -> Point:
        """Half the width and half the height of an eye."""
        size = (1.0 + 0.06 * self.attributes.eye_size) * self.look.eye_scale
        return 6.5 * size, 4.0 * size

    @property
    def brim(self) -> float:
        """The height of the lower edge of a hat in the middle of the forehead."""
        return 29.5 + 2.0 * self.attributes.pitch

    def x(self, u: float) -> float:
        """Where a point of the face lies across: the face is a cylinder that turns."""
        angle = math.asin(max(-1.0, min(1.0, u / _FACE_RADIUS))) + 0.3 * self.attributes.yaw
        return self.center + _FACE_RADIUS * math.sin(angle)

    def y(self, height: float) -> float:
        """Where a height of the face lies when the head nods."""
        return height + 2.4 * self.attributes.pitch

    def at(self, u: float, height: float) -> Point:
        """A point of the face."""
        return self.x(u), self.y(height)

    def curve(self, points: Sequence[Point]) -> list[Point]:
        """Points of the face."""
        return [self.at(u, height) for u, height in points]

    def mirrored(self, points: Sequence[Point]) -> list[Point]:
        """Points (distance from the centre of the head, height) and then their mirror images, reversed."""
        right = [(self.center + x, y) for x, y in points]
        return right + [(2 * self.center - x, y) for x, y in reversed(right)]


def paint_portrait(attributes: Attributes, look: Look, resolution: int) -> NDArray[np.float32]:
    """The portrait, (resolution, resolution, 3) RGB in [0, 1]."""
    canvas, sitter = Canvas(resolution), Sitter(attributes, look)
    background(canvas, sitter)
    with canvas.posed((50.0, 56.0), attributes.roll, 1.03 + 0.03 * attributes.scale):
        hair_back(canvas, sitter)
        body(canvas, sitter)
        (look.ears or ears)(canvas, sitter)
        face(canvas, sitter)
        hair_front(canvas, sitter)
        earrings(canvas, sitter)
        hat(canvas, sitter)
        glasses(canvas, sitter)
        if look.over_all:
            look.over_all(canvas, sitter)
    return canvas.pixels()


def background(canvas: Canvas, sitter: Sitter) -> None:
    """A wall, lighter where the light comes from."""
    color, everywhere = sitter.look.background, box(0, 0, 100, 100)
    canvas.fill(everywhere, color)
    if not sitter.look.flat:
        glow = (50 + 30 * sitter.attributes.light, 28.0)
        stops = ((mix(color, WHITE, 0.26), 1.0), (color, 1.0), (mix(color, BLACK, 0.3), 1.0))
        canvas.fill(everywhere, radial(glow, 88, *stops))


def body(canvas: Canvas, sitter: Sitter) -> None:
    """Shoulders, the clothes and the neck."""
    look, a, center = sitter.look, sitter.attributes, sitter.center
    cloth, light = look.clothes, a.light
    slope, reach = (4.0, 41.0) if a.is_woman else (1.5, 47.0)
    neck = sitter.width * (0.44 if a.is_woman else 0.56)
    shoulders = sitter.mirrored(
        [
            (0, 86),
            (neck, 86),
            (neck + 5, 88.5),
            (reach - 12, 90 + slope),
            (reach, 97 + slope),
            (reach + 4, 125),
        ]
    )
    torso = shape(shoulders[: len(shoulders) // 2] + shoulders[len(shoulders) // 2 :])
    shaded(canvas, sitter, torso, cloth, _lit_across(cloth, light, 46.0))
    throat = sitter.mirrored([(neck, 66), (neck, 84), (neck + 3.5, 89), (neck - 2, 96), (0, 98.5)])
    neck_path = shape(throat)
    skin = mix(look.skin, look.skin_shadow, 0.25)
    shaded(
        canvas,
        sitter,
        neck_path,
        skin,
        linear(
            (center - 14, 80),
            (center + 14, 80),
            (mix(skin, look.skin_shadow, 0.25 + 0.25 * light), 1),
            (mix(skin, look.skin_shadow, 0.25 - 0.25 * light), 1),
        ),
    )
    with canvas.clipped(neck_path):
        soft(
            canvas,
            sitter,
            oval(center + 1.5 * a.yaw, sitter.chin - 7, sitter.jaw * 0.95, 15),
            look.skin_shadow,
            alpha=0.75,
            blur=2.5,
        )
    if a.collar == "round":
        rim = line(*sitter.mirrored([(neck + 5.2, 87), (neck + 1.8, 95), (0, 98.8)]))
        canvas.stroke(rim, mix(cloth, WHITE, 0.16), 3.4)
        ink(canvas, sitter, rim, 0.5)
        return
    for side in SIDES:
        flap = shape(
            [(center + side * (neck + 1), 85.5), (center + side * 1.2, 98.5)],
            [(center + side * 9, 104), (center + side * (neck + 7), 93), (center + side * (neck + 4.5), 86)],
        )
        canvas.fill(flap, mix(cloth, WHITE, 0.3 + 0.1 * side * light))
        canvas.stroke(flap, look.outline or mix(cloth, BLACK, 0.3), 0.7)


def ears(canvas: Canvas, sitter: Sitter) -> None:
    """Human ears; the one that the head turns away is narrower."""
    look, a = sitter.look, sitter.attributes
    for side in SIDES:
        x, y = ear_position(sitter, side)
        reach = 4.6 - 1.6 * side * a.yaw
        ear = blob(
            [
                (x - side * 3, y - 6),
                (x + side * reach * 0.6, y - 7.2),
                (x + side * reach, y - 3),
                (x + side * reach * 0.72, y + 3.5),
                (x, y + 7.6),
                (x - side * 3, y + 6),
            ]
        )
        lit = 0.5 + 0.5 * side * a.light
        skin = mix(look.skin_shadow, look.skin, 0.62 + 0.38 * lit)
        canvas.fill(ear, skin)
        soft(
            canvas,
            sitter,
            oval(x + side * reach * 0.3, y - 0.8, reach * 0.38, 4),
            look.skin_shadow,
            alpha=0.55,
            blur=0.8,
        )
        ink(canvas, sitter, ear)


def ear_position(sitter: Sitter, side: float) -> Point:
    """Where the ear meets the head."""
    return sitter.center + side * (sitter.width - 0.6) - 0.8 * sitter.attributes.yaw, sitter.y(
        51.5
    ) * 0.5 + 25.75


def head_outline(sitter: Sitter) -> skia.Path:
    """The outline of the head without ears."""
    w, jaw, chin, turn = sitter.width, sitter.jaw, sitter.chin, 1.8 * sitter.attributes.yaw
    right = [(0.0, TOP), (0.5 * w, TOP + 3), (0.87 * w, TOP + 14.5), (w, 43.0), (0.3 * jaw + 0.69 * w, 56.0)]
    low = [(0.9 * jaw, 67.0), (0.66 * jaw, chin - 6.5), (0.32 * jaw, chin - 0.9)]
    c = sitter.center
    points = [(c + x, y) for x, y in right] + [(c + turn + x, y) for x, y in low]
    points += [(c + turn - x, y) for x, y in reversed(low)] + [(c - x, y) for x, y in reversed(right[1:])]
    return blob(points)


def face(canvas: Canvas, sitter: Sitter) -> None:
    """The head with everything that lies on its skin."""
    look, outline = sitter.look, head_outline(sitter)
    head(canvas, sitter, outline)
    with canvas.clipped(outline):
        cheeks(canvas, sitter)
        wrinkles(canvas, sitter)
        if look.under_features:
            look.under_features(canvas, sitter)
    beard(canvas, sitter, outline)
    with canvas.clipped(outline):
        brows_and_eyes = (eye_sockets, look.eyes or eyes, look.brows or brows)
        for part in (look.nose or nose, *brows_and_eyes, look.mouth or mouth):
            part(canvas, sitter)
        if look.over_features:
            look.over_features(canvas, sitter)
    ink(canvas, sitter, outline)


def head(canvas: Canvas, sitter: Sitter, outline: skia.Path) -> None:
    """The bare head, lit from one side and from above."""
    look, light = sitter.look, sitter.attributes.light
    canvas.fill(outline, look.skin)
    center, shade = sitter.center, look.skin_shadow
    with canvas.clipped(outline):
        if look.flat:
            canvas.fill(oval(center - 30 * light, 60, 16, 44), shade, alpha=0.28 * abs(light))
            return
        canvas.fill(
            outline, radial((center + 9 * light, 38), 36, (look.skin_light, 0.85), (look.skin_light, 0.0))
        )
        canvas.fill(
            outline,
            radial((center + 3 * light, 46), 44, (shade, 0.0), (shade, 0.0), (shade, 0.08), (shade, 0.6)),
        )
        sign = 1.0 if light >= 0 else -1.0
        ends = (center + 26 * sign, 50.0), (center - 26 * sign, 56.0)
        canvas.fill(outline, linear(*ends, (shade, 0.0), (shade, 0.0), (shade, 0.56 * abs(light))))


def cheeks(canvas: Canvas, sitter: Sitter) -> None:
    """A soft blush."""
    color = sitter.look.blush
    if color is None:
        return
    strength = 0.27 if sitter.attributes.is_woman else 0.18
    for side in SIDES:
        x, y = sitter.at(14 * side, 61 - 0.8 * sitter.attributes.smile)
        canvas.fill(
            oval(x, y, 8, 6.5), radial((x, y), 7.5, (color, strength), (color, strength * 0.5), (color, 0.0))
        )


def wrinkles(canvas: Canvas, sitter: Sitter) -> None:
    """Lines on the forehead, beside the nose and under the eyes."""
    depth = sitter.attributes.wrinkles
    if depth == 0.0 or sitter.look.flat:
        return
    shade = sitter.look.skin_shadow
    for height in (27.0, 31.0):
        crease = line(*sitter.curve([(-11, height + 0.8), (-5, height), (5, height), (11, height + 0.8)]))
        canvas.stroke(crease, shade, 0.9, alpha=0.5 * depth, blur=0.4)
    for side in SIDES:
        fold = line(*sitter.curve([(6.2 * side, 59), (9.5 * side, 62.5), (11.8 * side, 68)]))
        bag = line(*sitter.curve([(6.5 * side, 52.6), (11 * side, 54.4), (15.5 * side, 52.6)]))
        crow = line(*sitter.curve([(19 * side, 46), (22 * side, 44.6)]))
        canvas.stroke(fold, shade, 1.2, alpha=0.7 * depth, blur=0.5)
        canvas.stroke(bag, shade, 1.1, alpha=0.55 * depth, blur=0.5)
        canvas.stroke(crow, shade, 0.8, alpha=0.5 * depth, blur=0.3)


def eye_sockets(canvas: Canvas, sitter: Sitter) -> None:
    """The shadow of the brows, deepest beside the nose."""
    half_width, half_height = sitter.eye_size
    for side in SIDES:
        x, y = sitter.at((sitter.eye_distance - 1) * side, EYES - 1.6)
        soft(
            canvas,
            sitter,
            oval(x, y, half_width * 1.15, half_height * 1.35),
            sitter.look.skin_shadow,
            alpha=0.34,
            blur=1.7,
        )


def eye_outline(sitter: Sitter, side: float) -> tuple[list[Point], list[Point]]:
    """The upper lid from the inner to the outer corner, and the lower lid back."""
    middle, (w, h) = sitter.eye_distance * side, sitter.eye_size
    low = h * (0.8 - 0.1 * max(0.0, sitter.attributes.smile))
    upper = [
        (middle - w * side, EYES + 1.0),
        (middle - 0.55 * w * side, EYES - 0.72 * h),
        (middle + 0.1 * w * side, EYES - h),
        (middle + 0.65 * w * side, EYES - 0.62 * h),
        (middle + w * side, EYES + 0.1),
    ]
    lower = [
        upper[-1],
        (middle + 0.5 * w * side, EYES + low * 0.82),
        (middle - 0.1 * w * side, EYES + low),
        (middle - 0.62 * w * side, EYES + low * 0.72),
        upper[0],
    ]
    return sitter.curve(upper), sitter.curve(lower)


def eyes(canvas: Canvas, sitter: Sitter) -> None:
    """White, iris, pupil, catch light and lids of both eyes."""
    look, a = sitter.look, sitter.attributes
    half_width, half_height = sitter.eye_size
    for side in SIDES:
        upper, lower = eye_outline(sitter, side)
        opening = shape(upper, lower)
        canvas.fill(opening, look.eye_white)
        x, y = sitter.at(sitter.eye_distance * side, EYES - 0.25)
        x += 0.9 * a.yaw
        radius = 0.78 * half_height
        with canvas.clipped(opening):
            canvas.fill(oval(x, y, radius, radius), mix(look.iris, BLACK, 0.45))
            canvas.fill(
                oval(x, y, radius * 0.86, radius * 0.86),
                radial((x, y + 1.2), radius, (mix(look.iris, WHITE, 0.22), 1), (look.iris, 1)),
            )
            canvas.fill(oval(x, y, radius * 0.46, radius * 0.46), look.pupil)
            soft(
                canvas,
                sitter,
                oval(x, y - half_height - 0.2, half_width, 1.5),
                look.lashes,
                alpha=0.4,
                blur=0.7,
            )
        if look.catch_light:
            spark = 0.27 * radius
            canvas.fill(
                oval(x + 0.36 * math.tanh(3 * a.light) * radius, y - 0.36 * radius, spark, spark),
                look.catch_light,
            )
        soft_line = [(px, py - 2.2) for px, py in upper[1:]]
        if not look.flat:
            canvas.stroke(line(*soft_line), look.skin_shadow, 0.8, alpha=0.5, blur=0.3)
        canvas.stroke(line(*lower[1:]), look.skin_shadow, 0.6, alpha=0.6)
        canvas.stroke(line(*upper), look.lashes, 1.6 if a.is_woman else 1.15)
        if a.is_woman:
            flick = [upper[-2], upper[-1], (upper[-1][0] + 1.5 * side, upper[-1][1] - 1.5)]
            canvas.stroke(line(*flick), look.lashes, 1.1)


def brows(canvas: Canvas, sitter: Sitter) -> None:
    """Two tapering arcs."""
    look, a = sitter.look, sitter.attributes
    thickness = ((1.25 if a.is_woman else 1.9) + 0.25 * a.brow_thickness) * look.brow_scale
    height = EYES - 4.4 - sitter.eye_size[1] + look.brow_lowering - 0.5 * max(0.0, a.smile)
    tilt = 0.75 * a.brow_tilt
    for side in SIDES:
        m = sitter.eye_distance
        inner, peak, outer = (
            height - 0.1 + tilt + 1.2 * look.brow_lowering,
            height - 1.2 - 0.3 * tilt,
            height + 1.3 - tilt,
        )
        upper = [
            ((m - 6.6) * side, inner - thickness * 0.6),
            ((m + 1.5) * side, peak - thickness * 0.6),
            ((m + 7.6) * side, outer),
        ]
        lower = [
            ((m + 7.6) * side, outer + 0.4),
            ((m + 1.5) * side, peak + thickness * 0.6),
            ((m - 6.6) * side, inner + thickness * 0.7),
        ]
        brow = shape(sitter.curve(upper), sitter.curve(lower))
        canvas.fill(brow, look.brow, alpha=0.92, blur=0.0 if look.flat else 0.3)


def nose(canvas: Canvas, sitter: Sitter) -> None:
    """Mostly shadow: beside the bridge, around the wings and under the tip."""
    look, a = sitter.look, sitter.attributes
    shade, light = look.skin_shadow, a.light
    w = (4.3 if a.is_woman else 4.9) * (1.0 + 0.1 * a.nose_width)
    tip = NOSE + 0.9 * a.nose_length + 0.4 * a.pitch
    x, y = sitter.x(0) + 2.2 * a.yaw, sitter.y(tip)
    if look.flat:
        canvas.stroke(line((x - 0.4, y - 3), (x + 1.6, y + 0.4), (x - 0.2, y + 0.9)), look.skin_shadow, 0.9)
        return
    for side in SIDES:
        strength = 0.22 - 0.2 * side * light
        bridge = shape(
            [
                sitter.at(5.2 * side, 42),
                sitter.at(3.2 * side, 49),
                (x + 0.62 * w * side, y - 4),
                (x + 1.05 * w * side, y),
            ],
            [(x + 0.3 * w * side, y - 1), sitter.at(1.6 * side, 50), sitter.at(2.6 * side, 43)],
        )
        canvas.fill(bridge, shade, alpha=strength, blur=1.2)
    canvas.fill(oval(x, y + 2.2, w * 0.95, 1.7), shade, alpha=0.42, blur=1.0)
    canvas.fill(oval(x, y - 0.4, w * 0.72, 2.3), mix(look.skin, look.skin_light, 0.35), alpha=0.55, blur=1.0)
    canvas.fill(oval(x + 0.8 * light, y - 1.1, 1.5, 1.2), WHITE, alpha=0.3, blur=0.8)
    canvas.fill(oval(x + 0.5 * light, sitter.y(50), 1.1, 4.5), look.skin_light, alpha=0.4, blur=1.0)
    for side in SIDES:
        wing = line(
            (x + 0.86 * w * side, y - 1.9), (x + 1.08 * w * side, y + 0.3), (x + 0.8 * w * side, y + 1.7)
        )
        canvas.stroke(wing, shade, 0.9, alpha=0.6, blur=0.35)
        canvas.fill(
            oval(x + 0.46 * w * side, y + 1.5, 1.15, 0.75), mix(shade, BLACK, 0.45), alpha=0.85, blur=0.3
        )


def mouth(canvas: Canvas, sitter: Sitter) -> None:
    """Lips; a wide smile opens them and shows the teeth."""
    look, a = sitter.look, sitter.attributes
    w = (8.6 + 0.7 * a.mouth_width + 1.7 * max(0.0, a.smile)) * look.mouth_scale
    smile, gap = a.smile, 4.6 * a.mouth_opening * look.mouth_scale
    corner, middle = MOUTH - 2.0 * smile, MOUTH + 0.5 * smile - 0.3 * gap
    bottom = middle + gap
    full = (1.1 if a.is_woman else 0.85) * look.mouth_scale
    parting = sitter.curve(
        [
            (-w, corner),
            (-0.5 * w, 0.35 * corner + 0.65 * middle + 0.1),
            (0, middle + 0.35),
            (0.5 * w, 0.35 * corner + 0.65 * middle + 0.1),
            (w, corner),
        ]
    )
    lower_edge = sitter.curve(
        [
            (w, corner),
            (0.55 * w, 0.3 * corner + 0.7 * bottom),
            (0, bottom + 0.6),
            (-0.55 * w, 0.3 * corner + 0.7 * bottom),
            (-w, corner),
        ]
    )
    top = middle - 2.5 * full
    upper_edge = sitter.curve(
        [
            (w, corner),
            (0.5 * w, 0.3 * corner + 0.7 * top + 0.1),
            (0.18 * w, top - 0.3),
            (0, top + 0.45),
            (-0.18 * w, top - 0.3),
            (-0.5 * w, 0.3 * corner + 0.7 * top + 0.1),
            (-w, corner),
        ]
    )
    low = bottom + 3.6 * full
    bottom_edge = sitter.curve(
        [
            (-w, corner),
            (-0.55 * w, 0.22 * corner + 0.78 * low),
            (0, low),
            (0.55 * w, 0.22 * corner + 0.78 * low),
            (w, corner),
        ]
    )
    soft(canvas, sitter, oval(*sitter.at(0, low + 1.6), w * 0.55, 1.3), look.skin_shadow, alpha=0.4, blur=1.0)
    if gap > 0.3:
        inside = shape(parting, lower_edge)
        canvas.fill(inside, look.mouth_inside)
        with canvas.clipped(inside):
            canvas.fill(oval(*sitter.at(0, bottom + 0.6), w * 0.5, gap * 0.45), look.tongue, alpha=0.9)
            teeth = shape(
                parting,
                sitter.curve(
                    [
                        (w, corner),
                        (0.5 * w, corner * 0.4 + 0.6 * (middle + 0.55 * gap)),
                        (0, middle + 0.62 * gap),
                        (-0.5 * w, corner * 0.4 + 0.6 * (middle + 0.55 * gap)),
                        (-w, corner),
                    ]
                ),
            )
            canvas.fill(teeth, look.teeth)
    upper_lip = shape(upper_edge, parting)
    lower_lip = shape(bottom_edge, lower_edge)
    canvas.fill(upper_lip, mix(look.lip, look.skin_shadow, 0.25))
    canvas.fill(lower_lip, look.lip)
    with canvas.clipped(lower_lip):
        soft(
            canvas,
            sitter,
            oval(*sitter.at(1.5 * a.light, bottom + 2.1 * full), w * 0.4, 0.8),
            WHITE,
            alpha=0.4,
            blur=0.7,
        )
    dark = mix(mix(look.lip, look.skin_shadow, 0.6), BLACK, 0.4)
    if gap <= 0.3:
        canvas.stroke(line(*parting), dark, 0.9)
    for side in SIDES:
        x, y = sitter.at(w * side, corner)
        soft(canvas, sitter, oval(x, y, 1.1, 1.1), dark, alpha=0.5, blur=0.5)
    ink(canvas, sitter, shape(upper_edge, parting), 0.4)


def beard(canvas: Canvas, sitter: Sitter, outline: skia.Path) -> None:
    """Stubble, a moustache or a full beard."""
    kind = sitter.beard
    if kind == "none":
        return
    look, a, c = sitter.look, sitter.attributes, sitter.center
    color = look.beard
    lip = MOUTH - 2.0 * a.smile
    if kind in ("stubble", "full"):
        w, jaw, turn = sitter.width, sitter.jaw, 1.8 * a.yaw
        drop = 5.0 if kind == "full" else 0.0
        wide = 1.0 if kind == "full" else -0.5
        contour = sitter.mirrored([(w + 0.3, 48), (0.3 * jaw + 0.69 * w + wide, 57)])
        low = [
            (0.92 * jaw + wide, 67),
            (0.7 * jaw + wide, sitter.chin - 5 + drop * 0.6),
            (0.33 * jaw, sitter.chin - 0.9 + drop),
            (0.0, sitter.chin + drop),
        ]
        right = contour[:2] + [(c + turn + x, y) for x, y in low]
        left = [(c + turn - x, y) for x, y in reversed(low[:-1])] + contour[2:]
        cheek = [(-20.5, 52), (-19, 59), (-14.5, 63.5), (-9.5, 64.4), (-4.5, 64.2), (0, 65.2)]
        upper = sitter.curve([*cheek, *[(-u, y) for u, y in reversed(cheek[:-1])]])
        coat = shape(right + left, upper)
        if kind == "stubble":
            with canvas.clipped(outline):
                canvas.fill(coat, color, alpha=0.38, blur=0.0 if look.flat else 2.0)
            return
        if not look.flat:
            canvas.fill(coat, mix(color, BLACK, 0.3), blur=0.9)
        shaded(
            canvas,
            sitter,
            coat,
            color,
            radial(
                (c + 10 * a.light, 66),
                30,
                (mix(color, WHITE, 0.16), 1),
                (color, 1),
                (mix(color, BLACK, 0.3), 1),
            ),
        )
        with canvas.clipped(coat):
            for u in (-15, -9, -3, 3, 9, 15):
                strand = line(*sitter.curve([(u, 68 - abs(u) * 0.3), (u * 0.95, 77), (u * 0.7, 86)]))
                if not look.flat:
                    canvas.stroke(strand, WHITE, 1.1, alpha=0.09, blur=0.5)
        ink(canvas, sitter, coat, 0.6)
    half = [(0, 63.4), (4.5, 63.0), (9, 65.4), (12.2, lip + 1.2)]
    under = [(12.2, lip + 1.2), (8, 67.2), (4, 66.9), (0, 67.2)]
    top = [*[(-u, y) for u, y in reversed(half)], *half[1:]]
    bottom = [*under, *[(-u, y) for u, y in reversed(under[:-1])]]
    moustache = shape(sitter.curve(top), sitter.curve(bottom))
    canvas.fill(moustache, color, blur=0.0 if look.flat else 0.35)
    soft(canvas, sitter, oval(*sitter.at(4 * a.light, 64.6), 5, 0.8), WHITE, alpha=0.12, blur=0.7)
    ink(canvas, sitter, moustache, 0.5)


def hair_back(canvas: Canvas, sitter: Sitter) -> None:
    """Hair that falls behind the head and the shoulders, and the bun."""
    a, w, style = sitter.attributes, sitter.width, sitter.attributes.hair_style
    if style == "long":
        path = shape(
            sitter.mirrored([(0, 9), (w * 0.8, 13), (w + 5, 32), (w + 6.5, 60), (w + 8, 84), (w + 5, 106)])
        )
    elif style == "wavy":
        path = shape(
            sitter.mirrored(
                [
                    (0, 8),
                    (w * 0.85, 12),
                    (w + 7, 30),
                    (w + 5.5, 44),
                    (w + 10, 56),
                    (w + 7.5, 68),
                    (w + 11, 80),
                    (w + 5, 92),
                    (0, 94),
                ]
            )
        )
    elif style == "bob":
        path = shape(
            sitter.mirrored(
                [(0, 9), (w * 0.8, 12), (w + 5.5, 32), (w + 7, 52), (w + 6.5, 66), (w - 1, 74), (0, 74)]
            )
        )
    elif style == "curly":
        path = circles([*_curls(sitter), (sitter.center, 32, w + 3)])
    elif style == "bun" and a.hat == "none":
        path = oval(sitter.center - 2.5 * a.yaw, 9.0, 10.5, 8.5)
    else:
        return
    _paint_hair(canvas, sitter, path, 34, 52, behind=True)


def hair_front(canvas: Canvas, sitter: Sitter) -> None:
    """Hair over the forehead and the temples; under a hat only what shows below its edge."""
    look, style = sitter.look, sitter.attributes.hair_style
    if style == "bald":
        return
    below_hat = box(-40, sitter.brim - 4 if sitter.attributes.hat != "none" else -40, 140, 140)
    with canvas.clipped(below_hat):
        path = _hair_outline(sitter)
        if style == "buzz":
            with canvas.clipped(head_outline(sitter)):
                canvas.fill(
                    path, mix(look.hair, look.hair_shadow, 0.4), alpha=0.82, blur=0.0 if look.flat else 1.4
                )
            return
        if not look.flat:
            with canvas.clipped(head_outline(sitter)):
                canvas.fill(path, look.skin_shadow, alpha=0.6, blur=2.2)
        _paint_hair(canvas, sitter, path, 22, 40)


def _hair_outline(sitter: Sitter) -> skia.Path:
    style, w = sitter.attributes.hair_style, sitter.width
    if style in ("short", "buzz"):
        crown = _crown(sitter, 44, 1.6 if style == "short" else 0.0)
        line_of_hair = [(20.2, 38), (18.2, 31), (11, 26.2), (0, 27.2), (-11, 25.6), (-18.2, 31), (-20.2, 38)]
        return shape(crown, sitter.curve(line_of_hair))
    if style == "side part":
        crown = _crown(sitter, 45, 3.0)
        sweep = [(20.4, 40), (19, 33.5), (10, 29.5), (-1, 25.5), (-10.5, 19.5)]
        temple = [(-10.5, 19.5), (-13.5, 25.5), (-18.6, 31), (-20.4, 40)]
        return shape(crown, sitter.curve(sweep), sitter.curve(temple))
    if style == "curly":
        fringe = [
            (sitter.x(u), y, r)
            for u, y, r in ((-17, 29, 7), (-9, 22.5, 8), (1, 21, 8.5), (10, 22.5, 8), (17.5, 29, 7))
        ]
        sides = [(sitter.center + side * (w + 1.5), y, 5.5) for side in SIDES for y in (34.0, 42.0)]
        return circles(
            [
                *fringe,
                *sides,
                (sitter.center, 14, 11),
                (sitter.center - 11, 16, 9),
                (sitter.center + 11, 16, 9),
            ]
        )
    if style == "long":
        right = [(w + 1.5, 80), (w - 1.0, 70), (20.6, 54), (19.4, 40), (12.5, 28), (0, 19)]
        return _curtains(sitter, 80, 3.2, right, [(-u, y) for u, y in reversed(right)])
    if style == "wavy":
        right = [(w + 3, 74), (w - 1.5, 64), (22, 54), (19.2, 42), (15, 31), (6, 18.5)]
        left = [(6, 18.5), (-7, 25.5), (-17, 34), (-20.5, 46), (-23.5, 56), (-w - 0.5, 65), (-w - 3, 74)]
        return _curtains(sitter, 74, 4.6, right, left)
    if style == "bob":
        right = [(w + 1.5, 68), (w - 2.5, 62), (20.8, 50), (19.5, 38.2)]
        fringe = [(19.5, 38.2), (10, 35.2), (0, 34.6), (-10, 35.2), (-19.5, 38.2)]
        crown = _crown(sitter, 68, 3.4, wide=4.5)
        sides = [
            _hanging(sitter, right),
            sitter.curve(fringe),
            _hanging(sitter, [(-u, y) for u, y in reversed(right)]),
        ]
        return shape(crown, *sides)
    swept = [(20.4, 44), (19.4, 34), (13, 24.5), (0, 21.5), (-13, 24.5), (-19.4, 34), (-20.4, 44)]
    return shape(_crown(sitter, 45, 1.0), sitter.curve(swept))


def _crown(sitter: Sitter, low: float, volume: float, wide: float = 0.6) -> list[Point]:
    """The outer edge of the hair from the left side over the top to the right, ``low`` units down."""
    w, v = sitter.width, volume
    half = [
        (0.0, 10.5 - v),
        (0.46 * w, 12.2 - v),
        (0.84 * w + 0.6 * v, 22 - 0.5 * v),
        (w + 0.3 + 0.7 * v, 34),
    ]
    half += [(w + wide + 0.3 * v, y) for y in ((low,) if low < 50 else (50.0, low))]
    points = sitter.mirrored(half)
    count = len(half)
    return [*points[count:-1], *points[:count]]


def _hanging(sitter: Sitter, points: Sequence[Point]) -> list[Point]:
    """Points of hair that turn with the face near it, and with the head's outline farther out."""
    result = []
    for u, y in points:
        loose = max(0.0, min(1.0, (y - 40) / 20))
        result.append(
            (sitter.x(u) * (1 - loose) + (sitter.center + u) * loose, sitter.y(y) * (1 - loose) + y * loose)
        )
    return result


def _curtains(
    sitter: Sitter, low: float, volume: float, right: Sequence[Point], left: Sequence[Point]
) -> skia.Path:
    return shape(_crown(sitter, low, volume, wide=4.6), _hanging(sitter, right), _hanging(sitter, left))


def _curls(sitter: Sitter) -> list[tuple[float, float, float]]:
    """Discs around the head."""
    angles = [math.pi * (1.22 - 1.44 * i / 12) for i in range(13)]
    reach = sitter.width + 3.5
    return [
        (sitter.center + math.cos(t) * reach, 37 - math.sin(t) * 25, 8.4 + 0.9 * (-1) ** i)
        for i, t in enumerate(angles)
    ]


def _paint_hair(
    canvas: Canvas, sitter: Sitter, path: skia.Path, middle: float, radius: float, behind: bool = False
) -> None:
    """Hair lit from above: a gradient, a few strands and a sheen."""
    look, light, c = sitter.look, sitter.attributes.light, sitter.center
    base = mix(look.hair, look.hair_shadow, 0.45) if behind else look.hair
    bright = look.hair if behind else mix(look.hair, look.hair_light, 0.6)
    # Ink first: the fill then covers the lines where locks overlap.
    ink(canvas, sitter, path, 2.0)
    tones = ((bright, 1.0), (base, 1.0), (look.hair_shadow, 1.0))
    shaded(canvas, sitter, path, base, radial((c + 13 * light, middle - 12), radius, *tones))
    if look.flat and not behind:
        with canvas.clipped(path):
            sheen = line((c - 17, 21), (c - 7, 16.5), (c + 7, 16.5), (c + 17, 21))
            canvas.stroke(sheen, look.hair_light, 2.6)
    if look.flat or (behind and sitter.attributes.hair_style != "bun"):
        return
    with canvas.clipped(path):
        for index in range(-3, 4):
            color = look.hair_light if index % 2 else look.hair_shadow
            u = index * 7.5
            strand = line((c + 0.25 * u, 9), (c + 0.9 * u, 17), (c + 1.25 * u, 30), (c + 1.36 * u, 60))
            canvas.stroke(strand, color, 1.7, alpha=0.32, blur=0.8)
        canvas.fill(oval(c + 10 * light, 16.5, 9.5, 3.0), look.hair_light, alpha=0.6, blur=2.2)


def earrings(canvas: Canvas, sitter: Sitter) -> None:
    """Golden drops."""
    look = sitter.look
    if not sitter.attributes.earrings:
        return
    for side in SIDES:
        x, y = ear_position(sitter, side)
        drop = oval(x + 1.2 * side, y + 10.2, 2.1, 2.7)
        shine = radial((x + 0.8 * side, y + 9.4), 3.4, (look.gold_light, 1), (look.gold, 1))
        shaded(canvas, sitter, drop, mix(look.gold, look.gold_light, 0.4), shine)
        ink(canvas, sitter, drop, 0.5)


def hat(canvas: Canvas, sitter: Sitter) -> None:
    """A knitted beanie with a folded cuff, or a baseball cap."""
    if sitter.attributes.hat == "beanie":
        beanie(canvas, sitter)
    elif sitter.attributes.hat == "cap":
        cap(canvas, sitter)


def _dome(sitter: Sitter, low: float, top: float, bulge: float) -> list[Point]:
    w = sitter.width
    half = [
        (0.0, top),
        (0.48 * w, top + 2.5),
        (0.88 * w, top + 11.5),
        (w + bulge, low - 6),
        (w + bulge, low + 3),
    ]
    points = sitter.mirrored(half)
    return [*points[len(half) : -1], *points[: len(half)]]


def beanie(canvas: Canvas, sitter: Sitter) -> None:
    """Ribs run up the crown and across the cuff."""
    look, a, c, w = sitter.look, sitter.attributes, sitter.center, sitter.width
    color, low = look.hat, sitter.brim + 1.2
    dark, bright = mix(color, BLACK, 0.42), mix(color, WHITE, 0.3)
    crown = shape(_dome(sitter, low, 3.5, 3.0))
    shaded(
        canvas, sitter, crown, color, radial((c + 13 * a.light, 12), 40, (bright, 1), (color, 1), (dark, 1))
    )
    ink(canvas, sitter, crown)
    with canvas.clipped(crown):
        for u in (-19, -11.5, -4, 4, 11.5, 19):
            rib = line((c + 0.2 * u, 3), (c + 0.85 * u, 13), (c + 1.15 * u, low))
            canvas.stroke(rib, dark, 1.3, alpha=0.4, blur=0.0 if look.flat else 0.5)
    reach, sag = w + 4.2, 2.2 + 0.8 * a.pitch
    top_edge = [
        (c - reach, low - 8),
        (c - 0.55 * reach, low - 8 + 0.7 * sag),
        (c, low - 8 + sag),
        (c + 0.55 * reach, low - 8 + 0.7 * sag),
        (c + reach, low - 8),
    ]
    low_edge = [(x, y + 9.5) for x, y in reversed(top_edge)]
    cuff = shape(top_edge, [(c + reach + 0.9, low - 3.2)], low_edge, [(c - reach - 0.9, low - 3.2)])
    with canvas.clipped(head_outline(sitter)):
        soft(
            canvas, sitter, line(*[(x, y + 1.2) for x, y in low_edge]), look.skin_shadow, alpha=0.8, blur=1.8
        )
    cuff_color = mix(color, WHITE, 0.18)
    shaded(canvas, sitter, cuff, cuff_color, _lit_across(cuff_color, a.light, 30.0))
    with canvas.clipped(cuff):
        for index in range(-5, 6):
            x = c + reach * math.sin(index * 0.27)
            drop = sag * (1 - abs(index) / 6)
            canvas.stroke(
                line((x, low - 8 + drop), (x, low + 2 + drop)), mix(color, BLACK, 0.4), 1.1, alpha=0.45
            )
        soft(canvas, sitter, line(*top_edge), BLACK, alpha=0.3, blur=0.8)
    ink(canvas, sitter, cuff)


def cap(canvas: Canvas, sitter: Sitter) -> None:
    """Six panels, a button, and a curved visor that points where the face looks."""
    look, a, c, w = sitter.look, sitter.attributes, sitter.center, sitter.width
    color, low = look.hat, sitter.brim
    dark, bright = mix(color, BLACK, 0.4), mix(color, WHITE, 0.3)
    crown = shape(_dome(sitter, low, 5.0, 2.2), [(c + w, low + 4), (sitter.x(0), low + 1), (c - w, low + 4)])
    shaded(
        canvas, sitter, crown, color, radial((c + 13 * a.light, 13), 38, (bright, 1), (color, 1), (dark, 1))
    )
    ink(canvas, sitter, crown)
    button = (c + 1.5 * a.yaw, 5.2)
    with canvas.clipped(crown):
        for u in (-12.5, 12.5):
            seam = line(button, (0.5 * (c + sitter.x(u)) + 0.15 * u, 14), (sitter.x(u), low))
            canvas.stroke(seam, dark, 0.9, alpha=0.7)
    canvas.fill(oval(*button, 2.0, 1.1), bright)
    tip, reach = sitter.x(0) + 3.0 * a.yaw, 23.5
    left, right = sitter.x(-reach) - 2.5, sitter.x(reach) + 2.5
    front = low + 8.5 + 1.5 * a.pitch
    back_edge = [
        (left, low + 4.5),
        (0.5 * (left + tip), low - 1.5),
        (tip, low - 2.6),
        (0.5 * (right + tip), low - 1.5),
        (right, low + 4.5),
    ]
    front_edge = [
        (right, low + 4.5),
        (0.62 * right + 0.38 * tip, front - 0.9),
        (tip, front),
        (0.62 * left + 0.38 * tip, front - 0.9),
        (left, low + 4.5),
    ]
    visor = shape(back_edge, front_edge)
    with canvas.clipped(head_outline(sitter)):
        soft(
            canvas,
            sitter,
            shape(back_edge, [(x, y + 3.5) for x, y in front_edge]),
            look.skin_shadow,
            alpha=0.75,
            blur=1.6,
        )
    shaded(
        canvas,
        sitter,
        visor,
        mix(color, BLACK, 0.2),
        linear(
            (tip, low - 2.6),
            (tip, front),
            (mix(color, BLACK, 0.5), 1),
            (mix(color, WHITE, 0.12), 1),
            (mix(color, BLACK, 0.12), 1),
        ),
    )
    canvas.stroke(line(*front_edge), look.outline or mix(color, BLACK, 0.55), 0.9)
    ink(canvas, sitter, visor)


def glasses(canvas: Canvas, sitter: Sitter) -> None:
    """Two rims, a bridge and the arms; sunglasses have dark lenses."""
    a, look = sitter.attributes, sitter.look
    if a.glasses == "none":
        return
    m, half, high = 11.2, 8.3, 6.3
    for side in SIDES:
        hinge, ear = sitter.at((m + half) * side, EYES - 1.5), ear_position(sitter, side)[0]
        end = ear - 3.0 * side if a.hair_style in _COVERS_EARS else ear + 0.5 * side
        arm = line(hinge, (max(hinge[0], end) if side > 0 else min(hinge[0], end), sitter.y(EYES - 2)))
        canvas.stroke(arm, look.frame, 1.7)
    canvas.stroke(
        line(*sitter.curve([(-m + half, EYES - 0.5), (0, EYES - 1.8), (m - half, EYES - 0.5)])),
        look.frame,
        1.8,
    )
    for side in SIDES:
        rim = [
            (-1, -0.2),
            (-0.8, -0.85),
            (0, -1),
            (0.82, -0.9),
            (1, -0.25),
            (0.82, 0.68),
            (0.05, 1),
            (-0.78, 0.7),
        ]
        lens = blob(sitter.curve([((m + half * dx) * side, EYES + 0.6 + high * dy) for dx, dy in rim]))
        x, y = sitter.at(m * side, EYES)
        if a.glasses == "sunglasses":
            canvas.fill(lens, linear((x, y - high), (x, y + high), (look.lens[0], 1), (look.lens[1], 1)))
        else:
            canvas.fill(lens, (225.0, 238.0, 255.0), alpha=0.14)
        with canvas.clipped(lens):
            soft(canvas, sitter, line((x - 1, y - high), (x - 5, y + high)), WHITE, alpha=0.25, blur=0.5)
        canvas.stroke(lens, look.frame, 1.8)


def shaded(canvas: Canvas, sitter: Sitter, path: skia.Path, color: Color, gradient: skia.Shader) -> None:
    """Fill with the gradient, or with the one colour in a flat drawing."""
    canvas.fill(path, color if sitter.look.flat else gradient)


def soft(canvas: Canvas, sitter: Sitter, path: skia.Path, color: Color, *, alpha: float, blur: float) -> None:
    """A blurred light or shadow, left out of a flat drawing."""
    if not sitter.look.flat:
        canvas.fill(path, color, alpha=alpha, blur=blur)


def ink(canvas: Canvas, sitter: Sitter, path: skia.Path, width: float = 1.0) -> None:
    """The outline of a flat drawing."""
    if sitter.look.outline is not None:
        canvas.stroke(path, sitter.look.outline, width)


def _lit_across(color: Color, light: float, reach: float) -> skia.Shader:
    """A gradient from left to right: brighter on the side of the light, darker on the other."""

    def tone(amount: float) -> Color:
        return mix(color, WHITE, 0.22 * amount) if amount > 0 else mix(color, BLACK, -0.36 * amount)

    stops = ((tone(-0.2 - 0.8 * light), 1.0), (color, 1.0), (tone(-0.2 + 0.8 * light), 1.0))
    return linear((50.0 - reach, 90.0), (50.0 + reach, 90.0), *stops)
