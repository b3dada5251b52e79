"""What lies on the skin of the face: cheeks, wrinkles, eyes, brows, nose and mouth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from synthfaces.attributes import mix
from synthfaces.canvas import Canvas, Point, line, oval, radial, shape
from synthfaces.looks import BLACK, WHITE
from synthfaces.sitter import EYES, MOUTH, NOSE, SIDES, Sitter

if TYPE_CHECKING:
    pass


def cheeks(canvas: Canvas, sitter: Sitter) -> None:
    """A soft blush."""
    color = sitter.look.blush
    if color is None:
        return
    strength = 0.27 if sitter.attributes.is_woman else 0.18
    for side in SIDES:
        x, y = sitter.at(14 * side, 61 - 0.8 * sitter.attributes.smile)
        fading = ((color, strength * share) for share in (1.0, 0.5, 0.0))
        canvas.fill(oval(x, y, 8, 6.5), radial((x, y), 7.5, *fading))


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
        socket = oval(x, y, half_width * 1.15, half_height * 1.35)
        canvas.soft(socket, sitter.look.skin_shadow, alpha=0.34, blur=1.7)


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
            glow = radial((x, y + 1.2), radius, (mix(look.iris, WHITE, 0.22), 1), (look.iris, 1))
            canvas.fill(oval(x, y, radius * 0.86, radius * 0.86), glow)
            canvas.fill(oval(x, y, radius * 0.46, radius * 0.46), look.pupil)
            lid_shadow = oval(x, y - half_height - 0.2, half_width, 1.5)
            canvas.soft(lid_shadow, look.lashes, alpha=0.4, blur=0.7)
        if look.catch_light:
            spark, shift = 0.27 * radius, 0.36 * math.tanh(3 * a.light) * radius
            canvas.fill(oval(x + shift, y - 0.36 * radius, spark, spark), look.catch_light)
        if not look.flat:
            fold = line(*((px, py - 2.2) for px, py in upper[1:]))
            canvas.stroke(fold, look.skin_shadow, 0.8, alpha=0.5, blur=0.3)
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
    inner = height - 0.1 + tilt + 1.2 * look.brow_lowering
    peak, outer = height - 1.2 - 0.3 * tilt, height + 1.3 - tilt
    above, below = thickness * 0.6, thickness * 0.7
    for side in SIDES:
        near, middle, far = ((sitter.eye_distance + u) * side for u in (-6.6, 1.5, 7.6))
        upper = [(near, inner - above), (middle, peak - above), (far, outer)]
        lower = [(far, outer + 0.4), (middle, peak + above), (near, inner + below)]
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
        slope = [sitter.at(5.2 * side, 42), sitter.at(3.2 * side, 49)]
        slope += [(x + 0.62 * w * side, y - 4), (x + 1.05 * w * side, y)]
        ridge = [(x + 0.3 * w * side, y - 1), sitter.at(1.6 * side, 50), sitter.at(2.6 * side, 43)]
        canvas.fill(shape(slope, ridge), shade, alpha=strength, blur=1.2)
    canvas.fill(oval(x, y + 2.2, w * 0.95, 1.7), shade, alpha=0.42, blur=1.0)
    canvas.fill(oval(x, y - 0.4, w * 0.72, 2.3), mix(look.skin, look.skin_light, 0.35), alpha=0.55, blur=1.0)
    canvas.fill(oval(x + 0.8 * light, y - 1.1, 1.5, 1.2), WHITE, alpha=0.3, blur=0.8)
    canvas.fill(oval(x + 0.5 * light, sitter.y(50), 1.1, 4.5), look.skin_light, alpha=0.4, blur=1.0)
    for side in SIDES:
        wing = ((x + out * w * side, y + down) for out, down in ((0.86, -1.9), (1.08, 0.3), (0.8, 1.7)))
        canvas.stroke(line(*wing), shade, 0.9, alpha=0.6, blur=0.35)
        nostril = oval(x + 0.46 * w * side, y + 1.5, 1.15, 0.75)
        canvas.fill(nostril, mix(shade, BLACK, 0.45), alpha=0.85, blur=0.3)


def mouth(canvas: Canvas, sitter: Sitter) -> None:
    """Lips; a wide smile opens them and shows the teeth."""
    look, a = sitter.look, sitter.attributes
    w = (8.6 + 0.7 * a.mouth_width + 1.7 * max(0.0, a.smile)) * look.mouth_scale
    smile, gap = a.smile, 4.6 * a.mouth_opening * look.mouth_scale
    corner, middle = MOUTH - 2.0 * smile, MOUTH + 0.5 * smile - 0.3 * gap
    bottom = middle + gap
    full = (1.1 if a.is_woman else 0.85) * look.mouth_scale
    top, low = middle - 2.5 * full, bottom + 3.6 * full

    def sag(share: float, depth: float) -> float:
        """A height between the corners of the mouth and ``depth``."""
        return (1 - share) * corner + share * depth

    ends = (w, corner)
    parting = sitter.arch([(0, middle + 0.35), (0.5 * w, sag(0.65, middle) + 0.1), ends])
    bow = [(0, top + 0.45), (0.18 * w, top - 0.3), (0.5 * w, sag(0.7, top) + 0.1), ends]
    upper_edge = sitter.arch(bow)[::-1]
    lower_edge = sitter.arch([(0, bottom + 0.6), (0.55 * w, sag(0.7, bottom)), ends])[::-1]
    bottom_edge = sitter.arch([(0, low), (0.55 * w, sag(0.78, low)), ends])
    canvas.soft(oval(*sitter.at(0, low + 1.6), w * 0.55, 1.3), look.skin_shadow, alpha=0.4, blur=1.0)
    if gap > 0.3:
        inside = shape(parting, lower_edge)
        canvas.fill(inside, look.mouth_inside)
        with canvas.clipped(inside):
            canvas.fill(oval(*sitter.at(0, bottom + 0.6), w * 0.5, gap * 0.45), look.tongue, alpha=0.9)
            bite = [(0, middle + 0.62 * gap), (0.5 * w, sag(0.6, middle + 0.55 * gap)), ends]
            teeth = shape(parting, sitter.arch(bite)[::-1])
            canvas.fill(teeth, look.teeth)
    upper_lip = shape(upper_edge, parting)
    lower_lip = shape(bottom_edge, lower_edge)
    canvas.fill(upper_lip, mix(look.lip, look.skin_shadow, 0.25))
    canvas.fill(lower_lip, look.lip)
    with canvas.clipped(lower_lip):
        shine = oval(*sitter.at(1.5 * a.light, bottom + 2.1 * full), w * 0.4, 0.8)
        canvas.soft(shine, WHITE, alpha=0.4, blur=0.7)
    dark = mix(mix(look.lip, look.skin_shadow, 0.6), BLACK, 0.4)
    if gap <= 0.3:
        canvas.stroke(line(*parting), dark, 0.9)
    for side in SIDES:
        x, y = sitter.at(w * side, corner)
        canvas.soft(oval(x, y, 1.1, 1.1), dark, alpha=0.5, blur=0.5)
    canvas.ink(shape(upper_edge, parting), 0.4)
