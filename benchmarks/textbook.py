"""A training step of a domain vector as the equations have it, with nothing done to make it fast.

StyleGAN2 (Karras et al. 2020), arXiv:1912.04958, and the domain vector of HyperDomainNet (Alanov et al.
2022), arXiv:2210.08884: every picture gets kernels of its own, W_oik · s_i · (1 + d_i) · demod_o, which are
written out and applied by one grouped convolution; up-sampling is a strided transposed convolution and a
4 × 4 filter; everything is float32; pictures have the generator's full size; and the source pictures are made
anew in every step. It shares nothing with the package but the weights and
the encoders' resizing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from domainvec.encoders import Encoder

Weights = dict[str, Tensor]
"""A generator's state dict."""


def mapping(weights: Weights, z: Tensor) -> Tensor:
    """Noise (N, z_dim) to latents (N, w_dim)."""
    x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    layer = 0
    while f"mapping.layers.{layer}.weight" in weights:
        weight, bias = (weights[f"mapping.layers.{layer}.{name}"] for name in ("weight", "bias"))
        x = F.linear(x, weight * (0.01 / weight.shape[1] ** 0.5), bias * 0.01)
        x = F.leaky_relu(x, 0.2) * 2**0.5
        layer += 1
    return x


def synthesis(weights: Weights, w: Tensor, offsets: Sequence[Tensor] | None) -> Tensor:
    """Latents (N, num_ws, w_dim), and a vector (c_in,) for each 3 × 3 convolution, to pictures."""
    x = weights["synthesis.constant"].repeat(len(w), 1, 1, 1)
    images: Tensor | None = None
    level = 0
    while f"synthesis.to_rgbs.{level}.weight" in weights:
        for j in (0,) if level == 0 else (2 * level - 1, 2 * level):
            offset = None if offsets is None else offsets[j]
            x = _modulated(weights, f"synthesis.convs.{j}", x, w[:, j], offset, up=j % 2 == 1)
        colours = _to_rgb(weights, f"synthesis.to_rgbs.{level}", x, w[:, 2 * level + 1])
        images = colours if images is None else _double(images) + colours
        level += 1
    assert images is not None
    return images


def _affine(weights: Weights, name: str, w: Tensor) -> Tensor:
    weight = weights[f"{name}.affine.weight"]
    return F.linear(w, weight / weight.shape[1] ** 0.5, weights[f"{name}.affine.bias"])


def _modulated(
    weights: Weights, name: str, x: Tensor, w: Tensor, offset: Tensor | None, *, up: bool
) -> Tensor:
    count, c_in, height, width = x.shape
    kernel = weights[f"{name}.weight"]
    c_out = kernel.shape[0]
    kernels = kernel[None] * _affine(weights, name, w)[:, None, :, None, None]
    demodulation = torch.rsqrt(kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    kernels = kernels * demodulation
    if offset is not None:
        kernels = kernels * (1 + offset)[None, None, :, None, None]
    x = x.reshape(1, count * c_in, height, width)
    if up:
        kernels = kernels.transpose(1, 2).reshape(count * c_in, c_out, 3, 3)
        x = F.conv_transpose2d(x, kernels, stride=2, groups=count)
        x = _blur(x.reshape(count, c_out, 2 * height + 1, 2 * width + 1), padding=1)
    else:
        x = F.conv2d(x, kernels.reshape(count * c_out, c_in, 3, 3), padding=1, groups=count)
        x = x.reshape(count, c_out, height, width)
    x = x + weights[f"{name}.noise"] * weights[f"{name}.noise_strength"]
    x = x + weights[f"{name}.bias"][None, :, None, None]
    return F.leaky_relu(x, 0.2) * 2**0.5


def _to_rgb(weights: Weights, name: str, x: Tensor, w: Tensor) -> Tensor:
    count, c_in, height, width = x.shape
    style = _affine(weights, name, w) / c_in**0.5
    kernels = (weights[f"{name}.weight"][None] * style[:, None, :, None, None]).reshape(-1, c_in, 1, 1)
    colours = F.conv2d(x.reshape(1, count * c_in, height, width), kernels, groups=count)
    return colours.reshape(count, 3, height, width) + weights[f"{name}.bias"][None, :, None, None]


def _blur(x: Tensor, padding: int) -> Tensor:
    """Filter with [1, 3, 3, 1] both ways, with the gain of 4 that zeros between the samples ask for."""
    taps = x.new_tensor([1.0, 3.0, 3.0, 1.0]) / 4
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])


def _double(images: Tensor) -> Tensor:
    """Zeros between the samples, then the filter."""
    count, channels, height, width = images.shape
    spread = images.new_zeros(count, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = images
    return _blur(F.pad(spread.reshape(count, channels, 2 * height, 2 * width), (2, 1, 2, 1)), padding=0)


def embed(encoder: Encoder, images: Tensor) -> Tensor:
    """Embeddings (N, D) of pictures, as transformers computes them."""
    pixels = encoder.preprocessing(images)
    seen = encoder._model.vision_model(pixel_values=pixels)
    return F.normalize(encoder._model.visual_projection(seen.pooler_output), dim=-1)


def direction_loss(target: Tensor, source: Tensor, text: Tensor) -> Tensor:
    """One minus the cosine of the shift of the pictures (N, D) and that of the texts (D,)."""
    return (1 - F.cosine_similarity(target - source, text[None], eps=0.05)).mean()


def angle_loss(target: Tensor, source: Tensor) -> Tensor:
    """Mean over pairs of pictures of the squared difference of their cosines."""
    i, j = torch.triu_indices(len(target), len(target), offset=1)
    return ((target[i] * target[j]).sum(1) - (source[i] * source[j]).sum(1)).square().mean()
