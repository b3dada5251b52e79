"""`domainvec mix`: a weighted sum of domains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainvec.cli.arguments import AllowMismatch, Debug, parse_weighted, with_suffix


def mix(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE:WEIGHT...", help="Domain files with their weights.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The domain file to write.")],
    allow_mismatch: AllowMismatch = False,
    debug: Debug = False,
) -> None:
    """Write a weighted sum of domains.

    Weights may be negative, and need not sum to 1.
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
                f"{file} cannot be mixed with {first}: {error}. Domains must be of one generator; "
                "`domainvec info` shows which"
            ) from error
    generators = domain.metadata.get("generator_fingerprint")
    if isinstance(generators, list) and not allow_mismatch:
        raise DomainError(
            f"these domains were trained for different generators, {' and '.join(generators)}; their widths "
            "agree, so you can mix them with --allow-mismatch"
        )
    domain.save(output)
    typer.echo(f"{output}: {domain.size:,} parameters, a mix of {len(weighted)} domains")
