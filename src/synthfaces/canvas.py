"""A square raster canvas on top of skia: 100 units per side, the origin at the top left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from synthfaces.attributes import Color
from synthfaces.errors import DrawingError

try:
    import skia
except ImportError as error:
    raise DrawingError(
        f"skia could not be imported ({error}). Install the Python package 'skia-python'; on Linux it also "
        "needs the system libraries libGL and libEGL (on Debian and Ubuntu: apt install libgl1 libegl1)."
    ) from error

UNITS = 100.0
Point = tuple[float, float]
Stop = tuple[Color, float]
"""A gradient stop: its colour and its opacity, 0 to 1."""


class Canvas:
    """A square picture on which paths are filled and stroked.

    Args:
        resolution: side in pixels.
        outline: colour of the outlines. If given, the drawing is flat: every shape has one colour and an
            outline, without gradients or blurred shading.
    """

    def __init__(self, resolution: int, outline: Color | None = None) -> None:
        self.outline = outline
        self._surface = skia.Surface(resolution, resolution)
        self._canvas = self._surface.getCanvas()
        self._canvas.scale(resolution / UNITS, resolution / UNITS)

    def fill(
        self, path: skia.Path, paint: Color | skia.Shader, *, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        """Fill a path with a colour or a gradient; ``blur`` is the width of its soft edge, in units."""
        brush = skia.Paint(AntiAlias=True)
        if isinstance(paint, tuple):
            brush.setColor(_skia_color(paint, alpha))
        else:
            brush.setShader(paint)
            brush.setAlphaf(alpha)
        self._draw(path, brush, blur)

    def stroke(
        self, path: skia.Path, color: Color, width: float, *, alpha: float = 1.0, blur: float = 0.0
    ) -> None:
        """Stroke a path with round caps and joins."""
        brush = skia.Paint(
            AntiAlias=True,
            Color=_skia_color(color, alpha),
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=width,
            StrokeCap=skia.Paint.kRound_Cap,
            StrokeJoin=skia.Paint.kRound_Join,
        )
        self._draw(path, brush, blur)

    def shade(self, path: skia.Path, color: Color, gradient: skia.Shader) -> None:
        """Fill a path with a gradient, or with a single colour in a flat drawing."""
        self.fill(path, gradient if self.outline is None else color)

    def fill_soft(self, path: skia.Path, color: Color, *, alpha: float, blur: float) -> None:
        """Fill a path with a blurred highlight or shadow; skipped in a flat drawing."""
        if self.outline is None:
            self.fill(path, color, alpha=alpha, blur=blur)

    def ink(self, path: skia.Path, width: float = 1.0) -> None:
        """Outline a path in a flat drawing; skipped otherwise."""
        if self.outline is not None:
            self.stroke(path, self.outline, width)

    @contextmanager
    def clip(self, path: skia.Path) -> Iterator[None]:
        """Restrict drawing to the inside of a path."""
        self._canvas.save()
        self._canvas.clipPath(path, skia.ClipOp.kIntersect, True)
        yield
        self._canvas.restore()

    @contextmanager
    def transform(self, center: Point, degrees: float, scale: float) -> Iterator[None]:
        """Rotate and scale what is drawn about ``center``."""
        self._canvas.save()
        self._canvas.translate(*center)
        self._canvas.rotate(degrees)
        self._canvas.scale(scale, scale)
        self._canvas.translate(-center[0], -center[1])
        yield
        self._canvas.restore()

    def pixels(self) -> NDArray[np.float32]:
        """Return the picture, (resolution, resolution, 3) RGB in [0, 1]."""
        rgba = self._surface.toarray(colorType=skia.ColorType.kRGBA_8888_ColorType)
        rgb: NDArray[np.float32] = rgba[:, :, :3].astype(np.float32) / np.float32(255.0)
        return rgb

    def _draw(self, path: skia.Path, brush: skia.Paint, blur: float) -> None:
        if blur:
            brush.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self._canvas.drawPath(path, brush)


def oval(x: float, y: float, radius_x: float, radius_y: float) -> skia.Path:
    """Return an axis-aligned ellipse centred on (x, y)."""
    path = skia.Path()
    path.addOval(skia.Rect.MakeLTRB(x - radius_x, y - radius_y, x + radius_x, y + radius_y))
    return path


def box(left: float, top: float, right: float, bottom: float) -> skia.Path:
    """Return an axis-aligned rectangle."""
    path = skia.Path()
    path.addRect(skia.Rect.MakeLTRB(left, top, right, bottom))
    return path


def circles(discs: Sequence[tuple[float, float, float]]) -> skia.Path:
    """Return the union of discs, each given as (x, y, radius)."""
    path = skia.Path()
    for x, y, radius in discs:
        path.addCircle(x, y, radius)
    return path


def line(*points: Point) -> skia.Path:
    """Return a smooth open curve through the points."""
    path = skia.Path()
    path.moveTo(*points[0])
    _append_smooth(path, points)
    return path


def shape(*sides: Sequence[Point]) -> skia.Path:
    """Return a closed path of smooth sides that meet in corners."""
    path = skia.Path()
    path.moveTo(*sides[0][0])
    for index, side in enumerate(sides):
        if index:
            path.lineTo(*side[0])
        _append_smooth(path, side)
    path.close()
    return path


def blob(points: Sequence[Point]) -> skia.Path:
    """Return a smooth closed curve through the points."""
    count = len(points)
    path = skia.Path()
    path.moveTo(*points[0])
    for index in range(count):
        before, start = points[index - 1], points[index]
        end, after = points[(index + 1) % count], points[(index + 2) % count]
        _append_segment(path, before, start, end, after)
    path.close()
    return path


def radial(center: Point, radius: float, *stops: Stop) -> skia.Shader:
    """Return a radial gradient with evenly spaced stops."""
    return skia.GradientShader.MakeRadial(
        skia.Point(*center), radius, [_skia_color(color, alpha) for color, alpha in stops]
    )


def linear(start: Point, end: Point, *stops: Stop) -> skia.Shader:
    """Return a linear gradient with evenly spaced stops."""
    return skia.GradientShader.MakeLinear(
        [skia.Point(*start), skia.Point(*end)], [_skia_color(color, alpha) for color, alpha in stops]
    )


def _append_smooth(path: skia.Path, points: Sequence[Point]) -> None:
    padded = [points[0], *points, points[-1]]
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        _append_segment(path, before, start, end, after)


def _append_segment(path: skia.Path, before: Point, start: Point, end: Point, after: Point) -> None:
    """Append one Catmull-Rom segment as a cubic Bézier curve."""
    path.cubicTo(
        start[0] + (end[0] - before[0]) / 6,
        start[1] + (end[1] - before[1]) / 6,
        end[0] - (after[0] - start[0]) / 6,
        end[1] - (after[1] - start[1]) / 6,
        *end,
    )


def _skia_color(color: Color, alpha: float) -> int:
    red, green, blue = (int(max(0.0, min(255.0, channel)) + 0.5) for channel in color)
    return int(skia.Color(red, green, blue, int(255 * max(0.0, min(1.0, alpha)) + 0.5)))
