"""Random views of images, which make an encoder harder to fool.

Gradients can satisfy a small encoder with patterns that nobody would recognise as the target. Such patterns
rarely survive a crop, a rotation or noise, so the encoder is shown several random views of each image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.checks import require_between
from domainvec.errors import InputError


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


def _blur(images: Tensor) -> Tensor:
    row = images.new_tensor([0.25, 0.5, 0.25])
    kernel = (row[:, None] * row).expand(images.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel, groups=images.shape[1])
