"""What all readers share: from the tensor names of a format to checked weights under our names.

A format is described by two tables that map our names to its own, one for the generator and one for the
discriminator. The tables depend only on two counts, those of resolutions and of mapping layers, which follow
from the names in the file; all widths are then read off the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import torch
from torch import Tensor

from domainvec.errors import CheckpointError, ShapeError, UnsafeCheckpointError
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.readers.unpickling import quote, quote_some

_MAX_SIZES = 11
_MAX_DEPTH = 4
_MAX_NAME = 100
_MAX_NAMES = 100_000

Config = TypeVar("Config", GeneratorConfig, DiscriminatorConfig)


@dataclass(frozen=True)
class Weights(Generic[Config]):
    """A network's architecture, and its tensors by our names, float32."""

    config: Config
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The networks that a file holds.

    Args:
        form: the format of the file, in words.
        generator: the generator's weights (the averaged ones, where a file has several), or None.
        discriminator: the discriminator's weights, or None.
        discriminator_error: why the discriminator that the file holds cannot be read, or None.
    """

    form: str
    generator: Weights[GeneratorConfig] | None
    discriminator: Weights[DiscriminatorConfig] | None
    discriminator_error: str | None = None


def attempt(
    read: Callable[[], Weights[DiscriminatorConfig]],
) -> tuple[Weights[DiscriminatorConfig] | None, str | None]:
    """Read a discriminator, or say why it cannot be read: its generator is useful without it.

    Raises:
        UnsafeCheckpointError: if the file is unsafe, since then no part of it should be used.
    """
    try:
        return read(), None
    except UnsafeCheckpointError:
        raise
    except CheckpointError as error:
        return None, str(error)


def conv_sites(num_sizes: int) -> Iterator[tuple[int, int, str]]:
    """Index, side in pixels and kind ("first", "up" or "plain") of a generator's modulated convolutions."""
    yield 0, 4, "first"
    for k in range(1, num_sizes):
        yield 2 * k - 1, 4 << k, "up"
        yield 2 * k, 4 << k, "plain"


def generator_shapes(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a generator's tensors, without building it."""
    w_dim, channels = config.w_dim, config.channels
    shapes: dict[str, tuple[int, ...]] = {
        "mapping.w_avg": (w_dim,),
        "synthesis.constant": (channels[0], 4, 4),
    }
    for i in range(config.mapping_layers):
        shapes[f"mapping.layers.{i}.weight"] = (w_dim, w_dim if i else config.z_dim)
        shapes[f"mapping.layers.{i}.bias"] = (w_dim,)

    def add_layer(name: str, c_in: int, c_out: int, kernel: int) -> None:
        shapes[f"{name}.weight"] = (c_out, c_in, kernel, kernel)
        shapes[f"{name}.bias"] = (c_out,)
        shapes[f"{name}.affine.weight"] = (c_in, w_dim)
        shapes[f"{name}.affine.bias"] = (c_in,)

    for j, side, kind in conv_sites(len(channels)):
        k = (j + 1) // 2
        conv = f"synthesis.convs.{j}"
        add_layer(conv, channels[k - 1 if kind == "up" else k], channels[k], 3)
        shapes[f"{conv}.noise"] = (side, side)
        shapes[f"{conv}.noise_strength"] = ()
    for k, width in enumerate(channels):
        add_layer(f"synthesis.to_rgbs.{k}", width, 3, 1)
    return shapes


def discriminator_shapes(config: DiscriminatorConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a discriminator's tensors, without building it."""
    channels = config.channels
    shapes: dict[str, tuple[int, ...]] = {}

    def add_layer(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]

    add_layer("from_rgb", channels[-1], 3, 1, 1)
    for i, k in enumerate(range(len(channels) - 1, 0, -1)):
        add_layer(f"blocks.{i}.conv0", channels[k], channels[k], 3, 3)
        add_layer(f"blocks.{i}.conv1", channels[k - 1], channels[k], 3, 3)
        shapes[f"blocks.{i}.skip.weight"] = (channels[k - 1], channels[k], 1, 1)
    add_layer("conv", channels[0], channels[0] + config.mbstd_channels, 3, 3)
    add_layer("fc", channels[0], channels[0] * 16)
    add_layer("out", 1, channels[0])
    return shapes


def count_numbered(names: Iterable[object], pattern: str) -> int:
    """One more than the largest number that ``pattern`` captures at the start of the names, or 0."""
    matches = (re.match(pattern, name) for name in names if isinstance(name, str))
    return max((int(match[1]) + 1 for match in matches if match), default=0)


def flatten(table: Mapping[object, object]) -> dict[str, object]:
    """Flatten nested dictionaries to dotted names, such as "g_ema.input.input".

    Raises:
        CheckpointError: if there are more of them than any checkpoint has.
    """
    flat = dict(islice(_flatten(table, "", 0), _MAX_NAMES + 1))
    if len(flat) > _MAX_NAMES:
        raise CheckpointError(f"the file holds more than {_MAX_NAMES:,} names, more than any checkpoint")
    return flat


def _flatten(table: Mapping[object, object], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        # A dictionary that is referred to repeatedly has its names copied: long ones could fill the memory.
        if not isinstance(key, str) or len(key) > _MAX_NAME:
            continue
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            yield from _flatten(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}", value


def check_keys(expected: Collection[str], found: Collection[str], what: str) -> None:
    """Raise CheckpointError if keys are missing or unexpected, and name them."""
    wanted, there = set(expected), set(found)
    missing = [key for key in expected if key not in there]
    unexpected = [key for key in found if key not in wanted]
    if missing or unexpected:
        parts = [f"{len(keys)} {kind}: {quote_some(keys)}" for kind, keys in
                 (("missing", missing), ("unexpected", unexpected)) if keys]  # fmt: skip
        raise CheckpointError(f"the tensors of the {what} do not form a StyleGAN2 ({'; '.join(parts)})")


def rename(
    names: Mapping[str, str], found: Collection[str], fetch: Callable[[str], Tensor], what: str
) -> dict[str, Tensor]:
    """Collect tensors under our names.

    Args:
        names: maps our names to those of the file.
        found: all names in the file.
        fetch: returns the tensor of a name in the file.
        what: which network the tensors belong to, for error messages.

    Raises:
        CheckpointError: if a name is missing or unexpected, or a tensor cannot be read.
    """
    check_keys(names.values(), found, what)
    tensors = {}
    for ours, theirs in names.items():
        try:
            tensors[ours] = fetch(theirs)
        except CheckpointError as error:
            raise type(error)(f"{quote(theirs)} of the {what}: {error}") from None
    return tensors


def generator_weights(tensors: dict[str, Tensor], conv_clamp: float | None) -> Weights[GeneratorConfig]:
    """Read a generator's widths off its tensors, and check every shape and value.

    Raises:
        CheckpointError: if a shape does not fit the others, or a value is not finite.
    """
    num_sizes = max(count_numbered(tensors, r"synthesis\.to_rgbs\.(\d{1,2})\."), 1)
    mapping_layers = max(count_numbered(tensors, r"mapping\.layers\.(\d{1,2})\."), 1)
    _check_num_sizes(num_sizes)
    narrow = GeneratorConfig(4 << (num_sizes - 1), 1, 1, mapping_layers, (1,) * num_sizes)
    check_keys(generator_shapes(narrow), tensors, "generator")
    start, channels = tensors["synthesis.constant"].shape[-2:], tensors["synthesis.to_rgbs.0.bias"].numel()
    if start != (4, 4):
        raise CheckpointError(
            f"the generator begins with {' × '.join(map(str, start))} pixels; expected 4 × 4: only square "
            "pictures are supported"
        )
    if channels != 3:
        raise CheckpointError(
            f"the generator's pictures have {channels} channel{'s'[: channels != 1]}; expected 3: only red, "
            "green and blue are supported"
        )
    first = tensors["mapping.layers.0.weight"]
    config = _made(
        GeneratorConfig,
        resolution=4 << (num_sizes - 1),
        z_dim=first.shape[-1] if first.ndim else 0,
        w_dim=tensors[f"mapping.layers.{mapping_layers - 1}.bias"].numel(),
        mapping_layers=mapping_layers,
        channels=tuple(tensors[f"synthesis.to_rgbs.{k}.affine.bias"].numel() for k in range(num_sizes)),
        conv_clamp=conv_clamp,
    )
    return Weights(config, _checked(tensors, generator_shapes(config), "generator"))


def discriminator_weights(
    tensors: dict[str, Tensor], conv_clamp: float | None, mbstd_group_size: int
) -> Weights[DiscriminatorConfig]:
    """Read a discriminator's widths off its tensors, and check every shape and value.

    Raises:
        CheckpointError: if a shape does not fit the others, or a value is not finite.
    """
    num_blocks = count_numbered(tensors, r"blocks\.(\d{1,2})\.")
    _check_num_sizes(num_blocks + 1)
    narrow = DiscriminatorConfig(4 << num_blocks, (1,) * (num_blocks + 1))
    check_keys(discriminator_shapes(narrow), tensors, "discriminator")
    coarse = [tensors[f"blocks.{i}.conv1.bias"].numel() for i in reversed(range(num_blocks))]
    channels = (*coarse, tensors["from_rgb.bias"].numel())
    conv = tensors["conv.weight"]
    config = _made(
        DiscriminatorConfig,
        resolution=4 << num_blocks,
        channels=channels,
        mbstd_group_size=mbstd_group_size,
        mbstd_channels=conv.shape[1] - channels[0] if conv.ndim == 4 else -1,
        conv_clamp=conv_clamp,
    )
    if config.mbstd_channels < 0 or mbstd_group_size < 1:
        raise CheckpointError(
            f"the discriminator's last convolution has shape {tuple(conv.shape)} for {channels[0]} channels, "
            f"and its minibatch standard deviation groups of {mbstd_group_size}; that is not a StyleGAN2's"
        )
    return Weights(config, _checked(tensors, discriminator_shapes(config), "discriminator"))


def check_clamp(clamp: float | None) -> float | None:
    """Return the clamp on activations if it is valid, else raise CheckpointError."""
    if clamp is None or (clamp > 0 and clamp != float("inf")):
        return clamp
    raise CheckpointError(f"conv_clamp is {clamp}; expected a positive number or none")


def check_filter(taps: Tensor) -> None:
    """Raise CheckpointError unless a filter is [1, 3, 3, 1] or its outer product, up to scale."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    expected = line if taps.ndim == 1 else line.outer(line)
    total = taps.sum()
    if taps.shape != expected.shape or not torch.allclose(taps / total, expected / expected.sum(), atol=1e-6):
        raise CheckpointError(
            "the network resamples with another filter than [1, 3, 3, 1], the only one supported"
        )


def _check_num_sizes(num_sizes: int) -> None:
    if num_sizes > _MAX_SIZES:
        raise CheckpointError(
            f"the network has {num_sizes} resolutions; expected at most {_MAX_SIZES}, to {2 << _MAX_SIZES} px"
        )


def _made(kind: type[Config], **shape: object) -> Config:
    try:
        return kind(**shape)  # type: ignore[arg-type]
    except ShapeError as error:
        raise CheckpointError(str(error)) from None


def _checked(
    tensors: dict[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str
) -> dict[str, Tensor]:
    checked = {}
    for name, shape in shapes.items():
        tensor = tensors[name]
        # Formats differ in axes of length one, such as a leading batch axis, which carry no information.
        if [size for size in tensor.shape if size > 1] != [size for size in shape if size > 1]:
            raise CheckpointError(
                f"{name} of the {what} has shape {tuple(tensor.shape)}; expected {shape} to match the other "
                "tensors"
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{name} of the {what} holds numbers that are not finite; the checkpoint is unusable"
            )
        checked[name] = tensor.reshape(shape).contiguous()
    return checked
