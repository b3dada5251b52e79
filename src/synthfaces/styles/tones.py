"""Tones, lines and textures for the styles. Lengths are in pixels of a 128 px picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from synthfaces.styles.style import Image

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def luminance(picture: Image) -> Image:
    """Return the Rec. 601 luma of a picture (S, S, 3), (S, S)."""
    tone: Image = picture @ _LUMA
    return tone


def blur(image: Image, sigma: float) -> Image:
    """Blur an (S, S) or (S, S, 3) image with a Gaussian over its spatial axes."""
    axes = (sigma, sigma, 0.0)[: image.ndim]
    blurred: Image = ndimage.gaussian_filter(image, axes, mode="nearest", truncate=3.0)
    return blurred


def smoothstep(values: Image, low: float, high: float) -> Image:
    """Interpolate smoothly from 0 at ``low`` to 1 at ``high``, which may be less than ``low``."""
    t: Image = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def saturate(picture: Image, amount: float) -> Image:
    """Scale the saturation by ``amount``; the result may leave [0, 1]."""
    grey = luminance(picture)[..., None]
    pushed: Image = grey + (picture - grey) * np.float32(amount)
    return pushed


def mix(first: Image, second: Image, amount: Image | float) -> Image:
    """Interpolate linearly from ``first`` to ``second``; the amount may be an (S, S) mask."""
    if isinstance(amount, np.ndarray) and amount.ndim < first.ndim:
        amount = amount[..., None]
    return first + (second - first) * amount


def paint(tone: Image, shadow: tuple[float, float, float], light: tuple[float, float, float]) -> Image:
    """Map tones (S, S) to colours, from ``shadow`` at 0 to ``light`` at 1."""
    dark = np.array(shadow, np.float32)
    return dark + tone[..., None] * (np.array(light, np.float32) - dark)


def exposure(tone: Image, skin: float) -> float:
    """Return the gain that brings the face, in the middle of a portrait, to the tone ``skin``.

    A gain keeps the ratios of tones, so dark and light skin have the same contrast with eyes and lips.
    """
    size = tone.shape[0]
    face = tone[int(0.40 * size) : int(0.72 * size), int(0.38 * size) : int(0.62 * size)]
    return float(np.clip(skin / (np.percentile(face, 65) + 1e-3), 0.4, 4.0))


def local_contrast(tone: Image, sigma: float) -> Image:
    """Divide tones by their local mean, with radius ``sigma``: 1 on flat areas, lower on dark details."""
    return (tone + 0.02) / (blur(tone, sigma) + 0.02)


def outlines(picture: Image, sigma: float = 1.0) -> Image:
    """Return lines along edges, (S, S) in [0, 1), about 0.5 and more on a contour.

    Edges are found in the logarithms of the colours, so that dark and light faces get the same lines, and in
    all channels, so that edges between colours of equal luminance count. They are thinned, and isolated weak
    edges amplified, as one would draw a cheek even where it hardly differs from the background.
    """
    logs = blur(np.log(picture + np.float32(0.12)), sigma)
    down = np.zeros_like(logs)
    right = np.zeros_like(logs)
    down[1:-1] = logs[2:] - logs[:-2]
    right[:, 1:-1] = logs[:, 2:] - logs[:, :-2]
    slope = np.sqrt((down * down + right * right).mean(-1))
    crest: Image = np.maximum(slope - 0.8 * blur(slope, 2.5 * sigma), 0.0)
    lines: Image = crest / (crest + 0.35 * blur(slope, 8.0) + np.float32(0.012 / sigma))
    return lines


@lru_cache(maxsize=64)
def grain(size: int, sigmas: tuple[float, float] = (1.0, 1.0), angle: float = 0.0, layer: int = 0) -> Image:
    """Return a fixed noise texture of mean 0 and standard deviation 1, (size, size), read-only.

    It is the same in every picture, so that a generator can learn it.

    Args:
        size: side in pixels.
        sigmas: blur along and across its direction.
        angle: direction, in degrees counterclockwise from the horizontal.
        layer: seed; different layers are independent.
    """
    pad = size // 2
    noise = np.random.default_rng(layer).standard_normal((size + 2 * pad, size + 2 * pad))
    noise = ndimage.gaussian_filter(noise, (sigmas[1], sigmas[0]))
    if angle:
        noise = ndimage.rotate(noise, angle, reshape=False, order=1)
    noise = noise[pad : pad + size, pad : pad + size]
    texture: Image = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    texture.setflags(write=False)
    return texture


@lru_cache(maxsize=64)
def stripes(size: int, period: float, angle: float) -> Image:
    """Return a fixed sine wave in [0, 1], (size, size), read-only: lines at ``angle`` degrees."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    across = x * np.sin(np.deg2rad(angle)) + y * np.cos(np.deg2rad(angle))
    wave: Image = (0.5 + 0.5 * np.cos(2 * np.pi * across / period)).astype(np.float32)
    wave.setflags(write=False)
    return wave


@lru_cache(maxsize=64)
def dots(size: int, period: float) -> Image:
    """Return a fixed halftone screen at 45 degrees, in [0, 1], (size, size), read-only.

    ``dots(...) < t`` covers about a share t of the area with round dots.
    """
    y, x = np.mgrid[:size, :size].astype(np.float32)
    u, v = (x + y) * np.float32(np.pi / period), (x - y) * np.float32(np.pi / period)
    screen: Image = (0.5 - 0.25 * (np.cos(u) + np.cos(v))).astype(np.float32)
    screen.setflags(write=False)
    return screen


@lru_cache(maxsize=8)
def radius(size: int) -> Image:
    """Return the distance from the centre, 1 at the middle of each side, (size, size), read-only."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    distance: Image = np.hypot(axis[:, None], axis[None, :]).astype(np.float32)
    distance.setflags(write=False)
    return distance


def finish(image: Image) -> Image:
    """Clip to [0, 1] and convert to float32, as every style returns."""
    return np.clip(image, 0.0, 1.0).astype(np.float32, copy=False)
