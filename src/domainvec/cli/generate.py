"""`domainvec generate`: images of a generator, unadapted and in other domains."""

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
    with_suffix,
)


def generate(
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG file to write.")],
    generator: GeneratorName = "faces",
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:STRENGTH]",
            help="A domain file, or a folder of them, and its strength (1 by default). Repeat for more rows.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of the latents, such as 7, 0-15 or 1,4,9-12.")] = "0-15",
    truncation: Annotated[
        float, typer.Option(help="1 for full diversity; smaller values give more typical images.")
    ] = 0.7,
    size: Annotated[
        int | None,
        typer.Option(min=4, help="Side of each image in pixels.  [default: the generator's, at least 128]"),
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="Number of images per row.")] = 16,
    allow_mismatch: AllowMismatch = False,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Generate images: a row of the generator itself, and a row of the same seeds for each domain.

    If the seeds do not fit in one row, further rows follow.
    """
    chosen = parse_seeds(seeds)
    output = with_suffix(output, ".png")

    from domainvec.cli.domains import load_domains
    from domainvec.cli.machine import prepare
    from domainvec.images import grid, save_png
    from domainvec.samples import draw
    from domainvec.stylegan2 import Generator

    model = Generator.from_pretrained(generator, device=prepare(device, threads))
    domains = load_domains(domain or [], model, allow_mismatch)
    targets = [None, *(each.domain for each in domains)]
    blocks = [chosen[start : start + columns] for start in range(0, len(chosen), columns)]
    rows = [draw(model, block, target, truncation) for block in blocks for target in targets]
    side = size or max(model.resolution, 128)
    labels = ["", *(each.name for each in domains)] * len(blocks)
    save_png(grid(rows, side / model.resolution, labels), output)
    typer.echo(f"{output}: {len(chosen)} seeds" + (f", {len(domains)} domains" if domains else ""))
