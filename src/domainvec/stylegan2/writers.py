"""Writing checkpoints: our own folders, and rosinality's format for everything built on that code."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.files import atomic_path, save_tensors
from domainvec.stylegan2.discriminator import Discriminator
from domainvec.stylegan2.network import Generator
from domainvec.stylegan2.readers import rosinality
from domainvec.stylegan2.readers.native import (
    CONFIG_NAME,
    FILE_NAMES,
    FORMAT_VERSION,
    METADATA_KEY,
    read_settings,
)


def save_folder(
    network: Generator | Discriminator, folder: str | Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write a network to a folder: its weights as safetensors, its architecture to ``config.json``.

    If the folder already holds a network of the other kind, that one is kept.

    Args:
        network: the generator (model.safetensors) or the discriminator (discriminator.safetensors).
        folder: made if missing.
        dtype: torch.float32, or torch.float16 for half the size and three significant digits.

    Raises:
        InputError: if it is another dtype, or a weight is too large for float16.
        CheckpointError: if the folder has a config.json that is not ours.
    """
    if dtype not in (torch.float32, torch.float16):
        raise InputError(f"dtype is {dtype}; expected torch.float32 or torch.float16")
    folder = Path(folder)
    kind = "generator" if isinstance(network, Generator) else "discriminator"
    tensors = {name: tensor.to(dtype) for name, tensor in _state(network).items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{name} has numbers that {dtype} cannot hold; save with torch.float32")
    config_path = folder / CONFIG_NAME
    settings = read_settings(folder) if config_path.exists() else {}
    shape = {kind: asdict(network.config)}
    header = json.dumps({"format_version": FORMAT_VERSION, **shape})
    save_tensors(folder / FILE_NAMES[kind], tensors, {METADATA_KEY: header})
    with atomic_path(config_path) as path:
        path.write_text(json.dumps({**settings, "format_version": FORMAT_VERSION, **shape}, indent=2) + "\n")


def save_rosinality(
    generator: Generator,
    path: str | Path,
    discriminator: Discriminator | None = None,
    *,
    drop_clamp: bool = False,
) -> None:
    """Write a checkpoint that rosinality's stylegan2-pytorch and what builds on it can load.

    That code requires z and w of the same width, and derives its channel counts from the resolution and a
    channel multiplier: it has to be modified to load networks of other widths.

    Args:
        generator: goes to ``g_ema`` and ``latent_avg``.
        path: the .pt file.
        discriminator: goes to ``d``, if given.
        drop_clamp: write a network that clamps its activations (conv_clamp) without the clamp, which this
            format cannot hold; images differ only where activations would reach it.

    Raises:
        InputError: if the format cannot hold the network.
    """
    networks: list[Generator | Discriminator] = [generator, *([discriminator] if discriminator else [])]
    clamps = [network.config.conv_clamp for network in networks if network.config.conv_clamp is not None]
    if clamps and not drop_clamp:
        raise InputError(
            f"activations are clamped to ±{clamps[0]:g} (conv_clamp), which rosinality's format cannot hold; "
            "pass drop_clamp=True to write the network without the clamp, or write a folder, which keeps it"
        )
    if generator.z_dim != generator.w_dim:
        raise InputError(
            f"z has width {generator.z_dim} and w {generator.w_dim}, but rosinality's format has one width "
            "for both: write a folder instead"
        )
    content: dict[str, object] = {"g_ema": _generator_state(generator)}
    content["latent_avg"] = generator.mapping.w_avg.detach().float().cpu().clone()
    if discriminator is not None:
        if misfit := discriminator_misfit(discriminator):
            raise InputError(f"{misfit}; write the generator without it")
        content["d"] = _discriminator_state(discriminator)
    file = io.BytesIO()  # torch.save itself has other errors than OSError where the disk is full
    torch.save(content, file)
    with atomic_path(path) as temporary:
        temporary.write_bytes(file.getbuffer())


def discriminator_misfit(discriminator: Discriminator) -> str | None:
    """Why rosinality's format cannot hold a discriminator, or None if it can."""
    found = discriminator.config.mbstd_group_size, discriminator.config.mbstd_channels
    if found == (rosinality.GROUP_SIZE, 1):
        return None
    return (
        f"the discriminator's minibatch standard deviation has groups of {found[0]} and {found[1]} channels; "
        f"rosinality's format has {rosinality.GROUP_SIZE} and 1"
    )


def _state(network: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in network.state_dict().items()}


def _generator_state(generator: Generator) -> dict[str, Tensor]:
    config = generator.config
    state = _state(generator)
    written: dict[str, Tensor] = {}
    names = rosinality.generator_names(len(config.channels), config.mapping_layers)
    for ours, theirs in names.items():
        tensor = state[ours]
        if theirs == "input.input" or theirs.endswith("conv.weight"):
            tensor = tensor[None]  # the batch axis that kernels for each sample need
        elif theirs.endswith("noise.weight"):
            tensor = tensor.reshape(1)
        elif theirs.startswith("noises."):
            tensor = tensor[None, None]
        elif theirs.startswith("to_rgb") and tensor.ndim == 1 and "modulation" not in theirs:
            tensor = tensor.reshape(1, 3, 1, 1)
        written[theirs] = tensor
        # The fixed filters are part of that code's state dicts; up-sampling multiplies them by four.
        if theirs.endswith("conv.weight") and _is_up(theirs):
            written[theirs.replace("weight", "blur.kernel")] = 4 * _kernel()
        elif theirs.startswith("to_rgbs.") and theirs.count(".") == 2:
            written[theirs.replace("bias", "upsample.kernel")] = 4 * _kernel()
    return written


def _is_up(name: str) -> bool:
    """Whether a rosinality name is one of the up-sampling convolutions, convs.0, convs.2, ..."""
    parts = name.split(".")
    return parts[0] == "convs" and int(parts[1]) % 2 == 0


def _discriminator_state(discriminator: Discriminator) -> dict[str, Tensor]:
    state = _state(discriminator)
    written: dict[str, Tensor] = {}
    for ours, theirs in rosinality.discriminator_names(len(discriminator.config.channels)).items():
        if ".conv2.1." in theirs or ".skip.1." in theirs:
            written[theirs.replace("1.weight", "0.kernel")] = _kernel()
        written[theirs] = state[ours]
    return written


def _kernel() -> Tensor:
    """The filter [1, 3, 3, 1] in two dimensions, its sum one."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return taps.outer(taps)
