"""Loading and saving networks by name or path.

A name is that of a bundled or a published network; everything else is taken as a path. To load a local folder
of the same name, write ``./name``.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from domainvec.errors import CheckpointError
from domainvec.files import BUNDLED_FOLDER
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.discriminator import Discriminator
from domainvec.stylegan2.download import BASE_URL, PUBLISHED, published_file
from domainvec.stylegan2.network import Generator
from domainvec.stylegan2.readers import Checkpoint, Weights, read_checkpoint
from domainvec.stylegan2.writers import save_folder

BUNDLED = ("faces", "faces-128")
"""Names of the networks that come with the package."""


def load_checkpoint(name_or_path: str | os.PathLike[str], *, base_url: str = BASE_URL) -> Checkpoint:
    """Read the weights that a name or a path refers to; nothing in a file is executed.

    Args:
        name_or_path: a name of BUNDLED or PUBLISHED, a folder of ours, or a .pkl, .pt or .safetensors file.
        base_url: where to download published checkpoints from.

    Raises:
        CheckpointError: if there is nothing of that name, or it is broken or not a StyleGAN2 checkpoint.
        DownloadError: if a published checkpoint cannot be downloaded.
    """
    if name_or_path in BUNDLED:
        return read_checkpoint(BUNDLED_FOLDER / str(name_or_path))
    if name_or_path in PUBLISHED:
        with published_file(str(name_or_path), base_url=base_url) as path:
            return read_checkpoint(path)
    if not Path(name_or_path).exists():
        raise CheckpointError(
            f"there is no network {os.fspath(name_or_path)!r}, and no file or folder of that path either; "
            f"bundled: {', '.join(BUNDLED)}; published: {', '.join(PUBLISHED)}"
        )
    return read_checkpoint(Path(name_or_path))


def load_generator(name_or_path: str | os.PathLike[str], *, base_url: str = BASE_URL) -> Generator:
    """Load the generator that a name or a path refers to, on the CPU; see ``load_checkpoint``.

    Raises:
        CheckpointError: as there, or if there is no generator in the file.
        DownloadError: as there.
    """
    weights = load_checkpoint(name_or_path, base_url=base_url).generator
    if weights is None:
        raise CheckpointError(f"{os.fspath(name_or_path)} holds no generator")
    return build_generator(weights)


def load_discriminator(name_or_path: str | os.PathLike[str], *, base_url: str = BASE_URL) -> Discriminator:
    """Load the discriminator that a name or a path refers to, on the CPU; see ``load_checkpoint``.

    Raises:
        CheckpointError: as there, or if there is no discriminator in the file, or one that cannot be read.
        DownloadError: as there.
    """
    checkpoint = load_checkpoint(name_or_path, base_url=base_url)
    if checkpoint.discriminator is None:
        why = checkpoint.discriminator_error or "holds no discriminator, only a generator"
        raise CheckpointError(f"{os.fspath(name_or_path)}: {why}")
    return build_discriminator(checkpoint.discriminator)


def build_generator(weights: Weights[GeneratorConfig]) -> Generator:
    """Make a generator of weights, whose tensors become its parameters without a copy."""
    with torch.device("meta"):  # no time spent on random weights
        generator = Generator(weights.config)
    generator.load_state_dict(weights.tensors, assign=True)
    return generator


def build_discriminator(weights: Weights[DiscriminatorConfig]) -> Discriminator:
    """Make a discriminator of weights, whose tensors become its parameters without a copy."""
    with torch.device("meta"):
        discriminator = Discriminator(weights.config)
    discriminator.load_state_dict(weights.tensors, assign=True)
    return discriminator


def save_generator(
    generator: Generator,
    folder: str | Path,
    dtype: torch.dtype = torch.float32,
    discriminator: Discriminator | None = None,
) -> None:
    """Write a generator, and optionally its discriminator, to a folder; see ``writers.save_folder``."""
    save_folder(generator, folder, dtype)
    if discriminator is not None:
        save_folder(discriminator, folder, dtype)


def save_discriminator(
    discriminator: Discriminator, folder: str | Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write a discriminator to a folder, beside its generator; see ``writers.save_folder``."""
    save_folder(discriminator, folder, dtype)
