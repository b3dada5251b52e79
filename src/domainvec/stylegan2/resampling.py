"""Resampling by two with the filter [1, 3, 3, 1], the only one that StyleGAN2 checkpoints use.

StyleGAN2 (Karras et al. 2020), arXiv:1912.04958, appendix B.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _filter(images: Tensor, gain: float) -> Tensor:
    """The separable 4 × 4 filter, its sum ``gain``, as a depthwise kernel (C, 1, 4, 4)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=images.device, dtype=images.dtype) / 8
    return (gain * taps[:, None] * taps).expand(images.shape[1], 1, 4, 4)


def blur(images: Tensor, padding: int, *, gain: float = 1.0, stride: int = 1) -> Tensor:
    """Filter (N, C, H, W) after padding each side with ``padding`` zeros; keep every ``stride``-th sample."""
    return F.conv2d(images, _filter(images, gain), padding=padding, stride=stride, groups=images.shape[1])


def upsample(images: Tensor) -> Tensor:
    """Upsample (N, C, H, W) by two: zeros between the samples, then the filter."""
    # A transposed convolution does both at once; gain 4 makes up for the zeros.
    return F.conv_transpose2d(images, _filter(images, 4.0), stride=2, padding=1, groups=images.shape[1])


def downsample(images: Tensor) -> Tensor:
    """Downsample (N, C, H, W) by two: the filter, then every second sample."""
    return blur(images, 1, stride=2)
