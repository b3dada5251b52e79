"""What keeps a small encoder honest: a picture must convince it from many views, and stay a picture.

Gradients fool a small encoder: it is satisfied by patterns that nobody sees as the target. The terms here
leave such patterns no room. They look at pictures alone, so they are cheap and know no encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError

_EDGE_INPUT = 64
_EDGE_MAP = 16
_TONE_MAP = 16
_CHANGE = 0.15  # length of an RGB difference, on [-1, 1], that counts as two thirds of a changed pixel
_LUMA = (0.299, 0.587, 0.114)
PIXEL_TERMS = ("out_of_range", "chroma", "edges", "tones", "changed")
"""The weights of what `pixel_terms` computes."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges of the random views that an encoder is shown; images are on [-1, 1].

    Attributes:
        crop: least and greatest side of the crop, as a share of the picture; above 1 it shows mirrored
            margins.
        rotation: greatest angle either way, radians.
        flip: probability of a mirror image.
        contrast: greatest relative change of contrast.
        brightness: greatest shift of all three channels together.
        tint: greatest shift of each channel alone.
        noise: greatest standard deviation of pixel noise; each view draws its own up to this.
        blur: probability of a slight blur.
    """

    crop: tuple[float, float] = (0.6, 1.05)
    rotation: float = 0.15
    flip: float = 0.5
    contrast: float = 0.15
    brightness: float = 0.08
    tint: float = 0.06
    noise: float = 0.4
    blur: float = 0.25

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InputError: naming the field that is out of range.
        """
        object.__setattr__(self, "crop", tuple(self.crop))
        if len(self.crop) != 2 or not 0 < self.crop[0] <= self.crop[1] <= 2:
            raise InputError(
                f"crop is {self.crop}; expected (least, greatest) with 0 < least <= greatest <= 2"
            )
        require_between(self, ["rotation"], math.pi)
        require_between(self, ["flip", "contrast", "brightness", "tint", "blur"], 1.0)
        require_between(self, ["noise"], 2.0)


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw one random view of each image, differentiable in the images.

    Args:
        images: (N, 3, H, W), about [-1, 1].
        augmentation: the ranges.
        generator: a CPU generator; all randomness comes from it, so that devices agree and runs resume.

    Returns:
        (N, 3, H, W) float32.
    """
    a = augmentation
    images = images.float()
    count, channels, height, width = images.shape

    def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    scale = uniform(count, low=a.crop[0], high=a.crop[1])
    angle = uniform(count) * a.rotation
    mirror = 1 - 2 * (torch.rand(count, generator=generator) < a.flip).float()
    # A window smaller than the picture moves as far as it can without leaving it; a larger one still moves a
    # bit.
    shift = uniform(count, 2) * (1 - scale).clamp(min=0.05)[:, None]
    cos, sin = scale * angle.cos(), scale * angle.sin()
    top = torch.stack([cos * mirror, -sin, shift[:, 0]], dim=1)
    bottom = torch.stack([sin * mirror, cos, shift[:, 1]], dim=1)
    contrast = 1 + uniform(count, 1, 1, 1) * a.contrast
    offset = uniform(count, 1, 1, 1) * a.brightness + uniform(count, channels, 1, 1) * a.tint
    noise = torch.randn(count, channels, height, width, generator=generator) * (
        torch.rand(count, 1, 1, 1, generator=generator) * a.noise
    )
    blurred = torch.rand(count, 1, 1, 1, generator=generator) < a.blur

    device = images.device
    window = torch.stack([top, bottom], dim=1).to(device)
    sampling = F.affine_grid(window, [count, channels, height, width], align_corners=False)
    views = F.grid_sample(images, sampling, padding_mode="reflection", align_corners=False)
    views = views * contrast.to(device) + offset.to(device) + noise.to(device)
    return torch.where(blurred.to(device), _blur(views), views)


def squash(images: Tensor, slope: float = 0.1) -> Tensor:
    """Clamp to [-1, 1] but keep `slope` of what is beyond, so that gradients still lead back."""
    inside = images.clamp(-1, 1)
    return inside + slope * (images - inside)


def out_of_range_loss(images: Tensor) -> Tensor:
    """Mean square of what pixels exceed [-1, 1] by: saturation is the cheapest way to fool an encoder.

    Args:
        images: (N, 3, H, W).

    Returns:
        Scalar, 0 when all pixels are in range.
    """
    return F.relu(images.float().abs() - 1).square().mean()


def chroma_loss(target: Tensor, source: Tensor) -> Tensor:
    """Colour variation that the adapted pictures have beyond their sources.

    Coloured speckle is what adversarial patterns are made of. Chroma is the picture less its grey; its
    gradient is the mean absolute difference of neighbours, and only an increase is penalised.

    Args:
        target: adapted images, (N, 3, H, W).
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar ≥ 0.

    Raises:
        ShapeError: if the shapes differ.
    """
    _require_alike(target, source)
    return F.relu(_variation(_chroma(target.float())) - _variation(_chroma(source.float()))).mean()


def edge_loss(target: Tensor, source: Tensor) -> Tensor:
    """One minus the correlation of the two pictures' edge maps at 16 px.

    It ties the adapted face to the place of its source and leaves colours and textures free.

    Args:
        target: adapted images, (N, 3, H, W), sides of at least 32.
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if the shapes differ or the pictures are too small.
    """
    _require_alike(target, source)
    if min(target.shape[-2:]) < 2 * _EDGE_MAP:
        raise ShapeError(
            f"images are {target.shape[-2]} x {target.shape[-1]}; the edge term compares maps of {_EDGE_MAP} "
            f"px and needs at least {2 * _EDGE_MAP}: set its weight to 0 for smaller pictures"
        )
    return (1 - (_edge_map(target) * _edge_map(source)).mean(dim=(1, 2))).mean()


def tone_loss(target: Tensor, source: Tensor) -> Tensor:
    """One minus the correlation, over the batch, of how light the pictures are where, at 16 px.

    What all pictures of a batch have in common is taken away first. So a change that is the same for all
    costs nothing, but who has darker hair than others should still have it. An encoder's embedding hardly
    holds that, and gradients through an encoder cannot fool this.

    Args:
        target: adapted images, (N, 3, H, W), N at least 2.
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if the shapes differ or there is one picture only.
    """
    _require_alike(target, source)
    if len(target) < 2:
        raise ShapeError(
            "got one picture; the tone term compares those of a batch: pass 2 or more, or set its weight to 0"
        )
    a, b = _tones(target), _tones(source)
    return 1 - (a * b).sum() / (a.square().sum() * b.square().sum() + 1e-8).sqrt()


def changed_loss(target: Tensor, source: Tensor) -> Tensor:
    """How many pixels changed, softly counted: the mean of 1 - exp(-length of the RGB difference / 0.15).

    A pixel that the target needs otherwise may change as far as it will, since a far one costs no more than a
    near one. What it does not need to change, such as the ground behind a zombie, stays: a slight tint of
    everything would be the dearest.

    Args:
        target: adapted images, (N, 3, H, W), about [-1, 1].
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 1].

    Raises:
        ShapeError: if the shapes differ.
    """
    _require_alike(target, source)
    rounding = 0.01  # The length itself has no gradient at 0.
    squares = (target.float() - source.float()).square().sum(dim=1)
    length = (squares + rounding**2).sqrt() - rounding
    return (1 - (-length / _CHANGE).exp()).mean()


def as_seen(weights: object, adapted: Tensor) -> Tensor:
    """Give adapted images as encoders are to see them: squashed if `out_of_range` has a weight."""
    return squash(adapted) if getattr(weights, "out_of_range", 0) > 0 else adapted


def pixel_terms(weights: object, adapted: Tensor, source: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the terms that look at pictures alone, those of `PIXEL_TERMS` that have a weight.

    Args:
        weights: has numbers of these names; one that is missing counts as 0.
        adapted: adapted images, (N, 3, H, W), about [-1, 1].
        source: their sources; None will do where only `out_of_range` has a weight.

    Returns:
        The adapted images `as_seen`, and the terms by name, before weighting.

    Raises:
        InputError: if the sources are needed and missing.
        ShapeError: if the shapes differ or do not suit a term.
    """
    wanted = [name for name in PIXEL_TERMS if getattr(weights, name, 0) > 0]
    seen = as_seen(weights, adapted)
    if source is None:
        if compares_sources(weights):
            raise InputError("the guidance compares source pictures; pass source_images")
        source = adapted
    compute = {
        "out_of_range": lambda: out_of_range_loss(adapted),
        "chroma": lambda: chroma_loss(adapted, source),
        "edges": lambda: edge_loss(seen, source),
        "tones": lambda: tone_loss(seen, source),
        "changed": lambda: changed_loss(seen, source),
    }
    return seen, {name: compute[name]() for name in wanted}


def compares_sources(weights: object) -> bool:
    """Say whether `pixel_terms` needs source pictures for these weights."""
    return any(getattr(weights, name, 0) > 0 for name in PIXEL_TERMS if name != "out_of_range")


def _require_alike(target: Tensor, source: Tensor) -> None:
    if target.shape != source.shape or target.dim() != 4:
        raise ShapeError(
            f"adapted images have shape {tuple(target.shape)} and source images {tuple(source.shape)}; "
            f"expected the same (N, 3, H, W)"
        )


def _blur(images: Tensor) -> Tensor:
    row = images.new_tensor([0.25, 0.5, 0.25])
    kernel = (row[:, None] * row).expand(images.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel, groups=images.shape[1])


def _chroma(images: Tensor) -> Tensor:
    return images - images.mean(dim=1, keepdim=True)


def _variation(images: Tensor) -> Tensor:
    across = (images[..., 1:] - images[..., :-1]).abs().mean(dim=(1, 2, 3))
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    return across + down


def _tones(images: Tensor) -> Tensor:
    """Luma at 16 px, less the mean over the batch, (N, 1, 16, 16)."""
    luma = (images.float() * images.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
    small = F.adaptive_avg_pool2d(luma, min(_TONE_MAP, *luma.shape[-2:]))
    return small - small.mean(0)


def _edge_map(images: Tensor) -> Tensor:
    """Standardised strength of edges, (N, 16, 16): mean 0, deviation 1 in each picture."""
    images = images.float()
    if min(images.shape[-2:]) > _EDGE_INPUT:
        images = F.adaptive_avg_pool2d(images, _EDGE_INPUT)
    across = images[..., :-1, 1:] - images[..., :-1, :-1]
    down = images[..., 1:, :-1] - images[..., :-1, :-1]
    # The small term keeps the square root differentiable where the picture is flat.
    strength = (across.square() + down.square()).sum(dim=1).add(1e-6).sqrt()
    edges = F.adaptive_avg_pool2d(strength[:, None], _EDGE_MAP)[:, 0]
    centred = edges - edges.mean(dim=(1, 2), keepdim=True)
    return centred / (centred.square().mean(dim=(1, 2), keepdim=True) + 1e-5).sqrt()
