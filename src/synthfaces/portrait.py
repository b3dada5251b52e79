"""Drawing a head and shoulders, part by part from back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthfaces.appearance import Appearance
from synthfaces.attributes import Attributes
from synthfaces.canvas import Canvas
from synthfaces.geometry import FaceGeometry
from synthfaces.parts.accessories import paint_earrings, paint_glasses, paint_hat
from synthfaces.parts.body import head_outline, paint_background, paint_body, paint_ears, paint_head
from synthfaces.parts.features import (
    paint_brows,
    paint_cheeks,
    paint_eye_sockets,
    paint_eyes,
    paint_mouth,
    paint_nose,
    paint_wrinkles,
)
from synthfaces.parts.hair import paint_beard, paint_hair_back, paint_hair_front


def paint_portrait(attributes: Attributes, appearance: Appearance, resolution: int) -> NDArray[np.float32]:
    """Draw a portrait.

    Args:
        attributes: the face.
        appearance: colours and drawing options.
        resolution: side in pixels.

    Returns: (resolution, resolution, 3) RGB in [0, 1].
    """
    canvas, face = Canvas(resolution, appearance.outline), FaceGeometry(attributes, appearance)
    paint_background(canvas, face)
    with canvas.transform((50.0, 56.0), attributes.roll, 1.03 + 0.03 * attributes.scale):
        paint_hair_back(canvas, face)
        paint_body(canvas, face)
        (appearance.ears or paint_ears)(canvas, face)
        _paint_face(canvas, face)
        paint_hair_front(canvas, face)
        paint_earrings(canvas, face)
        paint_hat(canvas, face)
        paint_glasses(canvas, face)
        if appearance.overlay:
            appearance.overlay(canvas, face)
    return canvas.pixels()


def _paint_face(canvas: Canvas, face: FaceGeometry) -> None:
    """Draw the head and everything that lies on its skin."""
    look, outline = face.appearance, head_outline(face)
    paint_head(canvas, face, outline)
    with canvas.clip(outline):
        paint_cheeks(canvas, face)
        paint_wrinkles(canvas, face)
        if look.under_features:
            look.under_features(canvas, face)
    paint_beard(canvas, face, outline)
    with canvas.clip(outline):
        (look.nose or paint_nose)(canvas, face)
        paint_eye_sockets(canvas, face)
        (look.eyes or paint_eyes)(canvas, face)
        (look.brows or paint_brows)(canvas, face)
        (look.mouth or paint_mouth)(canvas, face)
        if look.over_features:
            look.over_features(canvas, face)
    canvas.ink(outline)
