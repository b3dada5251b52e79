"""Hair and beard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthfaces.attributes import mix
from synthfaces.canvas import Canvas, Point, box, circles, line, oval, radial, shape
from synthfaces.looks import BLACK, WHITE
from synthfaces.parts.figure import head_outline
from synthfaces.sitter import MOUTH, SIDES, Sitter

if TYPE_CHECKING:
    import skia

Points = Sequence[Point]


def beard(canvas: Canvas, sitter: Sitter, outline: skia.Path) -> None:
    """Stubble, a moustache or a full beard."""
    kind, look = sitter.attributes.beard, sitter.look
    if kind == "stubble":
        with canvas.clipped(outline):
            shadow = _coat(sitter, drop=0.0, wide=-0.5)
            canvas.fill(shadow, look.beard, alpha=0.38, blur=0.0 if look.flat else 2.0)
    if kind == "full":
        _full_beard(canvas, sitter)
    if kind in ("full", "mustache"):
        _moustache(canvas, sitter)


def _coat(sitter: Sitter, drop: float, wide: float) -> skia.Path:
    """Where a beard grows, ``drop`` below the chin and ``wide`` beyond the jaw."""
    c, jaw, chin, turn = sitter.center, sitter.jaw, sitter.chin, 1.8 * sitter.attributes.yaw
    temples = sitter.mirrored([(sitter.width + 0.3, 48), (0.3 * jaw + 0.69 * sitter.width + wide, 57)])
    low = [(0.92 * jaw + wide, 67), (0.7 * jaw + wide, chin - 5 + drop * 0.6)]
    low += [(0.33 * jaw, chin - 0.9 + drop), (0.0, chin + drop)]
    right = temples[:2] + [(c + turn + x, y) for x, y in low]
    left = [(c + turn - x, y) for x, y in reversed(low[:-1])] + temples[2:]
    cheek = [(0, 65.2), (4.5, 64.2), (9.5, 64.4), (14.5, 63.5), (19, 59), (20.5, 52)]
    return shape(right + left, sitter.arch(cheek))


def _full_beard(canvas: Canvas, sitter: Sitter) -> None:
    color, flat = sitter.look.beard, sitter.look.flat
    coat = _coat(sitter, drop=5.0, wide=1.0)
    dark = mix(color, BLACK, 0.3)
    canvas.soft(coat, dark, alpha=1.0, blur=0.9)
    tones = (mix(color, WHITE, 0.16), 1.0), (color, 1.0), (dark, 1.0)
    canvas.shaded(coat, color, radial((sitter.center + 10 * sitter.attributes.light, 66), 30, *tones))
    with canvas.clipped(coat):
        for u in () if flat else (-15, -9, -3, 3, 9, 15):
            strand = line(*sitter.curve([(u, 68 - abs(u) * 0.3), (u * 0.95, 77), (u * 0.7, 86)]))
            canvas.stroke(strand, WHITE, 1.1, alpha=0.09, blur=0.5)
    canvas.ink(coat, 0.6)


def _moustache(canvas: Canvas, sitter: Sitter) -> None:
    tip = (12.2, MOUTH - 2.0 * sitter.attributes.smile + 1.2)
    top = sitter.arch([(0, 63.4), (4.5, 63.0), (9, 65.4), tip])
    bottom = sitter.arch([(0, 67.2), (4, 66.9), (8, 67.2), tip])[::-1]
    moustache = shape(top, bottom)
    canvas.fill(moustache, sitter.look.beard, blur=0.0 if sitter.look.flat else 0.35)
    canvas.soft(oval(*sitter.at(4 * sitter.attributes.light, 64.6), 5, 0.8), WHITE, alpha=0.12, blur=0.7)
    canvas.ink(moustache, 0.5)


def hair_back(canvas: Canvas, sitter: Sitter) -> None:
    """Hair that falls behind the head and the shoulders, and the bun."""
    a, w, style = sitter.attributes, sitter.width, sitter.attributes.hair_style
    if style == "long":
        half = [(0, 9), (w * 0.8, 13), (w + 5, 32), (w + 6.5, 60), (w + 8, 84), (w + 5, 106)]
        path = shape(sitter.mirrored(half))
    elif style == "wavy":
        half = [(0, 8), (w * 0.85, 12), (w + 7, 30), (w + 5.5, 44), (w + 10, 56)]
        half += [(w + 7.5, 68), (w + 11, 80), (w + 5, 92), (0, 94)]
        path = shape(sitter.mirrored(half))
    elif style == "bob":
        half = [(0, 9), (w * 0.8, 12), (w + 5.5, 32), (w + 7, 52), (w + 6.5, 66), (w - 1, 74), (0, 74)]
        path = shape(sitter.mirrored(half))
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
                fuzz = mix(look.hair, look.hair_shadow, 0.4)
                canvas.fill(path, fuzz, alpha=0.82, blur=0.0 if look.flat else 1.4)
            return
        with canvas.clipped(head_outline(sitter)):
            canvas.soft(path, look.skin_shadow, alpha=0.6, blur=2.2)
        _paint_hair(canvas, sitter, path, 22, 40)


def _hair_outline(sitter: Sitter) -> skia.Path:
    """The hair over the head, down to the hairline."""
    style, c, w = sitter.attributes.hair_style, sitter.center, sitter.width
    right: list[Point]
    left: list[Point]
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
        locks = ((-17, 29, 7), (-9, 22.5, 8), (1, 21, 8.5), (10, 22.5, 8), (17.5, 29, 7))
        sides = [(c + side * (w + 1.5), y, 5.5) for side in SIDES for y in (34.0, 42.0)]
        top = [(c, 14, 11), (c - 11, 16, 9), (c + 11, 16, 9)]
        return circles([*((sitter.x(u), y, radius) for u, y, radius in locks), *sides, *top])
    if style == "long":
        right = [(w + 1.5, 80), (w - 1.0, 70), (20.6, 54), (19.4, 40), (12.5, 28), (0, 19)]
        left = [(-u, y) for u, y in reversed(right)]
        return _curtains(sitter, 80, 3.2, right, left)
    if style == "wavy":
        right = [(w + 3, 74), (w - 1.5, 64), (22, 54), (19.2, 42), (15, 31), (6, 18.5)]
        left = [(6, 18.5), (-7, 25.5), (-17, 34), (-20.5, 46), (-23.5, 56), (-w - 0.5, 65), (-w - 3, 74)]
        return _curtains(sitter, 74, 4.6, right, left)
    if style == "bob":
        right = [(w + 1.5, 68), (w - 2.5, 62), (20.8, 50), (19.5, 38.2)]
        fringe = [(19.5, 38.2), (10, 35.2), (0, 34.6), (-10, 35.2), (-19.5, 38.2)]
        crown = _crown(sitter, 68, 3.4, wide=4.5)
        left = [(-u, y) for u, y in reversed(right)]
        return shape(crown, _hanging(sitter, right), sitter.curve(fringe), _hanging(sitter, left))
    swept = [(20.4, 44), (19.4, 34), (13, 24.5), (0, 21.5), (-13, 24.5), (-19.4, 34), (-20.4, 44)]
    return shape(_crown(sitter, 45, 1.0), sitter.curve(swept))


def _crown(sitter: Sitter, low: float, volume: float, wide: float = 0.6) -> list[Point]:
    """The outer edge of the hair from the left side over the top to the right, ``low`` units down."""
    w, v = sitter.width, volume
    half = [(0.0, 10.5 - v), (0.46 * w, 12.2 - v), (0.84 * w + 0.6 * v, 22 - 0.5 * v)]
    half.append((w + 0.3 + 0.7 * v, 34))
    half += [(w + wide + 0.3 * v, y) for y in ((low,) if low < 50 else (50.0, low))]
    points = sitter.mirrored(half)
    count = len(half)
    return [*points[count:-1], *points[:count]]


def _hanging(sitter: Sitter, points: Sequence[Point]) -> list[Point]:
    """Points of hair that turn with the face near it, and with the head's outline farther out."""
    result = []
    for u, y in points:
        loose = max(0.0, min(1.0, (y - 40) / 20))
        x, height = sitter.at(u, y)
        result.append((x * (1 - loose) + (sitter.center + u) * loose, height * (1 - loose) + y * loose))
    return result


def _curtains(sitter: Sitter, low: float, volume: float, right: Points, left: Points) -> skia.Path:
    """Hair parted over the forehead that hangs ``low`` on both sides."""
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
    canvas.ink(path, 2.0)
    tones = ((bright, 1.0), (base, 1.0), (look.hair_shadow, 1.0))
    canvas.shaded(path, base, radial((c + 13 * light, middle - 12), radius, *tones))
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
