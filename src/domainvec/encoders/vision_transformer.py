"""CLIP's vision transformer with frozen weights, differentiable in its input.

A ViT (Dosovitskiy et al. 2021, arXiv:2010.11929) as CLIP has it (Radford et al. 2021, arXiv:2103.00020): what
transformers computes, in fewer passes over memory. Since the weights never change, the query, key and value
projections are fused into one, scales are folded into the weights, and these are cast once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError

_QUICK_GELU = 1.702


class _Linear(NamedTuple):
    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class _Layer(NamedTuple):
    norm1: torch.nn.LayerNorm
    qkv: _Linear
    proj: _Linear
    norm2: torch.nn.LayerNorm
    fc1: _Linear
    fc2: _Linear


class VisionTransformer:
    """Image features by a frozen vision transformer.

    Args:
        model: a transformers `CLIPModel`; its weights are read now and must not change afterwards.
        dtype: of the matrix products; residual sums, norms and features stay float32.
    """

    def __init__(self, model: Any, dtype: torch.dtype) -> None:  # noqa: ANN401
        vision, config = model.vision_model, model.config.vision_config
        embeddings = vision.embeddings
        self._dtype = dtype
        self._image_size = config.image_size
        self._patch_size, self._heads = config.patch_size, config.num_attention_heads
        self._patches = embeddings.patch_embedding.weight.detach().flatten(1).to(dtype)
        positions = embeddings.position_embedding.weight.detach()
        self._class_token = (embeddings.class_embedding.detach() + positions[0])[None, None]
        self._positions = positions[1:]
        self._before, self._after = vision.pre_layrnorm, vision.post_layernorm
        self._projection = model.visual_projection.weight.detach()
        self._activation, gain = _activation(config.hidden_act)
        self._layers = [self._layer(layer, gain) for layer in vision.encoder.layers]

    def _layer(self, layer: Any, gain: float) -> _Layer:  # noqa: ANN401
        attention, mlp = layer.self_attn, layer.mlp
        width = attention.out_proj.weight.shape[0]
        scales = (width // self._heads) ** -0.5, 1.0, 1.0
        projections = attention.q_proj, attention.k_proj, attention.v_proj
        scaled = [
            (each.weight * scale, each.bias * scale) for each, scale in zip(projections, scales, strict=True)
        ]
        return _Layer(
            layer.layer_norm1,
            self._linear(*map(torch.cat, zip(*scaled, strict=True))),
            self._linear(attention.out_proj.weight, attention.out_proj.bias),
            layer.layer_norm2,
            self._linear(mlp.fc1.weight * gain, mlp.fc1.bias * gain),
            self._linear(mlp.fc2.weight / gain, mlp.fc2.bias),
        )

    def _linear(self, weight: Tensor, bias: Tensor) -> _Linear:
        return _Linear(weight.detach().to(self._dtype), bias.detach().to(self._dtype))

    def __call__(self, pixels: Tensor, depth: float = 0.0) -> tuple[Tensor, Tensor]:
        """Compute features and patch tokens.

        Args:
            pixels: (N, 3, S, S), normalised; S is the side that it was trained for.
            depth: of the layer that the tokens are taken from, as a fraction of all layers.

        Returns: features (N, D), not normalised, and tokens (N, T, C), one for each patch; float32,
            differentiable in the pixels.

        Raises: ShapeError if the pixels are of another shape.
        """
        side = self._image_size
        if pixels.dim() != 4 or pixels.shape[1:] != (3, side, side):
            raise ShapeError(
                f"pixels have shape {tuple(pixels.shape)}; the vision transformer takes (N, 3, {side}, "
                f"{side}): give square pictures, or preprocessing that crops them"
            )
        with torch.autocast(pixels.device.type, enabled=False):
            return self._forward(pixels.float(), depth)

    def _forward(self, pixels: Tensor, depth: float) -> tuple[Tensor, Tensor]:
        patches = F.linear(self._patchify(pixels).to(self._dtype), self._patches) + self._positions
        x = torch.cat([self._class_token.expand(len(patches), -1, -1), patches], 1)
        x = tokens = self._before(x)
        wanted = round(depth * len(self._layers))
        for number, layer in enumerate(self._layers, start=1):
            x = x + self._attention(layer, layer.norm1(x).to(self._dtype))
            y = layer.fc1(layer.norm2(x).to(self._dtype))
            x = x + layer.fc2(self._activation(y))
            if number == wanted:
                tokens = x
        return F.linear(self._after(x[:, 0]), self._projection), tokens[:, 1:]

    def _patchify(self, pixels: Tensor) -> Tensor:
        """Split images into patches (N, T, 3 · P²), row by row; a margin that fills no patch is dropped."""
        count, channels, height, width = pixels.shape
        side = self._patch_size
        rows, columns = height // side, width // side
        seen = pixels[..., : rows * side, : columns * side]
        grid = seen.reshape(count, channels, rows, side, columns, side)
        return grid.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def _attention(self, layer: _Layer, x: Tensor) -> Tensor:
        count, length, width = x.shape
        heads = layer.qkv(x).reshape(count, length, 3, self._heads, width // self._heads)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4).unbind()
        if x.device.type == "cpu":  # Here the fused kernel is slower at these lengths.
            y = (queries @ keys.transpose(-1, -2)).softmax(-1) @ values
        else:
            y = F.scaled_dot_product_attention(queries, keys, values, scale=1.0)
        return layer.proj(y.transpose(1, 2).reshape(count, length, width))


def _activation(name: str) -> tuple[Callable[[Tensor], Tensor], float]:
    """The activation, and the factor to multiply its input by and to divide its output by."""
    if name == "quick_gelu":  # x · sigmoid(a · x) is silu(a · x) / a, a single pass.
        return F.silu, _QUICK_GELU
    if name == "gelu":
        return F.gelu, 1.0
    from transformers.activations import ACT2FN

    activation: Callable[[Tensor], Tensor] = ACT2FN[name]
    return activation, 1.0
