"""Random looks: ways to show a face that no caption names, the same for every face that is shown in one.

    python recipes/random_looks.py --output looks.png

draws a sheet: a row for each look, the same faces in each. An encoder that also learns to tell such looks
apart, and faces in any of them, has a use for styles beyond those that the world names.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import synthfaces
from domainvec.images import from_uint8, grid, save_png

Treatment = Callable[[Tensor], Tensor]
"""Pictures (N, 3, H, W) in [-1, 1] to others of that shape."""
_LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


class RandomLook:
    """A framing, perhaps, and one to three treatments, all drawn from ``random``.

    Colours keep neither skin nor hair; what is left of a face is its shapes.
    """

    def __init__(self, random: np.random.Generator) -> None:
        count = int(random.integers(1, 4))
        chosen = random.permutation(len(TREATMENTS))[:count]
        self._treatments = [_framing(random)] if random.random() < 0.5 else []
        self._treatments += [TREATMENTS[i](random) for i in chosen]

    def __call__(self, images: Tensor) -> Tensor:
        """Show pictures (N, 3, H, W) in [-1, 1] in this look; (N, 3, H, W) in [-1, 1]."""
        for treatment in self._treatments:
            images = treatment(images).clamp(-1, 1)
        return images


def _color(random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.uniform(-1, 1, (3, 1, 1)).astype(np.float32))


def _light(images: Tensor) -> Tensor:
    """How light pictures are, (N, 1, H, W) in [0, 1]."""
    return ((images * _LUMA).sum(1, keepdim=True) + 1) / 2


def _interpolated(knots: Tensor, at: Tensor) -> Tensor:
    """Values of a piecewise linear curve with evenly spaced knots (K, …) over [0, 1]."""
    place = at.clamp(0, 1) * (len(knots) - 1)
    low = place.floor().clamp(max=len(knots) - 2)
    before, after = knots[low.long()], knots[low.long() + 1]
    return before + (place - low).reshape(place.shape + (1,) * (before.ndim - place.ndim)) * (after - before)


def _framing(random: np.random.Generator) -> Treatment:
    """Smaller, larger, off centre, turned, cut; what is beyond the picture is its mirror image."""
    scale = math.exp(random.uniform(-0.5, 0.5))
    angle = random.uniform(-0.3, 0.3)
    left, up = random.uniform(-0.4, 0.4, 2)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    window = torch.tensor([[cos, -sin, left], [sin, cos, up]], dtype=torch.float32)

    def framed(images: Tensor) -> Tensor:
        places = F.affine_grid(window.expand(len(images), -1, -1), list(images.shape), align_corners=False)
        return F.grid_sample(images, places, padding_mode="reflection", align_corners=False)

    return framed


def _tones(random: np.random.Generator) -> Treatment:
    """A tone curve for each channel, not always rising."""
    knots = torch.from_numpy(random.uniform(-1, 1, (3, 5)).astype(np.float32))
    if random.random() < 0.6:
        knots = knots.sort(1).values

    def toned(images: Tensor) -> Tensor:
        channels = [
            _interpolated(curve, (x + 1) / 2) for curve, x in zip(knots, images.unbind(1), strict=True)
        ]
        return torch.stack(channels, 1)

    return toned


def _palette(random: np.random.Generator) -> Treatment:
    """From dark to light through a few colours."""
    colors = torch.stack([_color(random)[:, 0, 0] for _ in range(int(random.integers(2, 6)))])

    def painted(images: Tensor) -> Tensor:
        return _interpolated(colors, _light(images)[:, 0]).permute(0, 3, 1, 2)

    return painted


def _mixed_channels(random: np.random.Generator) -> Treatment:
    """Each channel a mixture of all three."""
    matrix = torch.from_numpy((np.eye(3) + random.normal(0, 0.7, (3, 3))).astype(np.float32))
    return lambda images: torch.einsum("ij,njhw->nihw", matrix, images)


def _posterised(random: np.random.Generator) -> Treatment:
    """So few steps of each channel that they show."""
    steps = int(random.integers(1, 5))
    return lambda images: ((images + 1) / 2 * steps).round() / steps * 2 - 1


def _outlined(random: np.random.Generator) -> Treatment:
    """Ink where tones meet, over the picture or over paper."""
    ink, paper = _color(random), _color(random)
    strength, over_paper = random.uniform(3, 10), random.random() < 0.5

    def drawn(images: Tensor) -> Tensor:
        light = F.pad(_light(images), (1, 1, 1, 1), mode="replicate")
        across = light[..., 1:-1, 2:] - light[..., 1:-1, :-2]
        down = light[..., 2:, 1:-1] - light[..., :-2, 1:-1]
        edge = (strength * (across.square() + down.square()).sqrt()).clamp(max=1)
        return torch.lerp(paper.expand_as(images) if over_paper else images, ink.expand_as(images), edge)

    return drawn


def _halftoned(random: np.random.Generator) -> Treatment:
    """Dots of one ink on paper, larger where it is darker."""
    ink, paper = _color(random), _color(random)
    angle, period = random.uniform(0, math.pi / 2), random.uniform(1 / 20, 1 / 8)

    def printed(images: Tensor) -> Tensor:
        rows, columns = (torch.linspace(0, 1, side) for side in images.shape[-2:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        along, across = (
            torch.cos(2 * math.pi / period * (x * math.cos(turn) + y * math.sin(turn)))
            for turn in (angle, angle + math.pi / 2)
        )
        covered = torch.sigmoid(8 * ((along + across) / 2 + 1 - 2 * _light(images)))
        return torch.lerp(paper.expand_as(images), ink.expand_as(images), covered)

    return printed


def _blurred(random: np.random.Generator) -> Treatment:
    """Out of focus by a few hundredths of the side."""
    radius = random.uniform(0.01, 0.03)

    def out_of_focus(images: Tensor) -> Tensor:
        half = max(1, round(radius * images.shape[-1]))
        for _ in range(2):
            padded = F.pad(images, (half, half, half, half), mode="replicate")
            images = F.avg_pool2d(padded, 2 * half + 1, 1)
        return images

    return out_of_focus


def _convolved(random: np.random.Generator) -> Treatment:
    """Two random convolutions, the tones' spread kept (after Lee et al. 2020, arXiv:1910.05396)."""
    first, second = (
        torch.from_numpy(random.standard_normal(shape).astype(np.float32)) / math.sqrt(math.prod(shape[1:]))
        for shape in ((8, 3, 3, 3), (3, 8, 3, 3))
    )
    share = random.uniform(0.5, 1)

    def filtered(images: Tensor) -> Tensor:
        hidden = F.leaky_relu(F.conv2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), first), 0.2)
        result = F.conv2d(hidden, second)
        result = (result - result.mean((2, 3), keepdim=True)) / (result.std((2, 3), keepdim=True) + 1e-3)
        return torch.lerp(images, 0.6 * result, share)

    return filtered


def _noisy(random: np.random.Generator) -> Treatment:
    """Grain, of one size and strength, another in each picture."""
    strength, size = random.uniform(0.1, 0.5), int(random.choice([1, 2, 4]))
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))
    channels = int(random.choice([1, 3]))

    def grainy(images: Tensor) -> Tensor:
        count, _, height, width = images.shape
        grain = torch.randn(count, channels, -(-height // size), -(-width // size), generator=generator)
        return images + strength * F.interpolate(grain, (height, width))

    return grainy


def _textured(random: np.random.Generator) -> Treatment:
    """A smooth coloured pattern that all pictures show through."""
    side = int(random.choice([4, 8, 16, 32]))
    # Stripes where one side is short.
    shape = (1, 3, side, side) if random.random() < 0.6 else (1, 3, side, 2)
    pattern = torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    strength = random.uniform(0.2, 0.5)

    def shown_through(images: Tensor) -> Tensor:
        cloth = F.interpolate(pattern, tuple(images.shape[-2:]), mode="bilinear", align_corners=False)
        return images + strength * cloth

    return shown_through


TREATMENTS: tuple[Callable[[np.random.Generator], Treatment], ...] = (
    _tones,
    _palette,
    _mixed_channels,
    _posterised,
    _outlined,
    _halftoned,
    _blurred,
    _convolved,
    _noisy,
    _textured,
)


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="PNG file of the sheet")
    parser.add_argument("--looks", type=int, default=12)
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faces = [synthfaces.sample(options.seed, i) for i in range(options.faces)]
    images = from_uint8(synthfaces.draw_many(faces))
    random = np.random.default_rng(options.seed)
    save_png(grid([images, *(RandomLook(random)(images) for _ in range(options.looks))]), options.output)


if __name__ == "__main__":
    _main()
