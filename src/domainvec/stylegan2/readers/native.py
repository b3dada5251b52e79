"""Our own format: safetensors, with the architecture as JSON in a separate file and in their header.

A folder holds ``config.json``, ``model.safetensors`` (the generator) and possibly
``discriminator.safetensors``; each safetensors file can also be read by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from domainvec.errors import CheckpointError
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.readers.layout import (
    Checkpoint,
    Weights,
    attempt,
    check_clamp,
    discriminator_weights,
    generator_weights,
)
from domainvec.stylegan2.readers.unpickling import quote

FORM = "domainvec"
FORMAT_VERSION = 1
METADATA_KEY = "domainvec"
CONFIG_NAME = "config.json"
FILE_NAMES = {"generator": "model.safetensors", "discriminator": "discriminator.safetensors"}

_MAX_CONFIG_BYTES = 1 << 20


def read_folder(folder: Path) -> Checkpoint:
    """Read the networks of a folder that ``save_pretrained`` wrote.

    Raises:
        CheckpointError: if it is another kind of folder, or its files do not fit together.
    """
    settings = read_settings(folder)

    def tensors(network: str) -> dict[str, Tensor]:
        path = folder / FILE_NAMES[network]
        if not path.is_file():
            raise CheckpointError(f"{CONFIG_NAME} describes a {network}, but there is no {path.name}")
        return read_tensors(path)[0]

    if "generator" not in settings and "discriminator" not in settings:
        raise CheckpointError(f"{CONFIG_NAME} describes neither a generator nor a discriminator")
    generator = None
    if "generator" in settings:
        generator = _read_generator(settings, tensors("generator"), CONFIG_NAME)
    if "discriminator" not in settings:
        return Checkpoint(FORM, generator, None)
    return Checkpoint(
        FORM,
        generator,
        *attempt(lambda: _read_discriminator(settings, tensors("discriminator"), CONFIG_NAME)),
    )


def read_settings(folder: Path) -> dict[str, object]:
    """Read a folder's ``config.json``: the version of the format, and the architecture of each network.

    Raises:
        CheckpointError: if there is none, or it is not ours.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise CheckpointError(f"the folder has no {CONFIG_NAME}; expected one that save_pretrained wrote")
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise CheckpointError(f"{CONFIG_NAME} is larger than {_MAX_CONFIG_BYTES} bytes")
    settings = _parse(path.read_bytes(), CONFIG_NAME)
    _check_version(settings, CONFIG_NAME)
    return settings


def read_single(tensors: dict[str, Tensor], description: str) -> Checkpoint:
    """Read the network of a single safetensors file, whose header describes the architecture.

    Args:
        tensors: what the file holds, by name.
        description: the entry METADATA_KEY of its header.

    Raises:
        CheckpointError: if it is not a file that ``save_pretrained`` writes.
    """
    settings = _parse(description.encode(), "the header")
    if "generator_fingerprint" in settings:
        raise CheckpointError(
            "this is the file of a domain; expected a generator (domains are given with --domain)"
        )
    _check_version(settings, "the header")
    named = [network for network in FILE_NAMES if network in settings]
    if len(named) != 1:
        raise CheckpointError("the header of the safetensors file names no single network")
    if named == ["generator"]:
        return Checkpoint(FORM, _read_generator(settings, tensors, "the header"), None)
    return Checkpoint(FORM, None, _read_discriminator(settings, tensors, "the header"))


def _read_generator(
    settings: Mapping[str, object], tensors: dict[str, Tensor], where: str
) -> Weights[GeneratorConfig]:
    shape = _shape(settings, "generator", where)
    weights = generator_weights(_floats(tensors), _clamp(shape, where))
    _check_shape(asdict(weights.config), shape, "generator", where)
    return weights


def _read_discriminator(
    settings: Mapping[str, object], tensors: dict[str, Tensor], where: str
) -> Weights[DiscriminatorConfig]:
    shape = _shape(settings, "discriminator", where)
    group_size = shape.get("mbstd_group_size")
    if type(group_size) is not int:
        raise CheckpointError(f"mbstd_group_size in {where} is missing or not an integer")
    weights = discriminator_weights(_floats(tensors), _clamp(shape, where), group_size)
    _check_shape(asdict(weights.config), shape, "discriminator", where)
    return weights


def _check_version(settings: Mapping[str, object], where: str) -> None:
    version = settings.get("format_version")
    if version != FORMAT_VERSION:
        shown = version if isinstance(version, int) else "missing"
        raise CheckpointError(
            f"format_version in {where} is {shown}; this version of domainvec reads {FORMAT_VERSION}"
        )


def _check_shape(
    found: Mapping[str, object], declared: Mapping[str, object], network: str, where: str
) -> None:
    for name, value in found.items():
        value = list(value) if isinstance(value, tuple) else value
        if name not in declared or declared[name] != value:
            raise CheckpointError(
                f"{name} of the {network} is {quote(json.dumps(declared.get(name)))} in {where}, but its "
                f"tensors are those of {quote(json.dumps(value))}"
            )


def _clamp(shape: Mapping[str, object], where: str) -> float | None:
    clamp = shape.get("conv_clamp")
    if clamp is None or (isinstance(clamp, int | float) and not isinstance(clamp, bool)):
        return check_clamp(clamp)
    raise CheckpointError(f"conv_clamp in {where} is not a number")


def _shape(settings: Mapping[str, object], network: str, where: str) -> Mapping[str, object]:
    shape = settings[network]
    if not isinstance(shape, dict):
        raise CheckpointError(f"{network} in {where} is not a table of settings")
    return shape


def _parse(text: bytes, where: str) -> dict[str, object]:
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        raise CheckpointError(f"{where} is not JSON") from None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{where} is not a table of settings")
    return settings


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a safetensors file, and the metadata in its header.

    Raises:
        CheckpointError: if it is cut off or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            # Copies, since the file may be replaced while the network is in use.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is cut off or damaged ({quote(str(error))})") from None


def _floats(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name, tensor in tensors.items():
        if not tensor.dtype.is_floating_point:
            raise CheckpointError(f"{quote(name)} holds {tensor.dtype}; expected floating point numbers")
    return {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
