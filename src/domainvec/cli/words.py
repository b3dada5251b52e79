"""`domainvec words`: what encoders understand."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import Annotated

import typer

from domainvec.cli.arguments import Debug

_WIDTH = 80  # columns, where nothing says how many there are


def words(
    prefix: Annotated[str, typer.Argument(help="Only phrases with a word that begins like this.")] = "",
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="An image-text encoder; repeat it for several.  [default: the bundled ones]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Debug = False,
) -> None:
    """List the words that encoders were taught, by domain; the first phrase of each was taught most."""
    from domainvec.encoders.vocabulary import bundled_encoders, find_phrases

    encoders = encoder or bundled_encoders()
    found = find_phrases(encoders, prefix)
    if as_json:
        typer.echo(json.dumps({"encoders": encoders, **found}, indent=1, ensure_ascii=False))
        return
    columns = shutil.get_terminal_size((_WIDTH, 0)).columns
    for part, named in found.items():
        if named:
            typer.echo(f"{part} known to {' and '.join(encoders)}:")
        margin = max(map(len, named), default=0) + 4
        for name, phrases in named.items():
            typer.echo(
                textwrap.fill(
                    ", ".join(phrases),
                    max(columns, margin + 20),
                    initial_indent=f"  {name}".ljust(margin),
                    subsequent_indent=" " * margin,
                    break_on_hyphens=False,
                )
            )
