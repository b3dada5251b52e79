"""Earrings, hats and glasses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from synthfaces.attributes import mix
from synthfaces.canvas import Canvas, Point, blob, line, linear, oval, radial, shape
from synthfaces.looks import BLACK, WHITE
from synthfaces.parts.figure import ear_position, head_outline, lit_across
from synthfaces.sitter import EYES, SIDES, Sitter

if TYPE_CHECKING:
    pass

_COVERS_EARS = ("long", "wavy", "bob")
_LENS = ((-1, -0.2), (-0.8, -0.85), (0, -1), (0.82, -0.9), (1, -0.25), (0.82, 0.68), (0.05, 1), (-0.78, 0.7))
"""The rim of the right lens, in half its size about its middle."""


def earrings(canvas: Canvas, sitter: Sitter) -> None:
    """Golden drops."""
    look = sitter.look
    if not sitter.attributes.earrings:
        return
    for side in SIDES:
        x, y = ear_position(sitter, side)
        drop = oval(x + 1.2 * side, y + 10.2, 2.1, 2.7)
        shine = radial((x + 0.8 * side, y + 9.4), 3.4, (look.gold_light, 1), (look.gold, 1))
        canvas.shaded(drop, mix(look.gold, look.gold_light, 0.4), shine)
        canvas.ink(drop, 0.5)


def hat(canvas: Canvas, sitter: Sitter) -> None:
    """A knitted beanie with a folded cuff, or a baseball cap."""
    if sitter.attributes.hat == "beanie":
        beanie(canvas, sitter)
    elif sitter.attributes.hat == "cap":
        cap(canvas, sitter)


def _dome(sitter: Sitter, low: float, top: float, bulge: float) -> list[Point]:
    """The crown of a hat from left to right."""
    w = sitter.width
    half = [(0.0, top), (0.48 * w, top + 2.5), (0.88 * w, top + 11.5)]
    half += [(w + bulge, low - 6), (w + bulge, low + 3)]
    points = sitter.mirrored(half)
    return [*points[len(half) : -1], *points[: len(half)]]


def beanie(canvas: Canvas, sitter: Sitter) -> None:
    """Ribs run up the crown and across the cuff."""
    look, a, c, w = sitter.look, sitter.attributes, sitter.center, sitter.width
    color, low = look.hat, sitter.brim + 1.2
    dark, bright = mix(color, BLACK, 0.42), mix(color, WHITE, 0.3)
    crown = shape(_dome(sitter, low, 3.5, 3.0))
    tones = (bright, 1.0), (color, 1.0), (dark, 1.0)
    canvas.shaded(crown, color, radial((c + 13 * a.light, 12), 40, *tones))
    canvas.ink(crown)
    with canvas.clipped(crown):
        for u in (-19, -11.5, -4, 4, 11.5, 19):
            rib = line((c + 0.2 * u, 3), (c + 0.85 * u, 13), (c + 1.15 * u, low))
            canvas.stroke(rib, dark, 1.3, alpha=0.4, blur=0.0 if look.flat else 0.5)
    reach, sag = w + 4.2, 2.2 + 0.8 * a.pitch
    depths = ((-1.0, 0.0), (-0.55, 0.7), (0.0, 1.0), (0.55, 0.7), (1.0, 0.0))
    top_edge = [(c + across * reach, low - 8 + depth * sag) for across, depth in depths]
    low_edge = [(x, y + 9.5) for x, y in reversed(top_edge)]
    cuff = shape(top_edge, [(c + reach + 0.9, low - 3.2)], low_edge, [(c - reach - 0.9, low - 3.2)])
    with canvas.clipped(head_outline(sitter)):
        shadow = line(*((x, y + 1.2) for x, y in low_edge))
        canvas.soft(shadow, look.skin_shadow, alpha=0.8, blur=1.8)
    cuff_color = mix(color, WHITE, 0.18)
    canvas.shaded(cuff, cuff_color, lit_across(cuff_color, a.light, 30.0))
    with canvas.clipped(cuff):
        for index in range(-5, 6):
            x = c + reach * math.sin(index * 0.27)
            drop = sag * (1 - abs(index) / 6)
            rib = line((x, low - 8 + drop), (x, low + 2 + drop))
            canvas.stroke(rib, mix(color, BLACK, 0.4), 1.1, alpha=0.45)
        canvas.soft(line(*top_edge), BLACK, alpha=0.3, blur=0.8)
    canvas.ink(cuff)


def cap(canvas: Canvas, sitter: Sitter) -> None:
    """Six panels, a button, and a curved visor that points where the face looks."""
    look, a, c, w = sitter.look, sitter.attributes, sitter.center, sitter.width
    color, low = look.hat, sitter.brim
    dark, bright = mix(color, BLACK, 0.4), mix(color, WHITE, 0.3)
    crown = shape(_dome(sitter, low, 5.0, 2.2), [(c + w, low + 4), (sitter.x(0), low + 1), (c - w, low + 4)])
    tones = (bright, 1.0), (color, 1.0), (dark, 1.0)
    canvas.shaded(crown, color, radial((c + 13 * a.light, 13), 38, *tones))
    canvas.ink(crown)
    button = (c + 1.5 * a.yaw, 5.2)
    with canvas.clipped(crown):
        for u in (-12.5, 12.5):
            seam = line(button, (0.5 * (c + sitter.x(u)) + 0.15 * u, 14), (sitter.x(u), low))
            canvas.stroke(seam, dark, 0.9, alpha=0.7)
    canvas.fill(oval(*button, 2.0, 1.1), bright)
    _visor(canvas, sitter, low)


def _visor(canvas: Canvas, sitter: Sitter, low: float) -> None:
    look, a, color = sitter.look, sitter.attributes, sitter.look.hat
    tip, reach = sitter.x(0) + 3.0 * a.yaw, 23.5
    left, right = sitter.x(-reach) - 2.5, sitter.x(reach) + 2.5
    top, front = low - 2.6, low + 8.5 + 1.5 * a.pitch
    begin, end = (left, low + 4.5), (right, low + 4.5)
    back_edge = [begin, (0.5 * (left + tip), low - 1.5), (tip, top), (0.5 * (right + tip), low - 1.5), end]
    near_left, near_right = ((0.62 * x + 0.38 * tip, front - 0.9) for x in (left, right))
    front_edge = [end, near_right, (tip, front), near_left, begin]
    visor = shape(back_edge, front_edge)
    with canvas.clipped(head_outline(sitter)):
        shadow = shape(back_edge, [(x, y + 3.5) for x, y in front_edge])
        canvas.soft(shadow, look.skin_shadow, alpha=0.75, blur=1.6)
    tones = mix(color, BLACK, 0.5), mix(color, WHITE, 0.12), mix(color, BLACK, 0.12)
    gradient = linear((tip, top), (tip, front), *((tone, 1.0) for tone in tones))
    canvas.shaded(visor, mix(color, BLACK, 0.2), gradient)
    canvas.stroke(line(*front_edge), look.outline or mix(color, BLACK, 0.55), 0.9)
    canvas.ink(visor)


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
    canvas.stroke(line(*sitter.arch([(0, EYES - 1.8), (m - half, EYES - 0.5)])), look.frame, 1.8)
    for side in SIDES:
        rim = [((m + half * dx) * side, EYES + 0.6 + high * dy) for dx, dy in _LENS]
        lens = blob(sitter.curve(rim))
        x, y = sitter.at(m * side, EYES)
        if a.glasses == "sunglasses":
            canvas.fill(lens, linear((x, y - high), (x, y + high), (look.lens[0], 1), (look.lens[1], 1)))
        else:
            canvas.fill(lens, (225.0, 238.0, 255.0), alpha=0.14)
        with canvas.clipped(lens):
            canvas.soft(line((x - 1, y - high), (x - 5, y + high)), WHITE, alpha=0.25, blur=0.5)
        canvas.stroke(lens, look.frame, 1.8)
