"""Facial features: cheeks, wrinkles, eyes, brows, nose and mouth."""

from __future__ import annotations

import math

from synthfaces.appearance import BLACK, WHITE
from synthfaces.attributes import mix
from synthfaces.canvas import Canvas, Point, line, oval, radial, shape
from synthfaces.geometry import EYES, MOUTH, NOSE, SIDES, FaceGeometry


def paint_cheeks(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw a soft blush."""
    color = face.appearance.blush
    if color is None:
        return
    strength = 0.27 if face.attributes.is_woman else 0.18
    for side in SIDES:
        x, y = face.point(14 * side, 61 - 0.8 * face.attributes.smile)
        fading = ((color, strength * share) for share in (1.0, 0.5, 0.0))
        canvas.fill(oval(x, y, 8, 6.5), radial((x, y), 7.5, *fading))


def paint_wrinkles(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw lines on the forehead, beside the nose and around the eyes."""
    depth = face.attributes.wrinkles
    if depth == 0.0 or face.appearance.flat:
        return
    shade = face.appearance.skin_shadow
    for height in (27.0, 31.0):
        crease = line(*face.points([(-11, height + 0.8), (-5, height), (5, height), (11, height + 0.8)]))
        canvas.stroke(crease, shade, 0.9, alpha=0.5 * depth, blur=0.4)
    for side in SIDES:
        fold = line(*face.points([(6.2 * side, 59), (9.5 * side, 62.5), (11.8 * side, 68)]))
        bag = line(*face.points([(6.5 * side, 52.6), (11 * side, 54.4), (15.5 * side, 52.6)]))
        crow = line(*face.points([(19 * side, 46), (22 * side, 44.6)]))
        canvas.stroke(fold, shade, 1.2, alpha=0.7 * depth, blur=0.5)
        canvas.stroke(bag, shade, 1.1, alpha=0.55 * depth, blur=0.5)
        canvas.stroke(crow, shade, 0.8, alpha=0.5 * depth, blur=0.3)


def paint_eye_sockets(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the shadow below the brows, darkest beside the nose."""
    half_width, half_height = face.eye_size
    for side in SIDES:
        x, y = face.point((face.eye_distance - 1) * side, EYES - 1.6)
        socket = oval(x, y, half_width * 1.15, half_height * 1.35)
        canvas.fill_soft(socket, face.appearance.skin_shadow, alpha=0.34, blur=1.7)


def _eye_outline(face: FaceGeometry, side: float) -> tuple[list[Point], list[Point]]:
    """Return the upper lid from the inner to the outer corner, and the lower lid back."""
    middle, (w, h) = face.eye_distance * side, face.eye_size
    low = h * (0.8 - 0.1 * max(0.0, face.attributes.smile))
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
    return face.points(upper), face.points(lower)


def paint_eyes(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw both eyes: white, iris, pupil, catch light and lids."""
    look, a = face.appearance, face.attributes
    half_width, half_height = face.eye_size
    for side in SIDES:
        upper, lower = _eye_outline(face, side)
        opening = shape(upper, lower)
        canvas.fill(opening, look.eye_white)
        x, y = face.point(face.eye_distance * side, EYES - 0.25)
        x += 0.9 * a.yaw
        radius = 0.78 * half_height
        with canvas.clip(opening):
            canvas.fill(oval(x, y, radius, radius), mix(look.iris, BLACK, 0.45))
            glow = radial((x, y + 1.2), radius, (mix(look.iris, WHITE, 0.22), 1), (look.iris, 1))
            canvas.fill(oval(x, y, radius * 0.86, radius * 0.86), glow)
            canvas.fill(oval(x, y, radius * 0.46, radius * 0.46), look.pupil)
            lid_shadow = oval(x, y - half_height - 0.2, half_width, 1.5)
            canvas.fill_soft(lid_shadow, look.lashes, alpha=0.4, blur=0.7)
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


def paint_brows(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the brows as two tapering arcs."""
    look, a = face.appearance, face.attributes
    thickness = ((1.25 if a.is_woman else 1.9) + 0.25 * a.brow_thickness) * look.brow_scale
    height = EYES - 4.4 - face.eye_size[1] + look.brow_lowering - 0.5 * max(0.0, a.smile)
    tilt = 0.75 * a.brow_tilt
    inner = height - 0.1 + tilt + 1.2 * look.brow_lowering
    peak, outer = height - 1.2 - 0.3 * tilt, height + 1.3 - tilt
    above, below = thickness * 0.6, thickness * 0.7
    for side in SIDES:
        near, middle, far = ((face.eye_distance + u) * side for u in (-6.6, 1.5, 7.6))
        upper = [(near, inner - above), (middle, peak - above), (far, outer)]
        lower = [(far, outer + 0.4), (middle, peak + above), (near, inner + below)]
        brow = shape(face.points(upper), face.points(lower))
        canvas.fill(brow, look.brow, alpha=0.92, blur=0.0 if look.flat else 0.3)


def paint_nose(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the nose by its shadows: beside the bridge, around the wings and under the tip."""
    look, a = face.appearance, face.attributes
    shade, light = look.skin_shadow, a.light
    w = (4.3 if a.is_woman else 4.9) * (1.0 + 0.1 * a.nose_width)
    tip = NOSE + 0.9 * a.nose_length + 0.4 * a.pitch
    x, y = face.x(0) + 2.2 * a.yaw, face.y(tip)
    if look.flat:
        canvas.stroke(line((x - 0.4, y - 3), (x + 1.6, y + 0.4), (x - 0.2, y + 0.9)), look.skin_shadow, 0.9)
        return
    for side in SIDES:
        strength = 0.22 - 0.2 * side * light
        slope = [face.point(5.2 * side, 42), face.point(3.2 * side, 49)]
        slope += [(x + 0.62 * w * side, y - 4), (x + 1.05 * w * side, y)]
        ridge = [(x + 0.3 * w * side, y - 1), face.point(1.6 * side, 50), face.point(2.6 * side, 43)]
        canvas.fill(shape(slope, ridge), shade, alpha=strength, blur=1.2)
    canvas.fill(oval(x, y + 2.2, w * 0.95, 1.7), shade, alpha=0.42, blur=1.0)
    canvas.fill(oval(x, y - 0.4, w * 0.72, 2.3), mix(look.skin, look.skin_light, 0.35), alpha=0.55, blur=1.0)
    canvas.fill(oval(x + 0.8 * light, y - 1.1, 1.5, 1.2), WHITE, alpha=0.3, blur=0.8)
    canvas.fill(oval(x + 0.5 * light, face.y(50), 1.1, 4.5), look.skin_light, alpha=0.4, blur=1.0)
    for side in SIDES:
        wing = ((x + out * w * side, y + down) for out, down in ((0.86, -1.9), (1.08, 0.3), (0.8, 1.7)))
        canvas.stroke(line(*wing), shade, 0.9, alpha=0.6, blur=0.35)
        nostril = oval(x + 0.46 * w * side, y + 1.5, 1.15, 0.75)
        canvas.fill(nostril, mix(shade, BLACK, 0.45), alpha=0.85, blur=0.3)


def paint_mouth(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the lips; a wide smile parts them and shows the teeth."""
    look, a = face.appearance, face.attributes
    w = (8.6 + 0.7 * a.mouth_width + 1.7 * max(0.0, a.smile)) * look.mouth_scale
    smile, gap = a.smile, 4.6 * a.mouth_opening * look.mouth_scale
    corner, middle = MOUTH - 2.0 * smile, MOUTH + 0.5 * smile - 0.3 * gap
    bottom = middle + gap
    full = (1.1 if a.is_woman else 0.85) * look.mouth_scale
    top, low = middle - 2.5 * full, bottom + 3.6 * full

    def blend(share: float, depth: float) -> float:
        """Interpolate between the height of the corners of the mouth and ``depth``."""
        return (1 - share) * corner + share * depth

    ends = (w, corner)
    parting = face.arch([(0, middle + 0.35), (0.5 * w, blend(0.65, middle) + 0.1), ends])
    bow = [(0, top + 0.45), (0.18 * w, top - 0.3), (0.5 * w, blend(0.7, top) + 0.1), ends]
    upper_edge = face.arch(bow)[::-1]
    lower_edge = face.arch([(0, bottom + 0.6), (0.55 * w, blend(0.7, bottom)), ends])[::-1]
    bottom_edge = face.arch([(0, low), (0.55 * w, blend(0.78, low)), ends])
    canvas.fill_soft(oval(*face.point(0, low + 1.6), w * 0.55, 1.3), look.skin_shadow, alpha=0.4, blur=1.0)
    if gap > 0.3:
        inside = shape(parting, lower_edge)
        canvas.fill(inside, look.mouth_inside)
        with canvas.clip(inside):
            canvas.fill(oval(*face.point(0, bottom + 0.6), w * 0.5, gap * 0.45), look.tongue, alpha=0.9)
            bite = [(0, middle + 0.62 * gap), (0.5 * w, blend(0.6, middle + 0.55 * gap)), ends]
            teeth = shape(parting, face.arch(bite)[::-1])
            canvas.fill(teeth, look.teeth)
    upper_lip = shape(upper_edge, parting)
    lower_lip = shape(bottom_edge, lower_edge)
    canvas.fill(upper_lip, mix(look.lip, look.skin_shadow, 0.25))
    canvas.fill(lower_lip, look.lip)
    with canvas.clip(lower_lip):
        shine = oval(*face.point(1.5 * a.light, bottom + 2.1 * full), w * 0.4, 0.8)
        canvas.fill_soft(shine, WHITE, alpha=0.4, blur=0.7)
    dark = mix(mix(look.lip, look.skin_shadow, 0.6), BLACK, 0.4)
    if gap <= 0.3:
        canvas.stroke(line(*parting), dark, 0.9)
    for side in SIDES:
        x, y = face.point(w * side, corner)
        canvas.fill_soft(oval(x, y, 1.1, 1.1), dark, alpha=0.5, blur=0.5)
    canvas.ink(shape(upper_edge, parting), 0.4)
