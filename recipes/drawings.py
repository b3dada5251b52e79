"""The face world's drawings and captions, drawn once into a folder and opened memory-mapped.

    python recipes/drawings.py --data data/encoder --seed 11 --photos 20000 --others 1500

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
HELD_OUT_SEED = 90_000_001
"""World that no training draws from."""
_CAPTIONS = 4


@dataclass(frozen=True)
class Drawings:
    """Faces 0 to N - 1 of one world in one domain."""

    domain: str
    pictures: NDArray[np.uint8]
    """(N, 64, 64, 3)."""
    genders: list[str]
    captions: list[list[str]]
    """Several for each picture."""


def load(folder: Path, seed: int, counts: dict[str, int]) -> list[Drawings]:
    """Open the drawings of some domains, and draw those that are missing.

    Args:
        folder: where they are kept, one .npy and one .json for each domain.
        seed: the world.
        counts: number of faces for each domain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_load(folder, seed, domain, count) for domain, count in counts.items()]


def balanced(photos: int, others: int) -> dict[str, int]:
    """So many photos, and so many drawings of each other domain."""
    return {domain: photos if domain == PHOTO else others for domain in synthfaces.DOMAINS}


def held_out(domain: str, count: int) -> tuple[NDArray[np.uint8], list[synthfaces.Attributes]]:
    """Drawings (count, 64, 64, 3) for measuring, with their attributes; other faces in each domain."""
    first = count * list(synthfaces.DOMAINS).index(domain)
    faces = [synthfaces.sample(HELD_OUT_SEED, first + i) for i in range(count)]
    return synthfaces.draw_many(faces, domain, RESOLUTION), faces


def _load(folder: Path, seed: int, domain: str, count: int) -> Drawings:
    record_path, pictures_path = folder / f"{domain}.json", folder / f"{domain}.npy"
    digest = _digest(seed, domain)
    if record_path.exists() and pictures_path.exists():
        record = json.loads(record_path.read_text())
        if record["digest"] == digest and len(record["captions"]) >= count:
            pictures = np.load(pictures_path, mmap_mode="r")[:count]
            return Drawings(domain, pictures, record["genders"][:count], record["captions"][:count])
    start = time.monotonic()
    with atomic_path(pictures_path) as path:
        shape = (count, RESOLUTION, RESOLUTION, 3)
        pictures = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        genders, captions = [], []
        for i in range(count):
            face = synthfaces.sample(seed, i)
            pictures[i] = synthfaces.draw(face, domain, RESOLUTION)
            genders.append(face.gender)
            captions.append(_captions(face, seed, i, domain))
            if (i + 1) % 2000 == 0 or i + 1 == count:
                print(f"drawn {domain} {i + 1} of {count}, {time.monotonic() - start:.0f} s", flush=True)
        pictures.flush()
    with atomic_path(record_path) as path:
        path.write_text(json.dumps({"digest": digest, "genders": genders, "captions": captions}))
    return Drawings(domain, np.load(pictures_path, mmap_mode="r"), genders, captions)


def _captions(face: synthfaces.Attributes, seed: int, index: int, domain: str) -> list[str]:
    rng = np.random.default_rng([seed, index, list(synthfaces.DOMAINS).index(domain)])
    return [synthfaces.caption(face, domain, rng) for _ in range(_CAPTIONS)]


def _digest(seed: int, domain: str) -> str:
    """Recognise the world by a few of its faces: drawings of an older world would teach an older truth."""
    digest = hashlib.sha256()
    for index in range(3):
        face = synthfaces.sample(seed, index)
        digest.update(synthfaces.draw(face, domain, RESOLUTION).tobytes())
        digest.update(" ".join(_captions(face, seed, index, domain)).encode())
    return digest.hexdigest()[:16]


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the drawings")
    parser.add_argument("--seed", type=int, default=11, help="the world")
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=1_500, help="drawings of each other domain")
    options = parser.parse_args()
    load(options.data, options.seed, balanced(options.photos, options.others))


if __name__ == "__main__":
    _main()
