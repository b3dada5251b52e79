"""Wasserstein distances of two sets of pictures: their patches, colours and edges, without any network."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError

_COARSEST = 16
_PATCH = 7
_PIXELS, _COLOR_DIRECTIONS, _EDGE_DIRECTIONS = 256, 64, 16
_EIGHT_BIT_STEP = 2 / 255
_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


@torch.no_grad()
def sliced_wasserstein_distance(
    first: Tensor, second: Tensor, *, patches: int = 128, projections: int = 512, seed: int = 0
) -> dict[int, float]:
    """Compare the patches of two sets of pictures, at each scale of their Laplacian pyramids.

    Karras et al. 2018, arXiv:1710.10196: patches of 7 × 7 pixels at random places are projected onto random
    directions, and the distance is the mean of those of the projections. Fine scales are strokes and texture,
    the coarsest is the composition. There, each set is normalised by its own mean and deviation of each
    channel; here both are divided by the geometric mean of their deviations, so that colour, contrast and
    blur count. Two sets of one distribution are not at 0: compare with the distance of two true sets.

    Args:
        first: pictures (N, 3, H, W), about [-1, 1], H and W at least 16.
        second: pictures (M, 3, H, W). Exact if one of N and M divides the other.
        patches: of each picture and scale.
        projections: random directions.
        seed: of the places, which are the same in both sets, and of the directions.

    Returns:
        The distance by scale, from H down to 16 pixels high: 0 or more, in standard deviations.

    Raises:
        ShapeError: if the pictures are of other shapes or smaller.
        InputError: if numbers are not finite, or `patches` or `projections` is below 1.
    """
    _check(first, second, least=_COARSEST)
    if min(patches, projections) < 1:
        raise InputError(f"patches is {patches} and projections {projections}; expected 1 or more of each")
    towards = _directions(projections, 3 * _PATCH**2, seed)
    distances = {}
    for a, b in zip(_laplacian_pyramid(first), _laplacian_pyramid(second), strict=True):
        sets = [_patches(level, _PATCH, patches, seed) for level in (a, b)]
        deviations = torch.stack([each.std((0, 2, 3)) for each in sets]).clamp(min=_EIGHT_BIT_STEP)
        scale = deviations.prod(0).sqrt()[:, None, None]
        points, others = ((each / scale).flatten(1) for each in sets)
        distances[a.shape[2]] = _sliced(points, others, towards)
    return distances


@torch.no_grad()
def color_distance(first: Tensor, second: Tensor, *, seed: int = 0) -> float:
    """Compare the colours of two sets of pictures: how far pixels have to move, on average, to agree.

    The sliced Wasserstein distance (Bonneel et al. 2015) of 256 pixels of each picture in Oklab (Ottosson
    2020), where equal distances look about equally different, over 64 directions. It knows nothing of where
    in the picture a colour is.

    Args:
        first: pictures (N, 3, H, W), [-1, 1], sRGB; values beyond are clipped.
        second: pictures (M, 3, H, W). Exact if one of N and M divides the other.
        seed: of the pixels, which are the same in both sets, and of the directions.

    Returns:
        0 or more, in units of Oklab: black and white are 1 apart, and moving all colours alike gives about
        the length of the move.

    Raises:
        ShapeError: if the pictures are of other shapes.
        InputError: if numbers are not finite.
    """
    _check(first, second)
    towards = _directions(_COLOR_DIRECTIONS, 3, seed)
    a, b = (_patches(oklab(images.float()), 1, _PIXELS, seed).flatten(1) for images in (first, second))
    return 2 * _sliced(a, b, towards)  # the mean of |cos| over directions in space is 1/2


@torch.no_grad()
def edge_distance(first: Tensor, second: Tensor, *, seed: int = 0) -> float:
    """Compare the edges of two sets of pictures: how many, how strong, and which way they run.

    The Wasserstein distance of the slopes of Oklab's lightness along 16 directions, a mean over them, at 256
    pixels of each picture. Slopes are Scharr's (2000), of 3 × 3 pixels.

    Args:
        first: pictures (N, 3, H, W), [-1, 1], sRGB, H and W at least 3; values beyond are clipped.
        second: pictures (M, 3, H, W). Exact if one of N and M divides the other.
        seed: of the pixels, which are the same in both sets.

    Returns:
        0 or more, in lightness per pixel; a change of all slopes by one vector gives its length.

    Raises:
        ShapeError: if the pictures are of other shapes or smaller.
        InputError: if numbers are not finite.
    """
    _check(first, second, least=3)
    angles = torch.arange(_EDGE_DIRECTIONS) * (math.pi / _EDGE_DIRECTIONS)
    towards = torch.stack([angles.cos(), angles.sin()], 1)
    a, b = (_patches(_slopes(images), 1, _PIXELS, seed).flatten(1) for images in (first, second))
    return math.pi / 2 * _sliced(a, b, towards)  # the mean of |cos| over directions in a plane is 2/π


def oklab(images: Tensor) -> Tensor:
    """Turn sRGB pictures into Oklab (Ottosson 2020), a perceptual space of lightness and two colours.

    Args:
        images: (N, 3, H, W), [-1, 1]; values beyond are clipped.

    Returns:
        (N, 3, H, W): lightness from 0, black, to 1, white; green to red, blue to yellow, about [-0.4, 0.4].
    """
    rgb = images.clamp(-1, 1) / 2 + 0.5
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = torch.einsum("oc,nchw->nohw", linear.new_tensor(_CONES), linear).clamp(min=0) ** (1 / 3)
    return torch.einsum("oc,nchw->nohw", linear.new_tensor(_OPPONENTS), cones)


_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OPPONENTS = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def _slopes(images: Tensor) -> Tensor:
    """Derivatives of the lightness to the right and down, (N, 2, H - 2, W - 2)."""
    across = torch.tensor([3.0, 10.0, 3.0])[:, None] * torch.tensor([-1.0, 0.0, 1.0]) / 32
    return F.conv2d(oklab(images.float())[:, :1], torch.stack([across, across.T])[:, None].to(images.device))


def _laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """What each scale adds to the next coarser one, finest first; the coarsest as it is."""
    levels, images = [], images.float()
    while min(images.shape[2:]) >= 2 * _COARSEST:
        coarse = _blur(images)[:, :, ::2, ::2]
        spread = torch.zeros_like(images)
        spread[:, :, ::2, ::2] = 4 * coarse
        levels.append(images - _blur(spread))
        images = coarse
    return [*levels, images]


def _blur(images: Tensor) -> Tensor:
    channels = images.shape[1]
    kernel = torch.outer(_BINOMIAL, _BINOMIAL).to(images).expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def _patches(images: Tensor, size: int, count: int, seed: int) -> Tensor:
    """Cut squares out of each picture, at places that its number decides; (N · count, C, size, size)."""
    windows = images.unfold(2, size, 1).unfold(3, size, 1)
    rows, columns = windows.shape[2:4]
    rng = torch.Generator().manual_seed(seed)
    at = torch.randint(rows * columns, (len(images), count), generator=rng).to(images.device)
    picture = torch.arange(len(images), device=images.device)[:, None]
    return windows[picture, :, at // columns, at % columns].flatten(0, 1)


def _directions(count: int, dim: int, seed: int) -> Tensor:
    """Random unit vectors (count, dim)."""
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def _sliced(first: Tensor, second: Tensor, towards: Tensor) -> float:
    """Mean over directions (K, D) of the Wasserstein distance of points (N, D) and (M, D) along them."""
    distances = []
    longest = np.arange(max(len(first), len(second)))
    for few in torch.split(towards.to(first), 32):
        # NumPy sorts floats ten times as fast as PyTorch does on a CPU.
        a, b = (np.sort((few @ points.T).cpu().numpy(), axis=1) for points in (first, second))
        a, b = (ranks[:, longest * ranks.shape[1] // len(longest)] for ranks in (a, b))
        distances.append(np.abs(a - b).mean(axis=1))
    return float(np.concatenate(distances).mean())


def _check(first: Tensor, second: Tensor, least: int = 1) -> None:
    shapes = [tuple(images.shape) for images in (first, second)]
    if (
        any(len(shape) != 4 or shape[1] != 3 or min(shape) < 1 for shape in shapes)
        or shapes[0][2:] != shapes[1][2:]
        or min(shapes[0][2:]) < least
    ):
        raise ShapeError(
            f"pictures have shapes {shapes[0]} and {shapes[1]}; expected (N, 3, H, W) and (M, 3, H, W), "
            f"H and W at least {least}"
        )
    if not (first.isfinite().all() and second.isfinite().all()):
        raise InputError("pictures hold numbers that are not finite; look at where they come from")
