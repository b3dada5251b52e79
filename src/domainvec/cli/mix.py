"""`domainvec mix`: a weighted sum of domains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainvec.cli.arguments import AllowMismatch, Debug, parse_weighted, with_suffix


def mix(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE:WEIGHT...", help="Domain files, each with its weight.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The domain file to write.")],
    allow_mismatch: AllowMismatch = False,
    debug: Debug = False,
) -> None:
    """Mix domains: write the weighted sum of several domain files.

    Weights may be negative, and need not add up to 1.
    """
    weighted = parse_weighted(files)
    output = with_suffix(output, ".safetensors")

    from domainvec.domains import Domain
    from domainvec.errors import DomainError

    (first, weight), *others = weighted
    domain = weight * Domain.load(first)
    for file, weight in others:
        try:
            domain = domain + weight * Domain.load(file)
        except DomainError as error:
            raise DomainError(
                f"{file} does not go with {first}: {error}. Domains can be mixed that were made for one "
                "generator; `domainvec info` says which it was"
            ) from error
    made_for = domain.metadata.get("generator_fingerprint")
    if isinstance(made_for, list) and not allow_mismatch:
        raise DomainError(
            f"these domains were made for different generators, {' and '.join(made_for)}; their widths "
            "agree, so --allow-mismatch mixes them all the same"
        )
    domain.save(output)
    typer.echo(f"{output}: {domain.size:,} numbers, a mix of {len(weighted)} domains")
