"""Both networks of a checkpoint, read once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from domainvec.stylegan2 import Discriminator, Generator
from domainvec.stylegan2.pretrained import load_checkpoint


@dataclass(frozen=True)
class Networks:
    """What a checkpoint holds: the form it has, in words, and its networks, as far as there are any."""

    form: str
    generator: Generator | None
    discriminator: Discriminator | None


def load_networks(name_or_path: str) -> Networks:
    """Load the networks that a name or a path stands for.

    Raises: CheckpointError if there is nothing there, or it is broken or no StyleGAN2 checkpoint.
    """
    checkpoint = load_checkpoint(name_or_path)
    generator = discriminator = None
    with torch.device("meta"):  # no time spent on random weights
        if checkpoint.generator:
            generator = Generator(checkpoint.generator.config)
        if checkpoint.discriminator:
            discriminator = Discriminator(checkpoint.discriminator.config)
    if generator and checkpoint.generator:
        generator.load_state_dict(checkpoint.generator.tensors, assign=True)
    if discriminator and checkpoint.discriminator:
        discriminator.load_state_dict(checkpoint.discriminator.tensors, assign=True)
    return Networks(checkpoint.form, generator, discriminator)
