"""The background, the shoulders, and the bare head with its ears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthfaces.appearance import BLACK, WHITE
from synthfaces.attributes import Color, mix
from synthfaces.canvas import Canvas, Point, blob, box, line, linear, oval, radial, shape
from synthfaces.geometry import SIDES, TOP, FaceGeometry

if TYPE_CHECKING:
    import skia


def paint_background(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw a plain background, brighter on the side of the light."""
    color, everywhere = face.appearance.background, box(0, 0, 100, 100)
    canvas.fill(everywhere, color)
    if not face.appearance.flat:
        glow = (50 + 30 * face.attributes.light, 28.0)
        stops = ((mix(color, WHITE, 0.26), 1.0), (color, 1.0), (mix(color, BLACK, 0.3), 1.0))
        canvas.fill(everywhere, radial(glow, 88, *stops))


def paint_body(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the shoulders, the clothes and the neck."""
    look, a, center = face.appearance, face.attributes, face.center
    cloth, light = look.clothes, a.light
    slope, reach = (4.0, 41.0) if a.is_woman else (1.5, 47.0)
    neck = face.width * (0.44 if a.is_woman else 0.56)
    collar = [(0, 86), (neck, 86), (neck + 5, 88.5)]
    shoulder = [(reach - 12, 90 + slope), (reach, 97 + slope), (reach + 4, 125)]
    torso = shape(face.mirrored([*collar, *shoulder]))
    canvas.shade(torso, cloth, horizontal_shading(cloth, light, 46.0))
    throat = face.mirrored([(neck, 66), (neck, 84), (neck + 3.5, 89), (neck - 2, 96), (0, 98.5)])
    neck_path = shape(throat)
    skin = mix(look.skin, look.skin_shadow, 0.25)
    left, right = (mix(skin, look.skin_shadow, 0.25 + 0.25 * side * light) for side in (1, -1))
    canvas.shade(neck_path, skin, linear((center - 14, 80), (center + 14, 80), (left, 1), (right, 1)))
    with canvas.clip(neck_path):
        shadow = oval(center + 1.5 * a.yaw, face.chin - 7, face.jaw * 0.95, 15)
        canvas.fill_soft(shadow, look.skin_shadow, alpha=0.75, blur=2.5)
    if a.collar == "round":
        rim = line(*face.mirrored([(neck + 5.2, 87), (neck + 1.8, 95), (0, 98.8)]))
        canvas.stroke(rim, mix(cloth, WHITE, 0.16), 3.4)
        canvas.ink(rim, 0.5)
        return
    for side in SIDES:
        flap = shape(
            [(center + side * (neck + 1), 85.5), (center + side * 1.2, 98.5)],
            [(center + side * 9, 104), (center + side * (neck + 7), 93), (center + side * (neck + 4.5), 86)],
        )
        canvas.fill(flap, mix(cloth, WHITE, 0.3 + 0.1 * side * light))
        canvas.stroke(flap, look.outline or mix(cloth, BLACK, 0.3), 0.7)


def paint_ears(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw human ears; the ear on the far side of a turned head is narrower."""
    look, a = face.appearance, face.attributes
    for side in SIDES:
        x, y = ear_position(face, side)
        reach = 4.6 - 1.6 * side * a.yaw
        rim = [(x - side * 3, y - 6), (x + side * reach * 0.6, y - 7.2), (x + side * reach, y - 3)]
        lobe = [(x + side * reach * 0.72, y + 3.5), (x, y + 7.6), (x - side * 3, y + 6)]
        ear = blob([*rim, *lobe])
        lit = 0.5 + 0.5 * side * a.light
        skin = mix(look.skin_shadow, look.skin, 0.62 + 0.38 * lit)
        canvas.fill(ear, skin)
        hollow = oval(x + side * reach * 0.3, y - 0.8, reach * 0.38, 4)
        canvas.fill_soft(hollow, look.skin_shadow, alpha=0.55, blur=0.8)
        canvas.ink(ear)


def ear_position(face: FaceGeometry, side: float) -> Point:
    """Return where an ear joins the head; it follows half of the head's nod."""
    x = face.center + side * (face.width - 0.6) - 0.8 * face.attributes.yaw
    return x, face.y(51.5) * 0.5 + 25.75


def head_outline(face: FaceGeometry) -> skia.Path:
    """Return the outline of the head without ears."""
    w, jaw, chin, turn = face.width, face.jaw, face.chin, 1.8 * face.attributes.yaw
    right = [(0.0, TOP), (0.5 * w, TOP + 3), (0.87 * w, TOP + 14.5), (w, 43.0), (0.3 * jaw + 0.69 * w, 56.0)]
    low = [(0.9 * jaw, 67.0), (0.66 * jaw, chin - 6.5), (0.32 * jaw, chin - 0.9)]
    c = face.center
    points = [(c + x, y) for x, y in right] + [(c + turn + x, y) for x, y in low]
    points += [(c + turn - x, y) for x, y in reversed(low)] + [(c - x, y) for x, y in reversed(right[1:])]
    return blob(points)


def paint_head(canvas: Canvas, face: FaceGeometry, outline: skia.Path) -> None:
    """Draw the bare head, lit from the side and from above."""
    look, light = face.appearance, face.attributes.light
    canvas.fill(outline, look.skin)
    center, shade = face.center, look.skin_shadow
    with canvas.clip(outline):
        if look.flat:
            canvas.fill(oval(center - 30 * light, 60, 16, 44), shade, alpha=0.28 * abs(light))
            return
        glow = (look.skin_light, 0.85), (look.skin_light, 0.0)
        canvas.fill(outline, radial((center + 9 * light, 38), 36, *glow))
        rounding = ((shade, alpha) for alpha in (0.0, 0.0, 0.08, 0.6))
        canvas.fill(outline, radial((center + 3 * light, 46), 44, *rounding))
        sign = 1.0 if light >= 0 else -1.0
        ends = (center + 26 * sign, 50.0), (center - 26 * sign, 56.0)
        canvas.fill(outline, linear(*ends, (shade, 0.0), (shade, 0.0), (shade, 0.56 * abs(light))))


def horizontal_shading(color: Color, light: float, reach: float) -> skia.Shader:
    """Return a horizontal gradient, brighter on the side of the light and darker on the other."""

    def tone(amount: float) -> Color:
        return mix(color, WHITE, 0.22 * amount) if amount > 0 else mix(color, BLACK, -0.36 * amount)

    stops = ((tone(-0.2 - 0.8 * light), 1.0), (color, 1.0), (tone(-0.2 + 0.8 * light), 1.0))
    return linear((50.0 - reach, 90.0), (50.0 + reach, 90.0), *stops)
