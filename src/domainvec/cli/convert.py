"""`domainvec convert`: a checkpoint from one format to another."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from domainvec.cli.arguments import Debug, with_suffix


class Form(str, Enum):
    """Formats that can be written."""

    SAFETENSORS = "safetensors"
    ROSINALITY = "rosinality"


def convert(
    generator: Annotated[
        str,
        typer.Argument(help="A bundled or published name, a folder, or a .pkl, .pt or .safetensors file."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder or the .pt file to write.")],
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            help="A folder of safetensors and config.json, or a .pt file for rosinality's stylegan2-pytorch "
            "and what builds on it.  [default: rosinality if OUTPUT ends in .pt, else safetensors]",
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Write a folder at half precision: half the size, three digits.")
    ] = False,
    drop_clamp: Annotated[
        bool,
        typer.Option(
            "--drop-clamp",
            help="Drop the clamp on activations (conv_clamp), which rosinality's format cannot hold.",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Convert a checkpoint, with its discriminator if it has one; nothing in it is executed."""
    form = form or (Form.ROSINALITY if output.suffix == ".pt" else Form.SAFETENSORS)
    if form is Form.ROSINALITY:
        output = with_suffix(output, ".pt")
        if half:
            raise typer.BadParameter("rosinality's format has float32 weights", param_hint="--half")
    elif output.suffix in (".pt", ".pkl", ".safetensors") or output.is_file():
        raise typer.BadParameter(
            f"{output} names a file, but this format is a folder: name it {output.with_suffix('')}",
            param_hint="-o",
        )

    import torch

    from domainvec.cli.networks import load_networks, write_rosinality
    from domainvec.errors import CheckpointError
    from domainvec.stylegan2.pretrained import save_generator
    from domainvec.stylegan2.writers import discriminator_misfit

    networks = load_networks(generator)
    if networks.generator is None:
        raise CheckpointError(f"{generator} holds no generator to convert")
    discriminator, left_out = networks.discriminator, networks.discriminator_error
    if form is Form.ROSINALITY:
        if discriminator and (left_out := discriminator_misfit(discriminator)):
            discriminator = None
        write_rosinality(networks.generator, output, discriminator, drop_clamp=drop_clamp)
    else:
        dtype = torch.float16 if half else torch.float32
        save_generator(networks.generator, output, dtype, discriminator)
    if left_out:
        typer.echo(f"note: the discriminator is left out: {left_out}", err=True)
    held = "generator and discriminator" if discriminator else "generator"
    typer.echo(f"{output}: {held}, {networks.generator.resolution} px; read as: {networks.form}")
