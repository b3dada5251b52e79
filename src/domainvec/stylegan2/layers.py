"""The layers of StyleGAN2, each beside its equation.

StyleGAN2 (Karras et al. 2020), arXiv:1912.04958; domain modulation: HyperDomainNet (Alanov et al. 2022),
arXiv:2210.08884. Weights are stored as drawn from N(0, 1) and scaled at run time ("equalized learning
rate", Karras et al. 2018, arXiv:1710.10196).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainvec.stylegan2.modulation import ACTIVATION_GAIN, modulated_conv
from domainvec.stylegan2.resampling import blur

EPSILON = 1e-8


def activate(x: Tensor, gain: float = 1.0, clamp: float | None = None) -> Tensor:
    """Leaky ReLU of slope 0.2, times √2 · gain, clamped to ± clamp · gain if a clamp is given."""
    y = F.leaky_relu(x, 0.2) * (ACTIVATION_GAIN * gain)
    return y if clamp is None else y.clamp(-clamp * gain, clamp * gain)


class Linear(nn.Module):
    """y = x · (weight · m / √in)ᵀ + bias · m, with m the learning rate multiplier."""

    def __init__(
        self, in_features: int, out_features: int, *, bias: float = 0.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(N, in) to (N, out)."""
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class Conv(nn.Module):
    """A plain k × k convolution of the discriminator; with ``down``, its input is downsampled by two."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True, down: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H, W), or half of H and W."""
        weight = (self.weight * self.weight_gain).to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        padding = self.weight.shape[-1] // 2
        if not self.down:
            return F.conv2d(x, weight, bias, padding=padding)
        if padding:
            return F.conv2d(blur(x, 2), weight, bias, stride=2)
        return F.conv2d(blur(x, 1, stride=2), weight, bias)


class _Constants(NamedTuple):
    """What in a modulated convolution depends on its weights alone, for feature maps of one dtype."""

    kernel: Tensor
    """(out, in, 3, 3) in that dtype."""
    squares: Tensor
    """Σ_k W_oik², (in, out), float32."""
    bias: Tensor
    """(out, 1, 1) in that dtype, times the activation's gain."""


class ModulatedConv(nn.Module):
    """A 3 × 3 convolution whose input channels are scaled by style and domain, then noise, bias, activation.

    y_o = demod_o · Σ_ik W_oik · s_i · (1 + d_i) · x_i,    demod_o = 1 / √(Σ_ik (W_oik · s_i)² + ε)

    The demodulation does not see the domain's offset d. It does see a shift of the style, s = affine(w) + Δs
    (StyleDomain, Alanov et al. 2023, arXiv:2212.10229). Scaling the input and the output instead of the
    kernel lets the whole batch share one convolution.
    """

    noise: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.affine = Linear(w_dim, in_channels, bias=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(resolution, resolution))
        self.up = up
        self.conv_clamp = conv_clamp
        self._held: tuple[Tensor, Tensor, _Constants] | None = None
        self._holds = False

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        offset: Tensor | None,
        noise: Tensor | None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """(N, in, H, W) to (N, out, H, W), or twice H and W.

        Args:
            x: feature maps; their dtype is the dtype of the convolution.
            w: latents (N, w_dim).
            offset: the domain d, (in,) or (N, in), or None.
            noise: noise maps (h, w) or (N, 1, h, w) of the output's size, or None.
            shift: the domain's shift of the style Δs, (in,) or (N, in), or None.
        """
        constants = self._constants(x.dtype)
        style = self.affine(w)
        if shift is not None:
            style = style + shift
        demodulation = torch.rsqrt(style.square() @ constants.squares + EPSILON)
        if offset is not None:
            style = style * (1 + offset)
        if noise is not None:
            noise = (noise * (self.noise_strength * ACTIVATION_GAIN)).to(x.dtype)
        return modulated_conv(
            x,
            style.to(x.dtype)[:, :, None, None],
            constants.kernel,
            (demodulation * ACTIVATION_GAIN).to(x.dtype)[:, :, None, None],
            noise,
            constants.bias,
            up=self.up,
            clamp=self.conv_clamp,
        )

    def hold_weights(self, hold: bool) -> None:
        """Start or stop caching what depends on the weights alone, which must not be modified meanwhile."""
        self._holds = hold
        self._held = None

    def _constants(self, dtype: torch.dtype) -> _Constants:
        if self._held is not None:
            weight, bias, constants = self._held
            # A domain that changes weights replaces them during a call.
            if weight is self.weight and bias is self.bias and constants.kernel.dtype == dtype:
                return constants
        constants = _Constants(
            self.weight.to(dtype, memory_format=torch.channels_last),
            self.weight.square().sum((2, 3)).T,
            (self.bias * ACTIVATION_GAIN).to(dtype)[:, None, None],
        )
        if self._holds and not (constants.kernel.requires_grad or constants.bias.requires_grad):
            self._held = self.weight, self.bias, constants
        return constants


class ToRGB(nn.Module):
    """A 1 × 1 convolution to RGB, modulated by style (and domain), without demodulation."""

    def __init__(self, in_channels: int, w_dim: int, *, conv_clamp: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.affine = Linear(w_dim, in_channels, bias=1.0)
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.conv_clamp = conv_clamp

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        offset: Tensor | None,
        bias_offset: Tensor | None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """Feature maps (N, in, H, W) to RGB (N, 3, H, W), in w's dtype.

        Args:
            x: feature maps.
            w: latents (N, w_dim).
            offset: the domain's multipliers minus one, (in,) or (N, in), or None.
            bias_offset: what the domain adds to the bias, (3,) or (N, 3), or None.
            shift: the domain's shift of the style, (in,) or (N, in), or None.
        """
        style = self.affine(w)
        if shift is not None:
            style = style + shift
        style = style * self.weight_gain
        if offset is not None:
            style = style * (1 + offset)
        # One kernel per image, (N, in, 3), is far smaller than the feature maps, which are read only once.
        kernels = (style[:, :, None] * self.weight[:, :, 0, 0].T).to(x.dtype)
        count, _, height, width = x.shape
        colours = torch.bmm(x.permute(0, 2, 3, 1).flatten(1, 2), kernels).to(w.dtype)
        colours = colours.reshape(count, height, width, 3).permute(0, 3, 1, 2)
        bias = self.bias if bias_offset is None else self.bias + bias_offset
        colours = colours + bias.reshape(-1, 3, 1, 1)
        return colours if self.conv_clamp is None else colours.clamp(-self.conv_clamp, self.conv_clamp)
