"""`domainvec generate`: pictures of a generator, in its own domain and in others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainvec.cli.arguments import (
    AllowMismatch,
    Debug,
    Device,
    GeneratorName,
    Threads,
    parse_seeds,
    split_weight,
    with_suffix,
)


def generate(
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG file to write.")],
    generator: GeneratorName = "faces",
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:STRENGTH]",
            help="A domain file, and how far to go there (1: all the way). Repeat it for more rows.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Which latents, such as 7 or 0-15 or 1,4,9-12.")] = "0-15",
    truncation: Annotated[
        float, typer.Option(help="1 keeps all variety; towards 0 the pictures become more typical.")
    ] = 0.7,
    size: Annotated[
        int | None,
        typer.Option(min=4, help="Side of each picture in pixels.  [default: the generator's, at least 128]"),
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="How many pictures in a row.")] = 16,
    allow_mismatch: AllowMismatch = False,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Draw pictures: one row by the generator itself, and one below it for each domain.

    Each row shows the same seeds. Seeds that do not fit in a row go on in further rows.
    """
    chosen = parse_seeds(seeds)
    files = [split_weight(text) for text in domain or []]
    output = with_suffix(output, ".png")

    from domainvec.cli.machine import prepare
    from domainvec.domains import Domain
    from domainvec.images import grid, save_png
    from domainvec.samples import draw
    from domainvec.stylegan2 import Generator

    model = Generator.from_pretrained(generator, device=prepare(device, threads))
    targets: list[tuple[str, Domain | None]] = [("", None)]
    for file, strength in files:
        loaded = Domain.load(file, generator=model, allow_mismatch=allow_mismatch)
        if strength is None:
            targets.append((file.stem, loaded))
        else:
            targets.append((f"{file.stem} × {strength:g}", loaded * strength))
    blocks = [chosen[start : start + columns] for start in range(0, len(chosen), columns)]
    rows = [draw(model, block, target, truncation) for block in blocks for _, target in targets]
    side = size or max(model.resolution, 128)
    sheet = grid(rows, side / model.resolution, [name for name, _ in targets] * len(blocks))
    save_png(sheet, output)
    typer.echo(f"{output}: {len(chosen)} seeds" + (f", {len(files)} domains" if files else ""))
