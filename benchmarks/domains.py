"""Which domains of the face world does text guidance reach? Adapted faces against their true drawings.

    python benchmarks/domains.py --output docs/domains

The bundled generator draws, for each noise z, a face whose attributes are known, so its true drawing in every
domain is known too. For each domain this adapts to the domain's name and writes a grid (the faces before,
adapted, and truly drawn) and a row of the table in `docs/domains.md`, worst included. Runs that are done are
kept in `runs/domains`, so an interrupted benchmark goes on where it was.

    judge     mean probability that the judge, a network that guidance never saw, gives the target, 0 to 1
    before    the same for the unadapted faces
    distance  mean absolute difference to the true drawing, pixels on [-1, 1], and as a share of the unadapted
              faces' difference: below 1 is nearer than doing nothing
    own       share of faces whose own true drawing is the nearest of all 96, by the correlation of their grey
              pictures at 32 px; chance is 0.01
    diversity mean distance of two adapted faces at 16 px, as a share of that of the unadapted ones
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import domainvec as dv
import synthfaces
from domainvec.evaluation import Judge
from domainvec.files import atomic_path
from domainvec.images import from_uint8, grid, save_png

FACES = 96
SHOWN = 12
SEED = 5
PHOTO = "photo"


def article(phrase: str) -> str:
    """The phrase with "a" or "an" before it."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def true_drawings(z: Tensor, domain: str) -> Tensor:
    """What the world draws for each z, (N, 3, 64, 64); the mapping network sees z at unit mean square."""
    normalised = z / z.square().mean(1, keepdim=True).sqrt()
    faces = [synthfaces.Attributes.from_normal(row) for row in normalised.double().numpy()]
    return from_uint8(synthfaces.draw_many(faces, domain, 64))


def own_truth_nearest(adapted: Tensor, truth: Tensor) -> float:
    """Share of pictures whose own truth correlates best with them."""

    def standardised(images: Tensor) -> Tensor:
        flat = F.avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1)
        flat = flat - flat.mean(1, keepdim=True)
        return flat / (flat.norm(dim=1, keepdim=True) + 1e-6)

    nearest = (standardised(adapted) @ standardised(truth).T).argmax(1)
    return float((nearest == torch.arange(len(truth))).float().mean())


def spread(images: Tensor) -> float:
    """Mean distance of two pictures at 16 px."""
    return float(torch.pdist(F.avg_pool2d(images, images.shape[-1] // 16).flatten(1)).mean())


@torch.no_grad()
def measure(
    generator: dv.Generator, result: dv.AdaptationResult, name: str, folder: Path
) -> dict[str, object]:
    """Compare adapted faces with their true drawings, and draw the grid of the first ones."""
    judge = Judge.from_pretrained()
    z = torch.randn(FACES, generator.z_dim, generator=torch.Generator().manual_seed(SEED))
    w = generator.mapping(z)
    before, adapted = (generator.synthesis(w, domain).clamp(-1, 1) for domain in (None, result.domain))
    truth = true_drawings(z, name)
    save_png(
        grid(
            [images[:SHOWN] for images in (before, adapted, truth)],
            labels=["before", f"adapted: {result.settings.target}", "true drawing"],
        ),
        folder / f"{name}.png",
    )
    column = judge.names.index(name)
    chances = [judge(images).softmax(1)[:, column].mean().item() for images in (before, adapted, truth)]
    distances = [(images - truth).abs().mean().item() for images in (before, adapted)]
    return {
        "domain": name,
        "family": synthfaces.DOMAINS[name].family,
        "prompt": result.settings.target,
        "before": round(chances[0], 3),
        "judge": round(chances[1], 3),
        "judge_on_truth": round(chances[2], 3),
        "distance": round(distances[1], 3),
        "share": round(distances[1] / distances[0], 3),
        "own": round(own_truth_nearest(adapted, truth), 3),
        "own_before": round(own_truth_nearest(before, truth), 3),
        "diversity": round(spread(adapted) / spread(before), 3),
        "seconds": round(result.seconds, 1),
        "steps": result.settings.steps,
        "numbers": result.domain.size,
    }


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown, best first."""
    lines = [
        "| domain | prompt | judge (before) | judge on the truth | distance (share) "
        "| own truth nearest (before) | diversity | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda row: -float(str(row["judge"]))):
        lines.append(
            f"| {row['domain']} | {row['prompt']} | {row['judge']:.2f} ({row['before']:.2f}) "
            f"| {row['judge_on_truth']:.2f} | {row['distance']:.2f} ({row['share']:.2f}) "
            f"| {row['own']:.2f} ({row['own_before']:.2f}) | {row['diversity']:.2f} | {row['seconds']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Adapt to each domain that is not done yet, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("docs/domains"), help="folder of the grids")
    parser.add_argument("--runs", type=Path, default=Path("runs/domains"), help="folder of what is done")
    parser.add_argument(
        "--domains", nargs="*", default=[name for name in synthfaces.DOMAINS if name != PHOTO]
    )
    parser.add_argument("--generator", default="faces")
    parser.add_argument("--encoders", nargs="*", default=["faces-clip", "faces-clip-robust"])
    parser.add_argument("--parameterization", help="the guidance's own by default")
    parser.add_argument("--steps", type=int, help="the guidance's own by default")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="the machine's own by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    options = parser.parse_args()

    generator = dv.Generator.from_pretrained(options.generator)
    encoders = [dv.Encoder.from_pretrained(name) for name in options.encoders]
    rows = []
    for name in options.domains:
        record = options.runs / f"{name}.json"
        if not record.exists():
            result = dv.adapt(
                generator,
                encoders,
                target=article(synthfaces.DOMAINS[name].phrases[0]),
                steps=options.steps,
                seed=options.seed,
                parameterization=options.parameterization,
                precision=options.precision,
            )
            row = measure(generator, result, name, options.output)
            options.runs.mkdir(parents=True, exist_ok=True)
            result.domain.save(options.runs / f"{name}.safetensors")
            with atomic_path(record) as path:
                path.write_text(json.dumps(row, indent=1) + "\n")
        rows.append(json.loads(record.read_text()))
        print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    reached = [row for row in rows if row["judge"] >= 0.8]
    kept = [row for row in reached if row["own"] >= 0.8]
    print(
        f"\n{len(reached)} of {len(rows)} domains reach judge probability 0.8; in {len(kept)} of them "
        f"at least 80 % of the faces are nearest to their own true drawing. "
        f"Mean seconds {np.mean([row['seconds'] for row in rows]):.0f}."
    )
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
