"""The StyleGAN2 generator: a mapping network from noise z to latents w, a synthesis network from w to images.

StyleGAN2 (Karras et al. 2020), arXiv:1912.04958: the "skip" architecture, in which each resolution
adds its RGB output to the upsampled sum of the previous ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from domainvec.errors import InputError, ShapeError
from domainvec.stylegan2.config import GeneratorConfig, check_resolution
from domainvec.stylegan2.layers import EPSILON, Linear, ModulatedConv, ToRGB, activate
from domainvec.stylegan2.resampling import upsample

_PIXELS_AT_ONCE = 8 * 256 * 256

Noise = Literal["const", "random", "none"]

_ADA_CLAMP = 256.0


class Multipliers(Protocol):
    """What the synthesis network needs to know of a domain; zeros leave the generator as it is.

    Each part is one vector for the whole batch, or has a leading batch dimension for a different domain in
    each sample. Weight changes apply to the whole batch. Parts that are empty, None or absent have no effect.
    """

    @property
    def offsets(self) -> Sequence[Tensor] | None:
        """For each 3 × 3 convolution (c_in,) or (N, c_in): factors of the style, less one."""

    @property
    def shifts(self) -> Sequence[Tensor] | None:
        """For each 3 × 3 convolution (c_in,) or (N, c_in): added to the style."""

    @property
    def rgb_offsets(self) -> Sequence[Tensor] | None:
        """For each ToRGB layer (c_in,) or (N, c_in): factors of the style, less one."""

    @property
    def rgb_shifts(self) -> Sequence[Tensor] | None:
        """For each ToRGB layer (c_in,) or (N, c_in): added to the style."""

    @property
    def rgb_bias(self) -> Sequence[Tensor] | None:
        """For each ToRGB layer (3,) or (N, 3): added to the bias."""

    @property
    def weight_changes(self) -> dict[str, Tensor]:
        """By the name of a parameter of the synthesis network: added to it, broadcast to its shape."""


class Mapping(nn.Module):
    """Fully connected layers from z, normalized to unit mean square, to w."""

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, num_layers: int, num_ws: int) -> None:
        super().__init__()
        widths = [z_dim] + [w_dim] * num_layers
        self.layers = nn.ModuleList(Linear(i, o, lr_multiplier=0.01) for i, o in pairwise(widths))
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.z_dim = z_dim
        self.num_ws = num_ws

    def forward(self, z: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Map noise to latents.

        Args:
            z: standard normal noise (N, z_dim).
            truncation_psi: 1 keeps w, 0 gives the average w; values in between trade diversity for quality.
            truncation_cutoff: how many layers, from the coarsest, are truncated; None for all.

        Returns:
            (N, num_ws, w_dim), the same w for every layer, apart from truncation.

        Raises:
            ShapeError: if z is not (N, z_dim).
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ShapeError(f"z has shape {tuple(z.shape)}; expected (N, {self.z_dim})")
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + EPSILON)
        for layer in self.layers:
            w = activate(layer(w))
        ws = w[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi == 1:
            return ws
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return torch.cat([self.w_avg.lerp(ws[:, :cutoff], truncation_psi), ws[:, cutoff:]], 1)


class Synthesis(nn.Module):
    """Convolutions from latents, one for each layer, to images."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        channels, w_dim, clamp = config.channels, config.w_dim, config.conv_clamp
        self.resolution = config.resolution
        self.w_dim = w_dim
        self.constant = nn.Parameter(torch.randn(channels[0], 4, 4))
        convs = [ModulatedConv(channels[0], channels[0], w_dim, 4, up=False, conv_clamp=clamp)]
        for k, (narrow, wide) in enumerate(zip(channels[1:], channels, strict=False), start=1):
            for c_in, up in ((wide, True), (narrow, False)):
                convs.append(ModulatedConv(c_in, narrow, w_dim, 4 << k, up=up, conv_clamp=clamp))
        self.convs = nn.ModuleList(convs)
        self.to_rgbs = nn.ModuleList(ToRGB(c, w_dim, conv_clamp=clamp) for c in channels)
        self.num_ws = len(convs) + 1
        self.conv_channels = (channels[0], *(width for pair in pairwise(channels) for width in pair))
        self.rgb_channels = channels

    def forward(
        self,
        w: Tensor,
        domain: Multipliers | None = None,
        noise: Noise = "const",
        resolution: int | None = None,
        *,
        dtype: torch.dtype | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Draw images from latents.

        A domain that changes weights replaces them in this module during the call, so threads need copies of
        their own.

        Args:
            w: latents (N, num_ws, w_dim), one for each layer; take rows of several for style mixing.
            domain: the domain to draw in, or None for the generator's own.
            noise: "const", the noise stored with the weights; "random"; or "none".
            resolution: stop at this image size in pixels, and return the sum of the RGB outputs so far.
            dtype: of the feature maps and convolutions, w's by default; styles and RGB outputs keep w's.
            rng: source of random noise; PyTorch's own by default.

        Returns:
            (N, 3, resolution, resolution), RGB, roughly in [-1, 1], in w's dtype.

        Raises:
            ShapeError: if w, the domain or the resolution does not fit the generator.
            InputError: if ``noise`` is none of the three.
        """
        resolution = self.resolution if resolution is None else resolution
        check_resolution(resolution, self.resolution)
        if w.ndim != 3 or w.shape[1:] != (self.num_ws, self.w_dim):
            raise ShapeError(f"w has shape {tuple(w.shape)}; expected (N, {self.num_ws}, {self.w_dim})")
        if noise not in ("const", "random", "none"):
            raise InputError(f"noise is {noise!r}; expected 'const', 'random' or 'none'")
        if changes := getattr(domain, "weight_changes", None):
            rest = _LayerParts._make(getattr(domain, name, None) for name in _LayerParts._fields)
            keywords = {"domain": rest, "noise": noise, "resolution": resolution, "dtype": dtype, "rng": rng}
            images_of_changed: Tensor = functional_call(self, self.changed_weights(changes), (w,), keywords)
            return images_of_changed
        offsets, shifts, rgb_offsets, rgb_shifts, rgb_bias = self._layer_parts(domain, len(w))

        x = self.constant.to(dtype or w.dtype).expand(len(w), -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        images: Tensor | None = None
        for k in range(resolution.bit_length() - 2):
            for j in (0,) if k == 0 else (2 * k - 1, 2 * k):
                conv = self.convs[j]
                noise_map = conv.noise if noise == "const" else None
                if noise == "random":
                    noise_map = torch.randn(len(w), 1, 4 << k, 4 << k, generator=rng, device=w.device)
                x = conv(x, w[:, j], offsets[j], noise_map, shifts[j])
            colours = self.to_rgbs[k](x, w[:, 2 * k + 1], rgb_offsets[k], rgb_bias[k], rgb_shifts[k])
            images = colours if images is None else upsample(images) + colours
        assert images is not None
        return images.contiguous()

    @contextmanager
    def weights_held(self) -> Iterator[None]:
        """Cache what depends on the weights alone; none of them may be modified inside the block.

        Weights that a domain replaces are noticed nevertheless, and nothing is cached for those that require
        gradients.
        """
        for conv in self._modulated_convs():
            conv.hold_weights(True)
        try:
            yield
        finally:
            for conv in self._modulated_convs():
                conv.hold_weights(False)

    def _modulated_convs(self) -> list[ModulatedConv]:
        return [conv for conv in self.convs if isinstance(conv, ModulatedConv)]

    def changed_weights(self, changes: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights with a domain's changes added, by name; differentiable in the changes.

        Raises: ShapeError if there is no such weight, or a change does not broadcast to its shape.
        """
        self.check_weight_changes(changes)
        return {name: self.get_parameter(name) + change for name, change in changes.items()}

    def check_weight_changes(self, changes: dict[str, Tensor]) -> None:
        """Raise ShapeError if a weight does not exist, or its change does not broadcast to its shape."""
        weights = dict(self.named_parameters())
        for name, change in changes.items():
            if name not in weights:
                raise ShapeError(f"the domain changes the weight {name}, which this generator does not have")
            given, full = tuple(change.shape), tuple(weights[name].shape)
            if len(given) != len(full) or any(g not in (1, f) for g, f in zip(given, full, strict=True)):
                raise ShapeError(
                    f"the domain's change of {name} has shape {given}; this generator takes {full}, or 1 in "
                    "place of any of these sizes"
                )

    def _layer_parts(self, domain: Multipliers | None, batch_size: int) -> _LayerParts:
        """The parts of a domain, one entry for each layer, checked against this network; None where empty."""

        def part(name: str, widths: Sequence[int]) -> Sequence[Tensor | None]:
            tensors = getattr(domain, name, None)
            if not tensors:
                return [None] * len(widths)
            fits = len(tensors) == len(widths) and all(
                tuple(t.shape) in ((width,), (batch_size, width))
                for t, width in zip(tensors, widths, strict=True)
            )
            if not fits:
                raise ShapeError(
                    f"the domain's {name} have shapes {[tuple(t.shape) for t in tensors]}; this generator "
                    f"takes widths {list(widths)}, each alone or with a leading batch dimension of "
                    f"{batch_size}"
                )
            return list(tensors)

        return _LayerParts(
            part("offsets", self.conv_channels),
            part("shifts", self.conv_channels),
            part("rgb_offsets", self.rgb_channels),
            part("rgb_shifts", self.rgb_channels),
            part("rgb_bias", (3,) * len(self.rgb_channels)),
        )


class _LayerParts(NamedTuple):
    """The parts of a domain that act on channels, with one entry for each layer."""

    offsets: Sequence[Tensor | None]
    shifts: Sequence[Tensor | None]
    rgb_offsets: Sequence[Tensor | None]
    rgb_shifts: Sequence[Tensor | None]
    rgb_bias: Sequence[Tensor | None]


class Generator(nn.Module):
    """A StyleGAN2 generator of any resolution and widths, in plain PyTorch."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.synthesis = Synthesis(config)
        self.mapping = Mapping(config.z_dim, config.w_dim, config.mapping_layers, self.synthesis.num_ws)

    @property
    def resolution(self) -> int:
        """Image size in pixels."""
        return self.config.resolution

    @property
    def z_dim(self) -> int:
        """Width of the noise z."""
        return self.config.z_dim

    @property
    def w_dim(self) -> int:
        """Width of the latent w."""
        return self.config.w_dim

    @property
    def num_ws(self) -> int:
        """How many layers take a w: every 3 × 3 convolution and the last ToRGB."""
        return self.synthesis.num_ws

    @property
    def conv_channels(self) -> tuple[int, ...]:
        """Input width of each 3 × 3 convolution in forward order; the sum is a domain vector's size."""
        return self.synthesis.conv_channels

    @property
    def rgb_channels(self) -> tuple[int, ...]:
        """Input width of each ToRGB layer in forward order."""
        return self.config.channels

    def forward(self, z: Tensor, domain: Multipliers | None = None) -> Tensor:
        """Draw images (N, 3, resolution, resolution) from noise (N, z_dim), with the stored noise maps."""
        images: Tensor = self.synthesis(self.mapping(z), domain)
        return images

    @torch.no_grad()
    def draw(
        self,
        w: Tensor,
        domain: Any = None,  # noqa: ANN401 -- a `Domain`, which this package does not know
        *,
        noise: Noise = "const",
        resolution: int | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Draw images to look at: without gradients, a few at a time, within [-1, 1].

        Args:
            w: latents (N, num_ws, w_dim), on any device.
            domain: one domain for all images, or a stack with one for each.
            noise: "const", "random" or "none".
            resolution: stop at this side in pixels.
            batch_size: images at a time; by default as many as a moderate amount of memory holds.

        Returns: (N, 3, R, R) float32 in [-1, 1], on the device of `w`.

        Raises: ShapeError if the latents or the domain do not fit.

        Example:
            >>> images = generator.draw(generator.mapping(z, truncation_psi=0.7), 0.5 * sketch)
        """
        count = batch_size or max(1, _PIXELS_AT_ONCE // self.resolution**2)
        own = next(self.parameters()).device
        stacked = getattr(domain, "batch_size", None) is not None
        images = [
            self.synthesis(
                w[first : first + count].to(own),
                domain[first : first + count] if stacked else domain,
                noise=noise,
                resolution=resolution,
            )
            .float()
            .clamp(-1, 1)
            .to(w.device)
            for first in range(0, len(w), count)
        ]
        return torch.cat(images) if images else w.new_zeros(0, 3, self.resolution, self.resolution)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify this generator.

        The same in every checkpoint format: only the signs of the 3 × 3 kernels count, which survive the
        rescaling between formats, and everything else is rounded to half precision. What makes no difference
        to a domain is left out: the noise maps, the average w, and conv_clamp, which only guards training
        against overflow and which not every format can hold.
        """
        return self._fingerprint(conv_clamp=None)

    def has_fingerprint(self, fingerprint: object) -> bool:
        """Whether a fingerprint is this generator's, or was at the time when conv_clamp was part of it.

        A conversion may have dropped the clamp, so that of StyleGAN2-ADA is tried in any case.
        """
        return any(
            fingerprint == self._fingerprint(clamp)
            for clamp in dict.fromkeys((None, self.config.conv_clamp, _ADA_CLAMP))
        )

    def _fingerprint(self, conv_clamp: float | None) -> str:
        config = asdict(self.config) | {"conv_clamp": conv_clamp}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for name, parameter in sorted(self.named_parameters()):
            values = parameter.detach().cpu().float()
            is_kernel = name.startswith("synthesis.convs.") and values.ndim == 4
            values = torch.signbit(values) if is_kernel else values.half()
            digest.update(name.encode() + values.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, device: str | torch.device | None = None) -> Generator:
        """Load a generator from any supported format; nothing in the file is executed.

        Args:
            name_or_path: a bundled name ("faces"), a published one ("ffhq"), a folder, or a .pkl, .pt or
                .safetensors file.
            device: where to put it; the CPU by default.

        Raises:
            CheckpointError: if the file is missing, broken or not a StyleGAN2 generator.
            DownloadError: if a published checkpoint cannot be fetched.
        """
        from domainvec.stylegan2.pretrained import load_generator

        return load_generator(name_or_path).to(device or "cpu")

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Write config.json and model.safetensors to ``folder``, in float32 or float16."""
        from domainvec.stylegan2.pretrained import save_generator

        save_generator(self, folder, dtype)
