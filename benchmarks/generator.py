"""How good is the bundled generator? Its samples against the world's own drawings.

    python benchmarks/generator.py --output docs/images

prints one JSON object and writes `generator.png`: unselected samples, the true drawings of the same noise,
and truncated and style-mixed samples.

    distance   mean absolute difference of samples and the true drawings of the same z, pixels on [-1, 1]
    own        share of samples whose own true drawing is the nearest of 256
    attributes   mean share of attributes that the judge reads alike in a sample and its true drawing
    photo      mean probability of "photo" by the judge, for samples, truncated and mixed ones, and drawings
    frechet    Fréchet distance of the judge's features between samples and drawings of other faces, and that
               of the drawings of the same faces (floor)
    precision, recall   of the samples, and of the drawings of the same faces (Kynkäänniemi et al. 2019)

The judge is shown pictures averaged to the 64 px that it was trained on.

With --snapshots FOLDER it measures each generator in there instead, a line each, as the recipe writes them,
and draws the curve over the pictures seen, `generator-curve.png` (extra `plots`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import domainvec as dv
from domainvec.evaluation import (
    Judge,
    frechet_distance,
    identity,
    nearest_neighbor_accuracy,
    precision_recall,
    render_faces,
)
from domainvec.evaluation.features import map_batches
from domainvec.files import atomic_path
from domainvec.images import grid, save_png

SEED = 2026
SHOWN = 16


def mix_styles(w: Tensor, rng: torch.Generator) -> Tensor:
    """Each row keeps its coarse layers and takes the rest from the next row, from a random layer on."""
    crossover = torch.randint(1, w.shape[1], (len(w), 1), generator=rng)
    swapped = torch.arange(w.shape[1]) >= crossover
    return torch.where(swapped[:, :, None], w.roll(-1, 0), w)


def as_judged(images: Tensor, judge: Judge) -> Tensor:
    """Pictures at the resolution that the judge looks at."""
    return F.adaptive_avg_pool2d(images, judge.resolution)


def draw_truth(judge: Judge, count: int, resolution: int, rng: torch.Generator) -> dict[str, Any]:
    """Noise, the drawings of it, and the judge's features of these and of drawings of other faces."""
    z, others = (torch.randn(count, 64, generator=rng) for _ in range(2))
    draws, other_draws = (render_faces(each, "photo", resolution) for each in (z, others))
    features, other_features = (
        map_batches(judge.features, as_judged(images, judge)) for images in (draws, other_draws)
    )
    return {"z": z, "draws": draws, "features": features, "other_features": other_features}


@torch.no_grad()
def compare(generator: dv.Generator, judge: Judge, truth: dict[str, Any]) -> dict[str, Any]:
    """Compare samples with the drawings of the same faces and of others."""
    samples = map_batches(lambda z: generator(z).clamp(-1, 1), truth["z"])
    judged = as_judged(samples, judge)
    features = map_batches(judge.features, judged)
    manifold, floor = (
        precision_recall(truth["other_features"], each) for each in (features, truth["features"])
    )
    return {
        "distance": round(float((samples - truth["draws"]).abs().mean()), 4),
        "own": round(nearest_neighbor_accuracy(samples[:256], truth["draws"][:256]).value, 3),
        "attributes": round(identity(judge, as_judged(truth["draws"], judge), judged).agreement.value, 3),
        "frechet": round(frechet_distance(features, truth["other_features"]), 3),
        "frechet_floor": round(frechet_distance(truth["features"], truth["other_features"]), 3),
        "precision": round(manifold.precision.value, 3),
        "precision_floor": round(floor.precision.value, 3),
        "recall": round(manifold.recall.value, 3),
        "recall_floor": round(floor.recall.value, 3),
        "samples": len(samples),
    }


def draw_curve(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot the distance, precision and recall over the pictures seen, beside their floors."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seen = [int(row["snapshot"]) / 1000 for row in rows]
    shape, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    panels = [("Fréchet distance, features of the judge", ["frechet"]), ("share", ["precision", "recall"])]
    for axis, (label, names) in zip(axes, panels, strict=True):
        for colour, name in enumerate(names):
            axis.plot(seen, [row[name] for row in rows], marker=".", color=f"C{colour}", label=name)
            floor = rows[-1][f"{name}_floor"]
            axis.axhline(floor, color=f"C{colour}", linestyle=":", label=f"{name} of drawings")
        axis.set(xlabel="pictures seen, thousands", ylabel=label)
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_yscale("log")
    with atomic_path(path) as temporary:
        shape.savefig(temporary, dpi=110, format="png")
    pyplot.close(shape)


@torch.no_grad()
def main() -> None:
    """Measure, print, write the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", default="faces")
    parser.add_argument("--judge", default="faces-judge")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--snapshots", type=Path, help="folder of folders of generators")
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    judge = Judge.from_pretrained(options.judge)
    rng = torch.Generator().manual_seed(SEED)
    if options.snapshots is not None:
        snapshots = {
            path.name: dv.Generator.from_pretrained(path) for path in sorted(options.snapshots.iterdir())
        }
        resolution = next(iter(snapshots.values())).resolution
        truth, rows = draw_truth(judge, options.samples, resolution, rng), []
        for name, snapshot in snapshots.items():
            rows.append({"snapshot": name, **compare(snapshot, judge, truth)})
            print(json.dumps(rows[-1]), flush=True)
        draw_curve(rows, options.output / "generator-curve.png")
        return

    generator = dv.Generator.from_pretrained(options.generator)
    truth = draw_truth(judge, options.samples, generator.resolution, rng)
    z = truth["z"]
    w = generator.mapping(z)
    shown = {
        "sixteen unselected samples": w,
        "truncated 0.7": generator.mapping(z, truncation_psi=0.7),
        "styles mixed": mix_styles(w, rng),
    }
    sets = {
        name: map_batches(lambda part: generator.synthesis(part).clamp(-1, 1), latents)
        for name, latents in shown.items()
    }
    sets["what the world draws for the same noise"] = truth["draws"]
    photo = {
        name: map_batches(
            lambda part: judge.domain_log_probabilities(as_judged(part, judge), ["photo"]).exp(), images
        )
        for name, images in sets.items()
    }
    report = compare(generator, judge, truth)
    report["photo"] = {name: round(chances.mean().item(), 3) for name, chances in photo.items()}
    print(json.dumps(report, indent=1))
    rows = [(images[:SHOWN], name) for name, images in sets.items()]
    rows.insert(1, rows.pop())
    save_png(
        grid([images for images, _ in rows], labels=[name for _, name in rows]),
        options.output / "generator.png",
    )


if __name__ == "__main__":
    main()
