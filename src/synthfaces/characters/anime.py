"""Anime: flat colours, ink outlines, very large eyes."""

from __future__ import annotations

from dataclasses import replace

from synthfaces.appearance import BLACK, WHITE, Appearance, natural_appearance
from synthfaces.attributes import Attributes, mix
from synthfaces.canvas import Canvas, line, linear, oval, shape
from synthfaces.characters.character import Character
from synthfaces.geometry import EYES, SIDES, FaceGeometry

INK = (44.0, 28.0, 40.0)


def appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person as an anime drawing."""
    photo = natural_appearance(attributes)
    hair = _vivid(photo.hair)
    return replace(
        photo,
        skin=mix(photo.skin, (255.0, 236.0, 222.0), 0.25),
        hair=hair,
        hair_shadow=mix(hair, (20.0, 0.0, 40.0), 0.35),
        hair_light=mix(hair, WHITE, 0.42),
        iris=_vivid(photo.iris),
        clothes=_vivid(photo.clothes),
        hat=_vivid(photo.hat),
        brow=mix(photo.brow, INK, 0.5),
        lip=mix(photo.lip, photo.skin, 0.35),
        outline=INK,
        jaw_scale=0.84,
        eye_scale=1.12,
        mouth_scale=0.66,
        brow_scale=0.6,
        brow_lowering=-2.6,
        eyes=_large_eyes,
    )


def _vivid(color: tuple[float, float, float]) -> tuple[float, float, float]:
    """Increase the saturation of a colour by half."""
    gray = sum(color) / 3
    red, green, blue = (max(0.0, min(255.0, gray + 1.5 * (channel - gray) + 8)) for channel in color)
    return red, green, blue


def _large_eyes(canvas: Canvas, face: FaceGeometry) -> None:
    look, a = face.appearance, face.attributes
    w, h = face.eye_size[0] * 0.98, face.eye_size[1] * 1.62
    for side in SIDES:
        m, y = face.eye_distance * side * 1.02, EYES + 1.2
        lid = [
            (m - w * side, y - 0.1 * h),
            (m - 0.6 * w * side, y - 0.78 * h),
            (m + 0.1 * w * side, y - h),
            (m + 0.75 * w * side, y - 0.72 * h),
            (m + w * side, y + 0.05 * h),
        ]
        low = [(m + 0.72 * w * side, y + 0.72 * h), (m, y + 0.92 * h), (m - 0.66 * w * side, y + 0.7 * h)]
        upper, lower = face.points(lid), face.points(low)
        opening = shape(upper, lower)
        canvas.fill(opening, WHITE)
        x, iris_y = face.point(m, y)
        x += 0.9 * a.yaw
        with canvas.clip(opening):
            tall = oval(x, iris_y, 0.68 * w, 0.9 * h)
            tones = mix(look.iris, BLACK, 0.55), look.iris, mix(look.iris, WHITE, 0.5)
            ends = (x, iris_y - h), (x, iris_y + h)
            canvas.fill(tall, linear(*ends, *((tone, 1.0) for tone in tones)))
            canvas.stroke(tall, INK, 0.8)
            canvas.fill(oval(x, iris_y - 0.05 * h, 0.3 * w, 0.42 * h), INK)
        canvas.fill(oval(x - 0.26 * w, iris_y - 0.4 * h, 0.24 * w, 0.24 * h), WHITE)
        canvas.fill(oval(x + 0.28 * w, iris_y + 0.42 * h, 0.13 * w, 0.13 * h), WHITE)
        canvas.stroke(line(*upper), INK, 2.0 if a.is_woman else 1.5)
        canvas.stroke(line(*lower), INK, 0.6)
        if a.is_woman:
            end = upper[-1]
            canvas.stroke(line(upper[-2], end, (end[0] + 1.8 * side, end[1] - 1.4)), INK, 1.3)


CHARACTER = Character(
    "anime",
    (
        "anime drawing",
        "anime picture",
        "anime portrait",
        "anime illustration",
        "manga drawing",
        "manga picture",
        "manga portrait",
        "japanese cartoon",
    ),
    appearance,
    family="mood",
)
