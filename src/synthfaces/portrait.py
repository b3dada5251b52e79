"""Draws a head and shoulders from its parts, back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthfaces.attributes import Attributes
from synthfaces.canvas import Canvas
from synthfaces.looks import Look
from synthfaces.parts.accessories import earrings, glasses, hat
from synthfaces.parts.features import brows, cheeks, eye_sockets, eyes, mouth, nose, wrinkles
from synthfaces.parts.figure import background, body, ears, head, head_outline
from synthfaces.parts.hair import beard, hair_back, hair_front
from synthfaces.sitter import Sitter


def paint_portrait(attributes: Attributes, look: Look, resolution: int) -> NDArray[np.float32]:
    """The portrait, (resolution, resolution, 3) RGB in [0, 1]."""
    canvas, sitter = Canvas(resolution, look.outline), Sitter(attributes, look)
    background(canvas, sitter)
    with canvas.posed((50.0, 56.0), attributes.roll, 1.03 + 0.03 * attributes.scale):
        hair_back(canvas, sitter)
        body(canvas, sitter)
        (look.ears or ears)(canvas, sitter)
        face(canvas, sitter)
        hair_front(canvas, sitter)
        earrings(canvas, sitter)
        hat(canvas, sitter)
        glasses(canvas, sitter)
        if look.over_all:
            look.over_all(canvas, sitter)
    return canvas.pixels()


def face(canvas: Canvas, sitter: Sitter) -> None:
    """The head with everything that lies on its skin."""
    look, outline = sitter.look, head_outline(sitter)
    head(canvas, sitter, outline)
    with canvas.clipped(outline):
        cheeks(canvas, sitter)
        wrinkles(canvas, sitter)
        if look.under_features:
            look.under_features(canvas, sitter)
    beard(canvas, sitter, outline)
    with canvas.clipped(outline):
        (look.nose or nose)(canvas, sitter)
        eye_sockets(canvas, sitter)
        (look.eyes or eyes)(canvas, sitter)
        (look.brows or brows)(canvas, sitter)
        (look.mouth or mouth)(canvas, sitter)
        if look.over_features:
            look.over_features(canvas, sitter)
    canvas.ink(outline)
