"""A face with its look, measured for drawing.

Coordinates are the canvas's 100 units. A point of the face is given as (u, y): ``u`` is the distance
from the middle line of a face seen from the front, which ``Sitter.x`` turns with the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthfaces.attributes import Attributes
from synthfaces.canvas import Point
from synthfaces.looks import Look

if TYPE_CHECKING:
    pass

TOP, EYES, NOSE, MOUTH = 13.0, 47.0, 59.5, 68.8
"""Heights of the skull, the eyes, the tip of the nose and the parting of the lips."""
SIDES = (-1.0, 1.0)
_FACE_RADIUS = 27.0


@dataclass(frozen=True)
class Sitter:
    """A face with its look, measured for drawing."""

    attributes: Attributes
    look: Look

    @property
    def center(self) -> float:
        """The middle of the head."""
        return 50.0 + 0.8 * self.attributes.yaw

    @property
    def width(self) -> float:
        """Half the width of the head."""
        return 24.3 * (1.0 + 0.033 * self.attributes.head_width)

    @property
    def jaw(self) -> float:
        """Half the width of the jaw."""
        share = (0.84 if self.attributes.is_woman else 0.93) + 0.045 * self.attributes.jaw
        return self.width * share * self.look.jaw_scale

    @property
    def chin(self) -> float:
        """The height of the lowest point of the face."""
        base = 81.5 if self.attributes.is_woman else 83.0
        return base + 1.1 * self.attributes.chin + 0.8 * self.attributes.pitch

    @property
    def eye_distance(self) -> float:
        """From the middle line to the middle of an eye."""
        return 11.0 + 0.4 * self.attributes.eye_spacing

    @property
    def eye_size(self) -> Point:
        """Half the width and half the height of an eye."""
        size = (1.0 + 0.06 * self.attributes.eye_size) * self.look.eye_scale
        return 6.5 * size, 4.0 * size

    @property
    def brim(self) -> float:
        """The height of the lower edge of a hat in the middle of the forehead."""
        return 29.5 + 2.0 * self.attributes.pitch

    def x(self, u: float) -> float:
        """Where a point of the face lies across: the face is a cylinder that turns."""
        angle = math.asin(max(-1.0, min(1.0, u / _FACE_RADIUS))) + 0.3 * self.attributes.yaw
        return self.center + _FACE_RADIUS * math.sin(angle)

    def y(self, height: float) -> float:
        """Where a height of the face lies when the head nods."""
        return height + 2.4 * self.attributes.pitch

    def at(self, u: float, height: float) -> Point:
        """A point of the face."""
        return self.x(u), self.y(height)

    def curve(self, points: Sequence[Point]) -> list[Point]:
        """Points of the face."""
        return [self.at(u, height) for u, height in points]

    def arch(self, half: Sequence[Point]) -> list[Point]:
        """A symmetric curve of the face from left to right, given from its middle to the right."""
        return self.curve([*((-u, height) for u, height in reversed(half[1:])), *half])

    def mirrored(self, points: Sequence[Point]) -> list[Point]:
        """Points (distance from the centre of the head, height) and then their mirror images, reversed."""
        right = [(self.center + x, y) for x, y in points]
        return right + [(2 * self.center - x, y) for x, y in reversed(right)]
