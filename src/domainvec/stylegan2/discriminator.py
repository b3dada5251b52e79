"""The StyleGAN2 discriminator, of the residual architecture.

StyleGAN2 (Karras et al. 2020), arXiv:1912.04958.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from domainvec.errors import ShapeError
from domainvec.stylegan2.config import DiscriminatorConfig
from domainvec.stylegan2.layers import EPSILON, Conv, Linear, activate


def minibatch_deviation(x: Tensor, group_size: int, num_channels: int) -> Tensor:
    """Append the standard deviation over groups of the batch, as ``num_channels`` constant feature maps.

    Progressive GAN (Karras et al. 2018), arXiv:1710.10196, section 3. A group
    consists of every (N / group)-th image.
    """
    n, c, h, w = x.shape
    group = min(group_size, n)
    if n % group:
        raise ShapeError(f"the batch has {n} pictures; expected a multiple of the group size {group}")
    y = x.float().reshape(group, n // group, num_channels, c // num_channels, h, w)
    deviation = (y.var(0, unbiased=False) + EPSILON).sqrt().mean((2, 3, 4))
    maps = deviation.repeat(group, 1)[:, :, None, None].expand(-1, -1, h, w)
    return torch.cat([x, maps.to(x.dtype)], 1)


class ResidualBlock(nn.Module):
    """Two convolutions and a 1 × 1 skip connection; the second convolution and the skip downsample by two."""

    def __init__(self, in_channels: int, out_channels: int, conv_clamp: float | None) -> None:
        super().__init__()
        self.conv0 = Conv(in_channels, in_channels, 3)
        self.conv1 = Conv(in_channels, out_channels, 3, down=True)
        self.skip = Conv(in_channels, out_channels, 1, bias=False, down=True)
        self.conv_clamp = conv_clamp

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H/2, W/2)."""
        gain = math.sqrt(0.5)
        y = activate(self.conv0(x), clamp=self.conv_clamp)
        skipped: Tensor = self.skip(x) * gain
        return skipped + activate(self.conv1(y), gain, self.conv_clamp)


class Discriminator(nn.Module):
    """A StyleGAN2 discriminator of any resolution and widths, in plain PyTorch."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.from_rgb = Conv(3, channels[-1], 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels[k], channels[k - 1], config.conv_clamp)
            for k in range(len(channels) - 1, 0, -1)
        )
        self.conv = Conv(channels[0] + config.mbstd_channels, channels[0], 3)
        self.fc = Linear(channels[0] * 16, channels[0])
        self.out = Linear(channels[0], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Rate how real images look.

        Args:
            images: (N, 3, resolution, resolution), roughly in [-1, 1]; N is a multiple of the group size of
                the minibatch standard deviation, or smaller.

        Returns:
            logits (N, 1), higher for more real images.

        Raises:
            ShapeError: if the images do not have that shape.
        """
        side, clamp = self.config.resolution, self.config.conv_clamp
        if images.ndim != 4 or images.shape[1:] != (3, side, side):
            raise ShapeError(f"images have shape {tuple(images.shape)}; expected (N, 3, {side}, {side})")
        x = activate(self.from_rgb(images.contiguous(memory_format=torch.channels_last)), clamp=clamp)
        for block in self.blocks:
            x = block(x)
        if self.config.mbstd_channels:
            x = minibatch_deviation(x, self.config.mbstd_group_size, self.config.mbstd_channels)
        x = activate(self.conv(x), clamp=clamp)
        logits: Tensor = self.out(activate(self.fc(x.flatten(1).to(self.fc.weight.dtype))))
        return logits

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, device: str | torch.device | None = None
    ) -> Discriminator:
        """Load the discriminator that a checkpoint holds beside its generator; nothing is executed.

        Raises:
            CheckpointError: if the file is missing, broken, or holds no StyleGAN2 discriminator.
        """
        from domainvec.stylegan2.pretrained import load_discriminator

        return load_discriminator(name_or_path).to(device or "cpu")
