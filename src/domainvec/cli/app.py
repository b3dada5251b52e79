"""The commands, and what becomes of their errors."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn, TextIO

import typer

import domainvec
from domainvec.cli.adapt import adapt
from domainvec.cli.adapt_many import adapt_many
from domainvec.cli.arguments import Debug
from domainvec.cli.convert import convert
from domainvec.cli.evaluate import evaluate
from domainvec.cli.export import export
from domainvec.cli.generate import generate
from domainvec.cli.help import GroupedCommand
from domainvec.cli.info import info
from domainvec.cli.mix import mix
from domainvec.cli.terminal import accept_any_text
from domainvec.cli.words import words
from domainvec.errors import DomainVecError

app = typer.Typer(
    # Plain help: importing what rich needs to draw boxes around it would take longer than all the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=GroupedCommand, short_help="Learn a domain from a text, a picture or several.")(adapt)
app.command(cls=GroupedCommand, short_help="Learn a domain for each line of a file.")(adapt_many)
app.command(short_help="Draw pictures, in the generator's own domain and in others.")(generate)
app.command(short_help="Write the weighted sum of domains.")(mix)
app.command(short_help="Say what a checkpoint or a domain file is.")(info)
app.command(short_help="Convert a checkpoint to another form.")(convert)
app.command(short_help="Measure domains: a table, JSON, a page with pictures.")(evaluate)
app.command(short_help="Write a generator with a domain merged into its weights.")(export)
app.command(short_help="List the words that encoders know, by domain.")(words)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"domainvec {domainvec.__version__}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Bring a frozen StyleGAN2 to another domain with a few thousand numbers."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0; 1 with one line `error: ...` on standard error; 2 for wrong usage.

    Args:
        arguments: what follows the program's name; those of the process if None.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments  # wherever it stands
    accept_any_text()
    with warnings.catch_warnings():
        if not debug:
            warnings.showwarning = _show_warning
        try:
            app(args=arguments, prog_name="domainvec")
        except Exception as error:
            if debug:
                raise
            print(f"error: {_in_one_line(error)}", file=sys.stderr)
    sys.exit(1)


def _in_one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, DomainVecError | OSError):
        message = str(error)
    elif isinstance(error, MemoryError) or "memory" in str(error):
        # PyTorch reports memory that it cannot have as a RuntimeError, on the CPU and on a GPU.
        message = f"out of memory; a smaller batch or picture needs less ({error or type(error).__name__})"
    else:
        message = f"unexpected {type(error).__name__}: {error} (this is a bug; --debug shows where)"
    return " ".join(message.split())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
