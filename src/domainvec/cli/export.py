"""`domainvec export`: a domain merged into the weights of a generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainvec.cli.arguments import AllowMismatch, Debug, GeneratorName, split_weight


def export(
    domain: Annotated[
        str,
        typer.Argument(
            metavar="DOMAIN[:STRENGTH]", help="A domain file, and how far to go there (1: all the way)."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="A .pt file for rosinality's stylegan2-pytorch and what builds on it, or a folder of "
            "safetensors and config.json.",
        ),
    ],
    generator: GeneratorName = "faces",
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest", help="Write the nearest plain generator to a domain that cannot be merged exactly."
        ),
    ] = False,
    drop_clamp: Annotated[
        bool,
        typer.Option(
            "--drop-clamp",
            help="Drop the clamp on activations (conv_clamp), which rosinality's format cannot hold.",
        ),
    ] = False,
    allow_mismatch: AllowMismatch = False,
    debug: Debug = False,
) -> None:
    """Merge a domain into plain weights: a checkpoint of the generator that other tools open.

    All but the domain vector's offsets (modulation, modulation+rgb) can be merged exactly.
    """
    file, strength = split_weight(domain)
    if output.suffix in (".pkl", ".safetensors") or (output.suffix != ".pt" and output.is_file()):
        raise typer.BadParameter(f"{output}: name a .pt file or a folder", param_hint="-o")
    if output.suffix == ".pt" and output.is_dir():
        raise typer.BadParameter(f"{output} is a folder, not a file", param_hint="-o")

    from domainvec.cli.networks import write_rosinality
    from domainvec.domains import Domain
    from domainvec.domains.merging import merge, merging_error
    from domainvec.stylegan2 import Generator
    from domainvec.stylegan2.writers import save_folder

    model = Generator.from_pretrained(generator)
    loaded = Domain.load(file, generator=model, allow_mismatch=allow_mismatch)
    if strength is not None:
        loaded = loaded * strength
    merged = merge(model, loaded, nearest=nearest)
    if output.suffix == ".pt":
        write_rosinality(merged, output, drop_clamp=drop_clamp)
    else:
        save_folder(merged, output)
    error = merging_error(model, loaded, merged)
    typer.echo(f"{output}: {generator}, {model.resolution} px, with {file.stem} merged into its weights")
    typer.echo(f"pictures differ from the live domain's by {error:.1e} on average, in a range of 2")
