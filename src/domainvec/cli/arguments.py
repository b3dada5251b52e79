"""What the command line understands: lists of seeds, files with a weight, names of output files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from domainvec.cli.help import ADVANCED

_MAX_SEEDS = 100_000
_LONGEST_NAME = 80  # bytes; file systems take 255, and temporary names need some

GeneratorName = Annotated[
    str,
    typer.Argument(
        help="A bundled or published name, a folder, or a .pkl, .pt or .safetensors file.",
        show_default=True,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help='Where to compute: "cpu", "cuda", ...  [default: a GPU if there is one]'),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="How many CPU threads to use.  [default: one for each core]"),
]
AllowMismatch = Annotated[
    bool,
    typer.Option(
        "--allow-mismatch",
        help="Take domains made for another generator, as long as the widths agree.",
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Number of training steps; auto stops once quality no longer improves.  [default: by encoder]",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Image-text encoder that guides: a bundled name, a folder or a Hugging Face id. Repeat it to "
        "use several.  [default: those of a bundled generator, else CLIP ViT-B/32 and B/16]",
    ),
]
Parameterization = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        metavar="NAME",
        help="What is trained: modulation, modulation+rgb, stylespace, stylespace+rgb, stylespace-sparse, "
        "affine, affine+, affine-light+, lora, lora:RANK or full.  [default: by encoder]",
    ),
]
AllowUnknown = Annotated[
    bool,
    typer.Option(
        "--allow-unknown",
        rich_help_panel=ADVANCED,
        help="Train even if the encoders know no word of a text.",
    ),
]
SourcePool = Annotated[
    int | None,
    typer.Option(
        rich_help_panel=ADVANCED,
        min=0,
        metavar="N",
        help="Train on N latents, whose source images are embedded once and cached for all domains of the "
        "generator; 0 draws new ones in every step.  [default: by encoder]",
    ),
]
CheckpointEvery = Annotated[
    int, typer.Option(rich_help_panel=ADVANCED, min=1, help="Steps between checkpoints.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def parse_seeds(text: str) -> list[int]:
    """Read a list of seeds such as "0-15" or "1,4,9-12".

    Returns: the seeds in the order given.

    Raises: typer.BadParameter if the text is anything else, a range runs backwards, or there are too many.
    """
    seeds: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", item)
        if not match:
            raise _bad_seeds(f"{item!r} is no seed and no range of seeds: write 0-15 or 1,4,9-12")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first:
            raise _bad_seeds(f"the range {item.strip()} runs backwards: write {last}-{first}")
        if len(seeds) + last - first >= _MAX_SEEDS:
            raise _bad_seeds(f"{text!r} is more than {_MAX_SEEDS:,} seeds")
        seeds.extend(range(first, last + 1))
    return seeds


def parse_steps(text: str | None) -> int | Literal["auto"] | None:
    """Read a number of steps, or "auto".

    Raises: typer.BadParameter if the text is anything else.
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
        raise typer.BadParameter(f"{text!r} is neither a number from 1 nor auto", param_hint="--steps")
    return int(text)


def split_weight(text: str) -> tuple[Path, float | None]:
    """Read FILE or FILE:WEIGHT; the weight is what follows the last colon, if it is a number.

    So a path with colons of its own, such as that of a Windows drive, is taken as it is.

    Returns: the file, and its weight or None.

    Raises: typer.BadParameter if the file's name is missing, or what follows it is no number.
    """
    name, colon, tail = text.rpartition(":")
    try:
        weight = float(tail) if colon else None
    except ValueError:
        weight = None
    file = text if weight is None else name
    if not file:
        raise typer.BadParameter(f"{text!r} names no file: write FILE:NUMBER")
    if weight is None and colon and not Path(text).exists() and Path(name).exists():
        raise typer.BadParameter(f"{tail!r} after {name} is no number: write {name}:0.5")
    return Path(file), weight


def parse_weighted(texts: Sequence[str]) -> list[tuple[Path, float]]:
    """Read FILE:WEIGHT arguments, each with its weight.

    Raises: typer.BadParameter if one lacks its weight.
    """
    weighted = []
    for text in texts:
        file, weight = split_weight(text)
        if weight is None:
            raise typer.BadParameter(f"{text!r} has no weight: write {text}:0.5")
        weighted.append((file, weight))
    return weighted


def with_suffix(path: Path, suffix: str) -> Path:
    """Complete the name of an output file.

    Returns: `path`, with `suffix` appended if it has none.

    Raises: typer.BadParameter if it has another suffix, or is a folder.
    """
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder, not a file", param_hint="-o")
    if not path.suffix:
        path = path.with_name(path.name + suffix)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder, not a file", param_hint="-o")
    if path.suffix.lower() != suffix:
        raise typer.BadParameter(
            f"{path} would hold a {suffix} file: name it {path.with_suffix(suffix)}", param_hint="-o"
        )
    return path


def file_name(phrase: str) -> str:
    """Make a file name of at most 80 bytes, without suffix: "a pencil sketch" gives a-pencil-sketch."""
    name = "-".join(re.findall(r"\w+", phrase.lower())).encode("utf-8", "ignore")
    return name[:_LONGEST_NAME].decode("utf-8", "ignore") or "domain"


def _bad_seeds(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--seeds")
