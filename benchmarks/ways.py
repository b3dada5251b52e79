"""One picture and ten pictures as the target: domains of the face world beside their true drawings.

    python benchmarks/ways.py --domains zombie comic --ways image images

The pictures that guide are true drawings of faces that are not among those shown or measured: the first one
alone, or ten. For each domain and way a grid goes to `docs/ways/` (the pictures that guide; then eight faces
before, adapted, and as the world draws them), and a row to the table that is printed. A run that is stopped
goes on with the next domain that is not done.

    distance   mean absolute difference to the true drawings, as a share of the unadapted faces'
    diversity  mean distance of two faces at 16 px, as a share of that before; beside it that of the truth
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

import domainvec as dv
from domainvec.evaluation import true_drawings
from domainvec.evaluation.diversity import spread
from domainvec.files import atomic_path
from domainvec.images import grid, save_png
from domainvec.seeds import latents

SHOWN = 8
MEASURED = 48
FIRST_SEED = 1_000_000
"""Of the faces that are shown and measured."""
GUIDES = range(5, 15)
"""Seeds of the faces whose drawings guide."""
COUNTS = {"image": 1, "images": 10}


def adapted(
    generator: dv.Generator, encoders: list[dv.Encoder], way: str, name: str, steps: int | None, seed: int
) -> dv.AdaptationResult:
    """Adapt a generator to one true drawing of a domain, or to ten."""
    guides = true_drawings(latents(GUIDES, generator.z_dim)[: COUNTS[way]], name, generator.resolution)
    if way == "image":
        return dv.adapt_to_image(generator, encoders, guides, steps=steps, seed=seed)
    return dv.adapt_to_images(generator, guides, encoders, steps=steps, seed=seed)


@torch.no_grad()
def measure(
    generator: dv.Generator, result: dv.AdaptationResult, way: str, name: str, picture: Path
) -> dict[str, Any]:
    """Compare with the true drawings, and draw the grid."""
    z = latents(range(FIRST_SEED, FIRST_SEED + MEASURED), generator.z_dim)
    w = generator.mapping(z).split(SHOWN)
    before, after = (
        torch.cat([generator.synthesis(part, given).clamp(-1, 1) for part in w])
        for given in (None, result.domain)
    )
    truth = true_drawings(z, name, generator.resolution)
    guides = true_drawings(latents(GUIDES, generator.z_dim)[: COUNTS[way]], name, generator.resolution)
    rows = [guides[:SHOWN], before[:SHOWN], after[:SHOWN], truth[:SHOWN]]
    labels = ["what guides" + (" (8 of 10)" if way == "images" else ""), "before", "adapted", "true drawing"]
    save_png(grid(rows, labels=labels), picture)
    return {
        "domain": name,
        "way": way,
        "distance": round(((after - truth).abs().mean() / (before - truth).abs().mean()).item(), 3),
        "diversity": round(spread(after) / spread(before), 3),
        "diversity_of_truth": round(spread(truth) / spread(before), 3),
        "steps": len(result.history),
        "stopped": result.stopped,
        "seconds": round(result.seconds),
    }


def main() -> None:
    """Adapt to each domain in each way that is not done yet, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("docs/ways"), help="folder of the grids")
    parser.add_argument("--runs", type=Path, default=Path("runs/ways"), help="folder of what is done")
    parser.add_argument("--domains", nargs="*", default=["pencil_sketch", "zombie", "comic", "sepia"])
    parser.add_argument("--ways", nargs="*", choices=tuple(COUNTS), default=list(COUNTS))
    parser.add_argument("--steps", type=int, help="the way's own by default")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    generator = dv.Generator.from_pretrained("faces")
    encoders = [dv.Encoder.from_pretrained(name) for name in ("faces-clip", "faces-clip-robust")]
    options.runs.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.domains:
        for way in options.ways:
            record = options.runs / f"{name}-{way}.json"
            if not record.exists():
                result = adapted(generator, encoders, way, name, options.steps, options.seed)
                row = measure(generator, result, way, name, options.output / f"{name}-{way}.png")
                with atomic_path(record) as path:
                    path.write_text(json.dumps(row) + "\n")
            rows.append(json.loads(record.read_text()))
            print(json.dumps(rows[-1]), flush=True)
    print("| domain | way | distance | diversity (truth's) | steps | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['domain']} | {row['way']} | {row['distance']:.2f} | {row['diversity']:.2f} "
            f"({row['diversity_of_truth']:.2f}) | {row['steps']} | {row['seconds']} |"
        )


if __name__ == "__main__":
    main()
