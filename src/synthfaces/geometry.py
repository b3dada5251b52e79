"""Positions and sizes of a face's features, in canvas units.

The canvas is 100 units wide and high. A point on the face is given as (u, y), where u is its horizontal
distance from the midline of a face seen from the front; `FaceGeometry.point` applies the turn of the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from synthfaces.appearance import Appearance
from synthfaces.attributes import Attributes
from synthfaces.canvas import Point

TOP, EYES, NOSE, MOUTH = 13.0, 47.0, 59.5, 68.8
"""Heights of the top of the skull, the eyes, the tip of the nose and the line between the lips."""
SIDES = (-1.0, 1.0)
_FACE_RADIUS = 27.0


@dataclass(frozen=True)
class FaceGeometry:
    """A face to draw: its attributes, its appearance, and the measurements that follow from them."""

    attributes: Attributes
    appearance: Appearance

    @property
    def center(self) -> float:
        """Horizontal position of the middle of the head."""
        return 50.0 + 0.8 * self.attributes.yaw

    @property
    def width(self) -> float:
        """Half the width of the head."""
        return 24.3 * (1.0 + 0.033 * self.attributes.head_width)

    @property
    def jaw(self) -> float:
        """Half the width of the jaw."""
        share = (0.84 if self.attributes.is_woman else 0.93) + 0.045 * self.attributes.jaw
        return self.width * share * self.appearance.jaw_scale

    @property
    def chin(self) -> float:
        """Height of the lowest point of the face."""
        base = 81.5 if self.attributes.is_woman else 83.0
        return base + 1.1 * self.attributes.chin + 0.8 * self.attributes.pitch

    @property
    def eye_distance(self) -> float:
        """Distance from the midline to the centre of an eye."""
        return 11.0 + 0.4 * self.attributes.eye_spacing

    @property
    def eye_size(self) -> Point:
        """Half the width and half the height of an eye."""
        size = (1.0 + 0.06 * self.attributes.eye_size) * self.appearance.eye_scale
        return 6.5 * size, 4.0 * size

    @property
    def brim(self) -> float:
        """Height of the lower edge of a hat at the middle of the forehead."""
        return 29.5 + 2.0 * self.attributes.pitch

    def x(self, u: float) -> float:
        """Horizontal canvas position of a point on the face, a cylinder that turns with the head."""
        angle = math.asin(max(-1.0, min(1.0, u / _FACE_RADIUS))) + 0.3 * self.attributes.yaw
        return self.center + _FACE_RADIUS * math.sin(angle)

    def y(self, height: float) -> float:
        """Vertical canvas position of a height on the face when the head nods."""
        return height + 2.4 * self.attributes.pitch

    def point(self, u: float, height: float) -> Point:
        """Canvas position of a point on the face."""
        return self.x(u), self.y(height)

    def points(self, points: Sequence[Point]) -> list[Point]:
        """Canvas positions of several points on the face."""
        return [self.point(u, height) for u, height in points]

    def arch(self, half: Sequence[Point]) -> list[Point]:
        """Canvas positions of a symmetric curve from left to right, given by its right half."""
        return self.points([*((-u, height) for u, height in reversed(half[1:])), *half])

    def mirrored(self, points: Sequence[Point]) -> list[Point]:
        """Points given as (distance from the head's centre, height), followed by their mirror images."""
        right = [(self.center + x, y) for x, y in points]
        return right + [(2 * self.center - x, y) for x, y in reversed(right)]
