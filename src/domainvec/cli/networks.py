"""Both networks of a checkpoint, read once, and written for other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domainvec.errors import InputError
from domainvec.stylegan2 import Discriminator, Generator
from domainvec.stylegan2.pretrained import build_discriminator, build_generator, load_checkpoint
from domainvec.stylegan2.writers import save_rosinality


@dataclass(frozen=True)
class Networks:
    """What a checkpoint holds.

    Args:
        form: which kind of file it is, in words.
        generator: the generator, or None.
        discriminator: the discriminator, or None.
        discriminator_error: why the discriminator that the file holds cannot be read, or None.
    """

    form: str
    generator: Generator | None
    discriminator: Discriminator | None
    discriminator_error: str | None


def load_networks(name_or_path: str) -> Networks:
    """Load the networks that a name or a path stands for.

    Raises: CheckpointError if there is nothing there, or it is broken or no StyleGAN2 checkpoint.
    """
    checkpoint = load_checkpoint(name_or_path)
    generator, discriminator = checkpoint.generator, checkpoint.discriminator
    return Networks(
        checkpoint.form,
        None if generator is None else build_generator(generator),
        None if discriminator is None else build_discriminator(discriminator),
        checkpoint.discriminator_error,
    )


def write_rosinality(
    generator: Generator, path: Path, discriminator: Discriminator | None = None, *, drop_clamp: bool
) -> None:
    """Call `save_rosinality`; where it asks for its argument `drop_clamp`, ask for the option.

    Raises: InputError as there.
    """
    try:
        save_rosinality(generator, path, discriminator, drop_clamp=drop_clamp)
    except InputError as error:
        raise InputError(str(error).replace("drop_clamp=True", "--drop-clamp")) from error
