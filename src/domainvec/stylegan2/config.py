"""What defines the architecture of a StyleGAN2 network."""

from __future__ import annotations

from dataclasses import dataclass

from domainvec.errors import ShapeError


def check_resolution(resolution: int, largest: int | None = None) -> None:
    """Raise ShapeError unless ``resolution`` is a power of two from 4 px up to ``largest``."""
    if resolution < 4 or resolution & (resolution - 1) or (largest is not None and resolution > largest):
        allowed = "a power of two from 4" + (f" to {largest}" if largest else "")
        raise ShapeError(f"resolution is {resolution}; expected {allowed}")


def _check_channels(resolution: int, channels: tuple[int, ...]) -> None:
    check_resolution(resolution)
    expected = resolution.bit_length() - 2
    if len(channels) != expected or min(channels) < 1:
        raise ShapeError(
            f"channels are {channels}; expected {expected} positive widths, for 4 px to {resolution} px"
        )


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of a generator.

    Args:
        resolution: image size in pixels, a power of two.
        z_dim: width of the noise z.
        w_dim: width of the latent w.
        mapping_layers: number of fully connected layers from z to w.
        channels: how many feature maps there are at 4 px, 8 px, ..., ``resolution``.
        conv_clamp: activations are clamped to ± this value; None for no clamp. StyleGAN2-ADA trains with 256.
    """

    resolution: int
    z_dim: int
    w_dim: int
    mapping_layers: int
    channels: tuple[int, ...]
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        _check_channels(self.resolution, self.channels)
        for name in ("z_dim", "w_dim", "mapping_layers"):
            if getattr(self, name) < 1:
                raise ShapeError(f"{name} is {getattr(self, name)}; expected a positive number")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Architecture of a discriminator.

    Args:
        resolution: image size in pixels, a power of two.
        channels: how many feature maps there are at 4 px, 8 px, ..., ``resolution``.
        mbstd_group_size: group size of the minibatch standard deviation.
        mbstd_channels: how many feature maps the minibatch standard deviation appends.
        conv_clamp: activations are clamped to ± this value; None for no clamp.
    """

    resolution: int
    channels: tuple[int, ...]
    mbstd_group_size: int = 4
    mbstd_channels: int = 1
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        _check_channels(self.resolution, self.channels)
