"""Hair and beard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthfaces.appearance import BLACK, WHITE
from synthfaces.attributes import mix
from synthfaces.canvas import Canvas, Point, box, circles, line, oval, radial, shape
from synthfaces.geometry import MOUTH, SIDES, FaceGeometry
from synthfaces.parts.body import head_outline

if TYPE_CHECKING:
    import skia


def paint_beard(canvas: Canvas, face: FaceGeometry, outline: skia.Path) -> None:
    """Draw stubble, a moustache or a full beard."""
    kind, look = face.attributes.beard, face.appearance
    if kind == "stubble":
        with canvas.clip(outline):
            shadow = _beard_outline(face, drop=0.0, wide=-0.5)
            canvas.fill(shadow, look.beard, alpha=0.38, blur=0.0 if look.flat else 2.0)
    if kind == "full":
        _paint_full_beard(canvas, face)
    if kind in ("full", "mustache"):
        _paint_moustache(canvas, face)


def _beard_outline(face: FaceGeometry, drop: float, wide: float) -> skia.Path:
    """Return the area of a beard, extending ``drop`` below the chin and ``wide`` beyond the jaw."""
    c, jaw, chin, turn = face.center, face.jaw, face.chin, 1.8 * face.attributes.yaw
    temples = face.mirrored([(face.width + 0.3, 48), (0.3 * jaw + 0.69 * face.width + wide, 57)])
    low = [(0.92 * jaw + wide, 67), (0.7 * jaw + wide, chin - 5 + drop * 0.6)]
    low += [(0.33 * jaw, chin - 0.9 + drop), (0.0, chin + drop)]
    right = temples[:2] + [(c + turn + x, y) for x, y in low]
    left = [(c + turn - x, y) for x, y in reversed(low[:-1])] + temples[2:]
    cheek = [(0, 65.2), (4.5, 64.2), (9.5, 64.4), (14.5, 63.5), (19, 59), (20.5, 52)]
    return shape(right + left, face.arch(cheek))


def _paint_full_beard(canvas: Canvas, face: FaceGeometry) -> None:
    color, flat = face.appearance.beard, face.appearance.flat
    coat = _beard_outline(face, drop=5.0, wide=1.0)
    dark = mix(color, BLACK, 0.3)
    canvas.fill_soft(coat, dark, alpha=1.0, blur=0.9)
    tones = (mix(color, WHITE, 0.16), 1.0), (color, 1.0), (dark, 1.0)
    canvas.shade(coat, color, radial((face.center + 10 * face.attributes.light, 66), 30, *tones))
    with canvas.clip(coat):
        for u in () if flat else (-15, -9, -3, 3, 9, 15):
            strand = line(*face.points([(u, 68 - abs(u) * 0.3), (u * 0.95, 77), (u * 0.7, 86)]))
            canvas.stroke(strand, WHITE, 1.1, alpha=0.09, blur=0.5)
    canvas.ink(coat, 0.6)


def _paint_moustache(canvas: Canvas, face: FaceGeometry) -> None:
    tip = (12.2, MOUTH - 2.0 * face.attributes.smile + 1.2)
    top = face.arch([(0, 63.4), (4.5, 63.0), (9, 65.4), tip])
    bottom = face.arch([(0, 67.2), (4, 66.9), (8, 67.2), tip])[::-1]
    moustache = shape(top, bottom)
    canvas.fill(moustache, face.appearance.beard, blur=0.0 if face.appearance.flat else 0.35)
    canvas.fill_soft(oval(*face.point(4 * face.attributes.light, 64.6), 5, 0.8), WHITE, alpha=0.12, blur=0.7)
    canvas.ink(moustache, 0.5)


def paint_hair_back(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the hair behind the head and shoulders, and the bun."""
    a, w, style = face.attributes, face.width, face.attributes.hair_style
    if style == "long":
        half = [(0, 9), (w * 0.8, 13), (w + 5, 32), (w + 6.5, 60), (w + 8, 84), (w + 5, 106)]
        path = shape(face.mirrored(half))
    elif style == "wavy":
        half = [(0, 8), (w * 0.85, 12), (w + 7, 30), (w + 5.5, 44), (w + 10, 56)]
        half += [(w + 7.5, 68), (w + 11, 80), (w + 5, 92), (0, 94)]
        path = shape(face.mirrored(half))
    elif style == "bob":
        half = [(0, 9), (w * 0.8, 12), (w + 5.5, 32), (w + 7, 52), (w + 6.5, 66), (w - 1, 74), (0, 74)]
        path = shape(face.mirrored(half))
    elif style == "curly":
        path = circles([*_curls(face), (face.center, 32, w + 3)])
    elif style == "bun" and a.hat == "none":
        path = oval(face.center - 2.5 * a.yaw, 9.0, 10.5, 8.5)
    else:
        return
    _paint_hair(canvas, face, path, 34, 52, behind=True)


def paint_hair_front(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the hair over forehead and temples; with a hat, only what shows below its edge."""
    look, style = face.appearance, face.attributes.hair_style
    if style == "bald":
        return
    below_hat = box(-40, face.brim - 4 if face.attributes.hat != "none" else -40, 140, 140)
    with canvas.clip(below_hat):
        path = _hair_outline(face)
        if style == "buzz":
            with canvas.clip(head_outline(face)):
                fuzz = mix(look.hair, look.hair_shadow, 0.4)
                canvas.fill(path, fuzz, alpha=0.82, blur=0.0 if look.flat else 1.4)
            return
        with canvas.clip(head_outline(face)):
            canvas.fill_soft(path, look.skin_shadow, alpha=0.6, blur=2.2)
        _paint_hair(canvas, face, path, 22, 40)


def _hair_outline(face: FaceGeometry) -> skia.Path:
    """Return the outline of the hair over the head, down to the hairline."""
    style, c, w = face.attributes.hair_style, face.center, face.width
    right: list[Point]
    left: list[Point]
    if style in ("short", "buzz"):
        crown = _crown(face, 44, 1.6 if style == "short" else 0.0)
        hairline = [(20.2, 38), (18.2, 31), (11, 26.2), (0, 27.2), (-11, 25.6), (-18.2, 31), (-20.2, 38)]
        return shape(crown, face.points(hairline))
    if style == "side part":
        crown = _crown(face, 45, 3.0)
        sweep = [(20.4, 40), (19, 33.5), (10, 29.5), (-1, 25.5), (-10.5, 19.5)]
        temple = [(-10.5, 19.5), (-13.5, 25.5), (-18.6, 31), (-20.4, 40)]
        return shape(crown, face.points(sweep), face.points(temple))
    if style == "curly":
        locks = ((-17, 29, 7), (-9, 22.5, 8), (1, 21, 8.5), (10, 22.5, 8), (17.5, 29, 7))
        sides = [(c + side * (w + 1.5), y, 5.5) for side in SIDES for y in (34.0, 42.0)]
        top = [(c, 14, 11), (c - 11, 16, 9), (c + 11, 16, 9)]
        return circles([*((face.x(u), y, radius) for u, y, radius in locks), *sides, *top])
    if style == "long":
        right = [(w + 1.5, 80), (w - 1.0, 70), (20.6, 54), (19.4, 40), (12.5, 28), (0, 19)]
        left = [(-u, y) for u, y in reversed(right)]
        return _curtains(face, 80, 3.2, right, left)
    if style == "wavy":
        right = [(w + 3, 74), (w - 1.5, 64), (22, 54), (19.2, 42), (15, 31), (6, 18.5)]
        left = [(6, 18.5), (-7, 25.5), (-17, 34), (-20.5, 46), (-23.5, 56), (-w - 0.5, 65), (-w - 3, 74)]
        return _curtains(face, 74, 4.6, right, left)
    if style == "bob":
        right = [(w + 1.5, 68), (w - 2.5, 62), (20.8, 50), (19.5, 38.2)]
        fringe = [(19.5, 38.2), (10, 35.2), (0, 34.6), (-10, 35.2), (-19.5, 38.2)]
        crown = _crown(face, 68, 3.4, wide=4.5)
        left = [(-u, y) for u, y in reversed(right)]
        return shape(crown, _hanging(face, right), face.points(fringe), _hanging(face, left))
    swept = [(20.4, 44), (19.4, 34), (13, 24.5), (0, 21.5), (-13, 24.5), (-19.4, 34), (-20.4, 44)]
    return shape(_crown(face, 45, 1.0), face.points(swept))


def _crown(face: FaceGeometry, low: float, volume: float, wide: float = 0.6) -> list[Point]:
    """Return the outer edge of the hair from left to right over the top, down to the height ``low``."""
    w, v = face.width, volume
    half = [(0.0, 10.5 - v), (0.46 * w, 12.2 - v), (0.84 * w + 0.6 * v, 22 - 0.5 * v)]
    half.append((w + 0.3 + 0.7 * v, 34))
    half += [(w + wide + 0.3 * v, y) for y in ((low,) if low < 50 else (50.0, low))]
    points = face.mirrored(half)
    count = len(half)
    return [*points[count:-1], *points[:count]]


def _hanging(face: FaceGeometry, points: Sequence[Point]) -> list[Point]:
    """Return points of loose hair: near the face they turn with it, farther down they hang straight."""
    result = []
    for u, y in points:
        loose = max(0.0, min(1.0, (y - 40) / 20))
        x, height = face.point(u, y)
        result.append((x * (1 - loose) + (face.center + u) * loose, height * (1 - loose) + y * loose))
    return result


def _curtains(
    face: FaceGeometry, low: float, volume: float, right: Sequence[Point], left: Sequence[Point]
) -> skia.Path:
    """Return the outline of parted hair that hangs down to the height ``low`` on both sides."""
    return shape(_crown(face, low, volume, wide=4.6), _hanging(face, right), _hanging(face, left))


def _curls(face: FaceGeometry) -> list[tuple[float, float, float]]:
    """Return discs around the head, each as (x, y, radius)."""
    angles = [math.pi * (1.22 - 1.44 * i / 12) for i in range(13)]
    reach = face.width + 3.5
    return [
        (face.center + math.cos(t) * reach, 37 - math.sin(t) * 25, 8.4 + 0.9 * (-1) ** i)
        for i, t in enumerate(angles)
    ]


def _paint_hair(
    canvas: Canvas, face: FaceGeometry, path: skia.Path, middle: float, radius: float, behind: bool = False
) -> None:
    """Draw hair lit from above, with a gradient, a few strands and a highlight."""
    look, light, c = face.appearance, face.attributes.light, face.center
    base = mix(look.hair, look.hair_shadow, 0.45) if behind else look.hair
    bright = look.hair if behind else mix(look.hair, look.hair_light, 0.6)
    # Outline first: the fill then hides the lines where locks overlap.
    canvas.ink(path, 2.0)
    tones = ((bright, 1.0), (base, 1.0), (look.hair_shadow, 1.0))
    canvas.shade(path, base, radial((c + 13 * light, middle - 12), radius, *tones))
    if look.flat and not behind:
        with canvas.clip(path):
            sheen = line((c - 17, 21), (c - 7, 16.5), (c + 7, 16.5), (c + 17, 21))
            canvas.stroke(sheen, look.hair_light, 2.6)
    if look.flat or (behind and face.attributes.hair_style != "bun"):
        return
    with canvas.clip(path):
        for index in range(-3, 4):
            color = look.hair_light if index % 2 else look.hair_shadow
            u = index * 7.5
            strand = line((c + 0.25 * u, 9), (c + 0.9 * u, 17), (c + 1.25 * u, 30), (c + 1.36 * u, 60))
            canvas.stroke(strand, color, 1.7, alpha=0.32, blur=0.8)
        canvas.fill(oval(c + 10 * light, 16.5, 9.5, 3.0), look.hair_light, alpha=0.6, blur=2.2)
