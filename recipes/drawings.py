"""The face world's drawings, drawn once into a folder and opened memory-mapped.

    python recipes/drawings.py --data data/encoder --seed 11 --photos 20000 --others 1500 --compositions 20000

draws them ahead of a training. What is there already is kept, unless the world has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import synthfaces
from domainvec.files import atomic_path

RESOLUTION = 64
PHOTO = "photo"
COMPOSITIONS = "compositions"
"""Name of the set in which each picture is another composition."""
HELD_OUT_SEED = 90_000_001
"""World that no training draws from."""


@dataclass(frozen=True)
class Drawings:
    """Faces 0 to N - 1 of one world."""

    name: str
    """A domain, or ``compositions``."""
    pictures: NDArray[np.uint8]
    """(N, 64, 64, 3)."""
    faces: list[synthfaces.Attributes]
    domains: list[str]
    """The domain of each picture."""


def load(folder: Path, seed: int, counts: dict[str, int]) -> list[Drawings]:
    """Open the drawings of some domains, and draw those that are missing.

    Args:
        folder: where they are kept, one .npy and one .json for each domain.
        seed: the world.
        counts: number of faces for each domain, and for ``compositions``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_load(folder, seed, name, count) for name, count in counts.items() if count]


def balanced(photos: int, others: int, compositions: int = 0) -> dict[str, int]:
    """So many photos, so many drawings of each other domain, and so many compositions in all."""
    counts = {name: photos if name == PHOTO else others for name in synthfaces.DOMAINS}
    return {**counts, COMPOSITIONS: compositions}


def held_out(domain: str, count: int) -> tuple[NDArray[np.uint8], list[synthfaces.Attributes]]:
    """Drawings (count, 64, 64, 3) for measuring, with their attributes; other faces in each domain."""
    first = count * list(synthfaces.DOMAINS).index(domain)
    faces = [synthfaces.sample(HELD_OUT_SEED, first + i) for i in range(count)]
    return synthfaces.draw_many(faces, domain, RESOLUTION), faces


def _load(folder: Path, seed: int, name: str, count: int) -> Drawings:
    faces = [synthfaces.sample(seed, i) for i in range(count)]
    domains = _domains(seed, name, count)
    record_path, pictures_path = folder / f"{name}.json", folder / f"{name}.npy"
    digest = _digest(faces, domains)
    if record_path.exists() and pictures_path.exists():
        record = json.loads(record_path.read_text())
        if record["digest"] == digest and record["count"] >= count:
            return Drawings(name, np.load(pictures_path, mmap_mode="r")[:count], faces, domains)
    start = time.monotonic()
    with atomic_path(pictures_path) as path:
        shape = (count, RESOLUTION, RESOLUTION, 3)
        pictures = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        for i, (face, domain) in enumerate(zip(faces, domains, strict=True)):
            pictures[i] = synthfaces.draw(face, domain, RESOLUTION)
            if (i + 1) % 2000 == 0 or i + 1 == count:
                print(f"drawn {name} {i + 1} of {count}, {time.monotonic() - start:.0f} s", flush=True)
        pictures.flush()
    with atomic_path(record_path) as path:
        path.write_text(json.dumps({"digest": digest, "count": count}))
    return Drawings(name, np.load(pictures_path, mmap_mode="r"), faces, domains)


def _domains(seed: int, name: str, count: int) -> list[str]:
    """The same domain for all pictures, or compositions in an endless shuffled round."""
    if name != COMPOSITIONS:
        return [name] * count
    names = synthfaces.compositions()
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[order[i % len(names)]] for i in range(count)]


def _digest(faces: list[synthfaces.Attributes], domains: list[str]) -> str:
    """Recognise the world by a few of its faces: drawings of an older world would teach an older truth."""
    digest = hashlib.sha256()
    for face, domain in zip(faces[:3], domains[:3], strict=True):
        digest.update(domain.encode())
        digest.update(synthfaces.draw(face, domain, RESOLUTION).tobytes())
    return digest.hexdigest()[:16]


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the drawings")
    parser.add_argument("--seed", type=int, default=11, help="the world")
    add_counts(parser)
    options = parser.parse_args()
    load(options.data, options.seed, balanced(options.photos, options.others, options.compositions))


def add_counts(parser: argparse.ArgumentParser) -> None:
    """Options for how much to draw."""
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=1_500, help="drawings of each other domain")
    parser.add_argument("--compositions", type=int, default=20_000, help="drawings of compositions in all")


if __name__ == "__main__":
    _main()
