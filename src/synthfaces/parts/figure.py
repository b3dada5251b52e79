"""The wall, the shoulders, and the bare head with its ears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthfaces.attributes import Color, mix
from synthfaces.canvas import Canvas, Point, blob, box, line, linear, oval, radial, shape
from synthfaces.looks import BLACK, WHITE
from synthfaces.sitter import SIDES, TOP, Sitter

if TYPE_CHECKING:
    import skia


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
    collar = [(0, 86), (neck, 86), (neck + 5, 88.5)]
    shoulder = [(reach - 12, 90 + slope), (reach, 97 + slope), (reach + 4, 125)]
    torso = shape(sitter.mirrored([*collar, *shoulder]))
    canvas.shaded(torso, cloth, lit_across(cloth, light, 46.0))
    throat = sitter.mirrored([(neck, 66), (neck, 84), (neck + 3.5, 89), (neck - 2, 96), (0, 98.5)])
    neck_path = shape(throat)
    skin = mix(look.skin, look.skin_shadow, 0.25)
    left, right = (mix(skin, look.skin_shadow, 0.25 + 0.25 * side * light) for side in (1, -1))
    canvas.shaded(neck_path, skin, linear((center - 14, 80), (center + 14, 80), (left, 1), (right, 1)))
    with canvas.clipped(neck_path):
        shadow = oval(center + 1.5 * a.yaw, sitter.chin - 7, sitter.jaw * 0.95, 15)
        canvas.soft(shadow, look.skin_shadow, alpha=0.75, blur=2.5)
    if a.collar == "round":
        rim = line(*sitter.mirrored([(neck + 5.2, 87), (neck + 1.8, 95), (0, 98.8)]))
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


def ears(canvas: Canvas, sitter: Sitter) -> None:
    """Human ears; the one that the head turns away is narrower."""
    look, a = sitter.look, sitter.attributes
    for side in SIDES:
        x, y = ear_position(sitter, side)
        reach = 4.6 - 1.6 * side * a.yaw
        rim = [(x - side * 3, y - 6), (x + side * reach * 0.6, y - 7.2), (x + side * reach, y - 3)]
        lobe = [(x + side * reach * 0.72, y + 3.5), (x, y + 7.6), (x - side * 3, y + 6)]
        ear = blob([*rim, *lobe])
        lit = 0.5 + 0.5 * side * a.light
        skin = mix(look.skin_shadow, look.skin, 0.62 + 0.38 * lit)
        canvas.fill(ear, skin)
        hollow = oval(x + side * reach * 0.3, y - 0.8, reach * 0.38, 4)
        canvas.soft(hollow, look.skin_shadow, alpha=0.55, blur=0.8)
        canvas.ink(ear)


def ear_position(sitter: Sitter, side: float) -> Point:
    """Where the ear meets the head; it nods half as far as the face."""
    x = sitter.center + side * (sitter.width - 0.6) - 0.8 * sitter.attributes.yaw
    return x, sitter.y(51.5) * 0.5 + 25.75


def head_outline(sitter: Sitter) -> skia.Path:
    """The outline of the head without ears."""
    w, jaw, chin, turn = sitter.width, sitter.jaw, sitter.chin, 1.8 * sitter.attributes.yaw
    right = [(0.0, TOP), (0.5 * w, TOP + 3), (0.87 * w, TOP + 14.5), (w, 43.0), (0.3 * jaw + 0.69 * w, 56.0)]
    low = [(0.9 * jaw, 67.0), (0.66 * jaw, chin - 6.5), (0.32 * jaw, chin - 0.9)]
    c = sitter.center
    points = [(c + x, y) for x, y in right] + [(c + turn + x, y) for x, y in low]
    points += [(c + turn - x, y) for x, y in reversed(low)] + [(c - x, y) for x, y in reversed(right[1:])]
    return blob(points)


def head(canvas: Canvas, sitter: Sitter, outline: skia.Path) -> None:
    """The bare head, lit from one side and from above."""
    look, light = sitter.look, sitter.attributes.light
    canvas.fill(outline, look.skin)
    center, shade = sitter.center, look.skin_shadow
    with canvas.clipped(outline):
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


def lit_across(color: Color, light: float, reach: float) -> skia.Shader:
    """A gradient from left to right: brighter on the side of the light, darker on the other."""

    def tone(amount: float) -> Color:
        return mix(color, WHITE, 0.22 * amount) if amount > 0 else mix(color, BLACK, -0.36 * amount)

    stops = ((tone(-0.2 - 0.8 * light), 1.0), (color, 1.0), (tone(-0.2 + 0.8 * light), 1.0))
    return linear((50.0 - reach, 90.0), (50.0 + reach, 90.0), *stops)
