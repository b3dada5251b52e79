"""Faces that nobody of this project drew: designers' avatars, drawn when they are needed, to compare with.

    python benchmarks/avatars.py --folder runs/avatars                       # 16 styles, 510 avatars of each
    python benchmarks/avatars.py --folder runs/avatars --styles lorelei micah --count 100 --side 256
    python benchmarks/avatars.py --folder runs/avatars --sheet sheet.png     # eight of each style, to look at

The styles are those of DiceBear, a JavaScript library, at the versions fixed below. It needs Node.js 18 or
newer with its npm, which fetches the library once, to the user's cache folder or to --modules. Avatar i of a
style has the seed "i", so a larger set begins like a smaller one. What is drawn already is not drawn again.

    FOLDER/STYLE/0000.png …     the avatars, on their own grounds, or on white where they have none
    FOLDER/STYLE/avatars.json   what each of them has, in the style's words, and who made the style
    FOLDER/styles.json          each style's creator, licence and homepage, from the packages' own metadata

The designs belong to their creators. Most are under CC BY 4.0: who shows them names who made them.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from domainvec.errors import DomainVecError, InputError
from domainvec.files import atomic_path
from domainvec.images import grid, save_png
from domainvec.picture_files import PictureFile
from domainvec.stylegan2.download import cache_folder

STYLES = (
    "adventurer",
    "avataaars",
    "big-ears",
    "big-smile",
    "bottts",
    "croodles",
    "dylan",
    "fun-emoji",
    "lorelei",
    "micah",
    "miniavs",
    "notionists",
    "open-peeps",
    "personas",
    "pixel-art",
    "toon-head",
)
"""Faces and heads: of people, but for the robots of `bottts` and the smileys of `fun-emoji`."""
COUNT, SIDE, SHOWN = 510, 128, 8
PACKAGES = ("@dicebear/core@9.4.3", "@dicebear/collection@9.4.3", "@resvg/resvg-js@2.6.2")
SCRIPT = Path(__file__).with_suffix(".mjs")
INDEX = "avatars.json"

WEARING: dict[str, dict[str, tuple[str, str]]] = {
    "glasses": {
        "adventurer": ("glasses .*", "glasses variant01"),
        "avataaars": ("accessories (prescription.*|round)", "accessories (eyepatch|kurt|sun.*|wayfarers)"),
        "big-smile": ("accessories glasses", "accessories (sunglasses|sleepMask)"),
        "croodles": ("eyes variant1[345]", "eyes variant(09|10)"),
        "fun-emoji": ("eyes glasses", "eyes shades"),
        "lorelei": ("glasses .*", ""),
        "micah": ("glasses .*", ""),
        "miniavs": ("glasses .*", ""),
        "notionists": ("glasses variant(03|08|11)", "glasses (?!variant(03|08|11)).*"),
        "open-peeps": ("accessories glasses.*", "accessories (eyepatch|sunglasses.*)"),
        "personas": ("eyes glasses", "eyes sunglasses"),
        "pixel-art": ("glasses light.*", "glasses dark.*"),
    },
    "beard": {
        "avataaars": ("facialHair beard.*", "facialHair moustache.*"),
        "croodles": ("beard .*", "mustache .*"),
        "dylan": ("facialHair .*", ""),
        "lorelei": ("beard .*", ""),
        "micah": ("facialHair beard", "facialHair scruff"),
        "notionists": ("beard variant(01|02|08|11|12)", "beard (?!variant(01|02|08|11|12)).*"),
        "open-peeps": ("facialHair (chin|full|goatee).*", "facialHair moustache.*|mask .*"),
        "personas": ("facialHair (beardMustache|goatee|pyramid)", "facialHair (shadow|soulPatch|walrus)"),
        "toon-head": ("beard (full|long)Beard", "beard (chin|moustache).*"),
    },
}
"""By label and style: parts that show it, and parts that make it hard to tell, such as dark lenses."""


def draw(
    folder: Path,
    styles: Iterable[str] = STYLES,
    count: int = COUNT,
    side: int = SIDE,
    modules: Path | None = None,
) -> None:
    """Draw the avatars that are missing.

    Args:
        folder: where to; each style's own folder is written whole or not at all.
        styles: as DiceBear names its packages, such as "big-ears".
        count: avatars of each style.
        side: in pixels.
        modules: where npm puts the library; a folder in the user's cache if None.

    Raises:
        InputError: if count or side is below 1, the avatars there are of another side, DiceBear has no such
            style, or Node.js is missing or fails.
    """
    if min(count, side) < 1:
        raise InputError(f"count is {count} and side {side}; expected 1 or more of each")
    for style in styles:
        index = folder / style / INDEX
        if index.exists():
            known = _read(index)
            if known["side"] != side:
                raise InputError(
                    f"{index.parent} has avatars of {known['side']} px, not {side}: name another folder"
                )
            if len(known["avatars"]) >= count and known["packages"] == list(PACKAGES):
                continue
        library = install(modules or cache_folder() / "avatars")
        offered = {path.name for path in (library / "node_modules" / "@dicebear").iterdir()} - {
            "core",
            "collection",
        }
        if style not in offered:
            raise InputError(f"no style {style!r}; DiceBear has {', '.join(sorted(offered))}")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as temporary:
            drawn = Path(temporary, style).resolve()
            drawn.mkdir()
            request = {"style": style, "count": count, "side": side, "folder": str(drawn)}
            script = ["--input-type=module", "--eval", SCRIPT.read_text(), json.dumps(request)]
            _write(
                {"packages": PACKAGES, "side": side, **json.loads(_run("node", script, library))},
                drawn / INDEX,
            )
            shutil.rmtree(index.parent, ignore_errors=True)
            drawn.rename(index.parent)
    _write(
        {path.parent.name: _read(path)["meta"] for path in sorted(folder.glob(f"*/{INDEX}"))},
        folder / "styles.json",
    )


def install(modules: Path) -> Path:
    """Fetch the library to a folder, unless it is there.

    Raises:
        InputError: if Node.js is missing, or npm cannot fetch it.
    """
    done = modules / "packages.json"
    if not done.exists() or _read(done) != list(PACKAGES):
        modules.mkdir(parents=True, exist_ok=True)
        _run(
            "npm",
            ["install", "--prefix", ".", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES],
            modules,
        )
        _write(PACKAGES, done)
    return modules


def avatars(folder: Path, style: str, chosen: Sequence[int], side: int = SIDE) -> Tensor:
    """Read avatars that are drawn, (N, 3, side, side) in [-1, 1].

    Raises:
        InputError: if one is not there.
    """
    return torch.cat([PictureFile.read(folder / style / f"{i:04d}.png").square(side) for i in chosen])


def parts(folder: Path, style: str) -> list[dict[str, str]]:
    """Say what each avatar of a style is made of, in the style's own words."""
    drawn: list[dict[str, str]] = _read(folder / style / INDEX)["avatars"]
    return drawn


def label(name: str, style: str, avatar: Mapping[str, str]) -> bool | None:
    """Say whether an avatar wears glasses or a beard; None if a person could not tell.

    Raises:
        KeyError: if the style has no such parts (`WEARING`).
    """
    clear, unclear = WEARING[name][style]
    made_of = [f"{part} {variant}" for part, variant in avatar.items()]
    if any(re.fullmatch(unclear, part) for part in made_of):
        return None
    return any(re.fullmatch(clear, part) for part in made_of)


def contact_sheet(folder: Path, styles: Sequence[str], path: Path) -> None:
    """Draw the first avatars of each style, a row a style, with its creator and licence."""
    known = {style: _read(folder / style / INDEX) for style in styles}
    rows = [
        avatars(folder, style, range(min(SHOWN, len(each["avatars"]))), each["side"])
        for style, each in known.items()
    ]
    labels = [
        f"{style}: {each['meta']['creator']}, {each['meta']['license']['name']}"
        for style, each in known.items()
    ]
    save_png(grid(rows, labels=labels), path)


def _run(program: str, arguments: Sequence[str], folder: Path) -> str:
    """Run a program of Node.js in a folder, and return what it prints."""
    found = shutil.which(program)
    if found is None:
        raise InputError(
            f"{program} is not installed, and the avatars are drawn with it: install Node.js 18 or newer "
            f"(https://nodejs.org), or name a folder where all of them are drawn"
        )
    done = subprocess.run([found, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if "rror" in line] or [
            "it does not say why"
        ]
        raise InputError(f"{program} failed: {said[0]}")
    return done.stdout


def _read(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text(encoding="utf-8"))


def _write(content: Any, path: Path) -> None:  # noqa: ANN401
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Draw what is missing, and a sheet if it is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the avatars are, or will be")
    parser.add_argument("--styles", nargs="+", default=list(STYLES), metavar="STYLE")
    parser.add_argument("--count", type=int, default=COUNT, help="avatars of each style")
    parser.add_argument("--side", type=int, default=SIDE, help="in pixels")
    parser.add_argument(
        "--modules", type=Path, help="where npm puts the library; else the user's cache folder"
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="a picture of the first of each style")
    options = parser.parse_args()
    try:
        draw(options.folder, options.styles, options.count, options.side, options.modules)
    except DomainVecError as error:
        parser.exit(1, f"{error}\n")
    if options.sheet:
        contact_sheet(options.folder, options.styles, options.sheet)


if __name__ == "__main__":
    main()
