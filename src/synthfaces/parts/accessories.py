"""Earrings, hats and glasses."""

from __future__ import annotations

import math

from synthfaces.appearance import BLACK, WHITE
from synthfaces.attributes import mix
from synthfaces.canvas import Canvas, Point, blob, line, linear, oval, radial, shape
from synthfaces.geometry import EYES, SIDES, FaceGeometry
from synthfaces.parts.body import ear_position, head_outline, horizontal_shading

_COVERS_EARS = ("long", "wavy", "bob")
_LENS = ((-1, -0.2), (-0.8, -0.85), (0, -1), (0.82, -0.9), (1, -0.25), (0.82, 0.68), (0.05, 1), (-0.78, 0.7))
"""Outline of the right lens, relative to its centre, in units of half its width and height."""


def paint_earrings(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw gold drop earrings."""
    look = face.appearance
    if not face.attributes.earrings:
        return
    for side in SIDES:
        x, y = ear_position(face, side)
        drop = oval(x + 1.2 * side, y + 10.2, 2.1, 2.7)
        shine = radial((x + 0.8 * side, y + 9.4), 3.4, (look.gold_light, 1), (look.gold, 1))
        canvas.shade(drop, mix(look.gold, look.gold_light, 0.4), shine)
        canvas.ink(drop, 0.5)


def paint_hat(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw a knitted beanie with a folded cuff, or a baseball cap."""
    if face.attributes.hat == "beanie":
        _paint_beanie(canvas, face)
    elif face.attributes.hat == "cap":
        _paint_cap(canvas, face)


def _dome(face: FaceGeometry, low: float, top: float, bulge: float) -> list[Point]:
    """Return the outline of a hat's crown, from left to right."""
    w = face.width
    half = [(0.0, top), (0.48 * w, top + 2.5), (0.88 * w, top + 11.5)]
    half += [(w + bulge, low - 6), (w + bulge, low + 3)]
    points = face.mirrored(half)
    return [*points[len(half) : -1], *points[: len(half)]]


def _paint_beanie(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw a beanie with ribs on its crown and its cuff."""
    look, a, c, w = face.appearance, face.attributes, face.center, face.width
    color, low = look.hat, face.brim + 1.2
    dark, bright = mix(color, BLACK, 0.42), mix(color, WHITE, 0.3)
    crown = shape(_dome(face, low, 3.5, 3.0))
    tones = (bright, 1.0), (color, 1.0), (dark, 1.0)
    canvas.shade(crown, color, radial((c + 13 * a.light, 12), 40, *tones))
    canvas.ink(crown)
    with canvas.clip(crown):
        for u in (-19, -11.5, -4, 4, 11.5, 19):
            rib = line((c + 0.2 * u, 3), (c + 0.85 * u, 13), (c + 1.15 * u, low))
            canvas.stroke(rib, dark, 1.3, alpha=0.4, blur=0.0 if look.flat else 0.5)
    reach, sag = w + 4.2, 2.2 + 0.8 * a.pitch
    depths = ((-1.0, 0.0), (-0.55, 0.7), (0.0, 1.0), (0.55, 0.7), (1.0, 0.0))
    top_edge = [(c + across * reach, low - 8 + depth * sag) for across, depth in depths]
    low_edge = [(x, y + 9.5) for x, y in reversed(top_edge)]
    cuff = shape(top_edge, [(c + reach + 0.9, low - 3.2)], low_edge, [(c - reach - 0.9, low - 3.2)])
    with canvas.clip(head_outline(face)):
        shadow = line(*((x, y + 1.2) for x, y in low_edge))
        canvas.fill_soft(shadow, look.skin_shadow, alpha=0.8, blur=1.8)
    cuff_color = mix(color, WHITE, 0.18)
    canvas.shade(cuff, cuff_color, horizontal_shading(cuff_color, a.light, 30.0))
    with canvas.clip(cuff):
        for index in range(-5, 6):
            x = c + reach * math.sin(index * 0.27)
            drop = sag * (1 - abs(index) / 6)
            rib = line((x, low - 8 + drop), (x, low + 2 + drop))
            canvas.stroke(rib, mix(color, BLACK, 0.4), 1.1, alpha=0.45)
        canvas.fill_soft(line(*top_edge), BLACK, alpha=0.3, blur=0.8)
    canvas.ink(cuff)


def _paint_cap(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw a six-panel cap whose visor points where the face does."""
    look, a, c, w = face.appearance, face.attributes, face.center, face.width
    color, low = look.hat, face.brim
    dark, bright = mix(color, BLACK, 0.4), mix(color, WHITE, 0.3)
    crown = shape(_dome(face, low, 5.0, 2.2), [(c + w, low + 4), (face.x(0), low + 1), (c - w, low + 4)])
    tones = (bright, 1.0), (color, 1.0), (dark, 1.0)
    canvas.shade(crown, color, radial((c + 13 * a.light, 13), 38, *tones))
    canvas.ink(crown)
    button = (c + 1.5 * a.yaw, 5.2)
    with canvas.clip(crown):
        for u in (-12.5, 12.5):
            seam = line(button, (0.5 * (c + face.x(u)) + 0.15 * u, 14), (face.x(u), low))
            canvas.stroke(seam, dark, 0.9, alpha=0.7)
    canvas.fill(oval(*button, 2.0, 1.1), bright)
    _paint_visor(canvas, face, low)


def _paint_visor(canvas: Canvas, face: FaceGeometry, low: float) -> None:
    look, a, color = face.appearance, face.attributes, face.appearance.hat
    tip, reach = face.x(0) + 3.0 * a.yaw, 23.5
    left, right = face.x(-reach) - 2.5, face.x(reach) + 2.5
    top, front = low - 2.6, low + 8.5 + 1.5 * a.pitch
    begin, end = (left, low + 4.5), (right, low + 4.5)
    back_edge = [begin, (0.5 * (left + tip), low - 1.5), (tip, top), (0.5 * (right + tip), low - 1.5), end]
    near_left, near_right = ((0.62 * x + 0.38 * tip, front - 0.9) for x in (left, right))
    front_edge = [end, near_right, (tip, front), near_left, begin]
    visor = shape(back_edge, front_edge)
    with canvas.clip(head_outline(face)):
        shadow = shape(back_edge, [(x, y + 3.5) for x, y in front_edge])
        canvas.fill_soft(shadow, look.skin_shadow, alpha=0.75, blur=1.6)
    tones = mix(color, BLACK, 0.5), mix(color, WHITE, 0.12), mix(color, BLACK, 0.12)
    gradient = linear((tip, top), (tip, front), *((tone, 1.0) for tone in tones))
    canvas.shade(visor, mix(color, BLACK, 0.2), gradient)
    canvas.stroke(line(*front_edge), look.outline or mix(color, BLACK, 0.55), 0.9)
    canvas.ink(visor)


def paint_glasses(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw rims, bridge, arms and lenses; sunglasses have dark lenses."""
    a, look = face.attributes, face.appearance
    if a.glasses == "none":
        return
    m, half, high = 11.2, 8.3, 6.3
    for side in SIDES:
        hinge, ear = face.point((m + half) * side, EYES - 1.5), ear_position(face, side)[0]
        end = ear - 3.0 * side if a.hair_style in _COVERS_EARS else ear + 0.5 * side
        arm = line(hinge, (max(hinge[0], end) if side > 0 else min(hinge[0], end), face.y(EYES - 2)))
        canvas.stroke(arm, look.frame, 1.7)
    canvas.stroke(line(*face.arch([(0, EYES - 1.8), (m - half, EYES - 0.5)])), look.frame, 1.8)
    for side in SIDES:
        rim = [((m + half * dx) * side, EYES + 0.6 + high * dy) for dx, dy in _LENS]
        lens = blob(face.points(rim))
        x, y = face.point(m * side, EYES)
        if a.glasses == "sunglasses":
            canvas.fill(lens, linear((x, y - high), (x, y + high), (look.lens[0], 1), (look.lens[1], 1)))
        else:
            canvas.fill(lens, (225.0, 238.0, 255.0), alpha=0.14)
        with canvas.clip(lens):
            canvas.fill_soft(line((x - 1, y - high), (x - 5, y + high)), WHITE, alpha=0.25, blur=0.5)
        canvas.stroke(lens, look.frame, 1.8)
