"""Arguments that commands share: seeds, files with a weight, names of output files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from domainvec.cli.help import ADVANCED

_MAX_SEEDS = 100_000
_LONGEST_NAME = 80  # bytes; file systems take 255, and temporary names need some
# Other suffixes are taken for a part of the name, as in zombie_v1.5.
_FILE_TYPES = frozenset(
    ".safetensors .pt .pth .pkl .ckpt .bin .npz .zip .gz .json .txt .html .mp4 .png .jpg .jpeg .webp .gif "
    ".bmp .tif .tiff".split()
)

GeneratorName = Annotated[
    str,
    typer.Argument(
        help="A bundled or published name, a folder, or a .pkl, .pt or .safetensors file.",
        show_default=True,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help='Device, such as "cpu" or "cuda".  [default: a GPU if available]'),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Number of CPU threads.  [default: one per core]"),
]
AllowMismatch = Annotated[
    bool,
    typer.Option(
        "--allow-mismatch",
        help="Accept domains trained for another generator with the same widths.",
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
Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORDS",
        help="What should stay as it is, such as glasses, beard or hat; repeat it for more.  [default: by "
        "encoder]",
    ),
]
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
Debug = Annotated[bool, typer.Option("--debug", help="Show the full traceback of errors.")]


def parse_seeds(text: str) -> list[int]:
    """Parse a list of seeds such as "0-15" or "1,4,9-12", keeping its order.

    Raises: typer.BadParameter if the text is malformed, a range is reversed, or there are too many seeds.
    """
    seeds: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", item)
        if not match:
            raise _bad_seeds(f"{item!r} is neither a seed nor a range of seeds; write 0-15 or 1,4,9-12")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first:
            raise _bad_seeds(f"the range {item.strip()} is reversed; write {last}-{first}")
        if len(seeds) + last - first >= _MAX_SEEDS:
            raise _bad_seeds(f"{text!r} is more than {_MAX_SEEDS:,} seeds")
        seeds.extend(range(first, last + 1))
    return seeds


def parse_steps(text: str | None) -> int | Literal["auto"] | None:
    """Parse a number of steps, or "auto".

    Raises: typer.BadParameter if the text is neither.
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
        raise typer.BadParameter(f"{text!r} is neither a number from 1 nor auto", param_hint="--steps")
    return int(text)


def split_weight(text: str) -> tuple[Path, float | None]:
    """Parse FILE or FILE:WEIGHT.

    The weight is what follows the last colon if it is a number, so paths may contain colons.

    Returns: the file, and its weight or None.

    Raises: typer.BadParameter if the file name is missing, or followed by something that is not a number.
    """
    name, colon, tail = text.rpartition(":")
    try:
        weight = float(tail) if colon else None
    except ValueError:
        weight = None
    file = text if weight is None else name
    if not file:
        raise typer.BadParameter(f"{text!r} has no file name; write FILE:NUMBER")
    if weight is None and colon and not Path(text).exists() and Path(name).exists():
        raise typer.BadParameter(f"{tail!r} after {name} is not a number; write {name}:0.5")
    return Path(file), weight


def parse_weighted(texts: Sequence[str]) -> list[tuple[Path, float]]:
    """Parse FILE:WEIGHT arguments.

    Raises: typer.BadParameter if a weight is missing.
    """
    weighted = []
    for text in texts:
        file, weight = split_weight(text)
        if weight is None:
            raise typer.BadParameter(f"{text!r} has no weight; write {text}:0.5")
        weighted.append((file, weight))
    return weighted


def with_suffix(path: Path, suffix: str) -> Path:
    """Append a suffix to the name of an output file, unless it has one.

    Raises: typer.BadParameter if the name has the suffix of another file type, or is that of a folder.
    """
    complete = path
    if path.name and path.suffix.lower() not in _FILE_TYPES:
        complete = path.with_name(path.name + suffix)
    for name in (path, complete):
        if name.is_dir():
            raise typer.BadParameter(f"{name} is a folder, not a file", param_hint="-o")
    if complete.suffix.lower() != suffix:
        raise typer.BadParameter(
            f"the output is a {suffix} file; name it {path.with_suffix(suffix)}, not {path}", param_hint="-o"
        )
    return complete


def file_name(phrase: str) -> str:
    """Make a file name of at most 80 bytes, without suffix: "a pencil sketch" gives a-pencil-sketch."""
    name = "-".join(re.findall(r"\w+", phrase.lower())).encode("utf-8", "ignore")
    return name[:_LONGEST_NAME].decode("utf-8", "ignore") or "domain"


def _bad_seeds(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--seeds")
