"""How good is the bundled generator? Its samples against the world's own drawings.

    python benchmarks/generator.py --output docs/images

Prints, on fresh noise that no training has seen:

    distance   mean absolute difference of samples and the true drawings of the same z, pixels on [-1, 1]
    own        share of samples whose own true drawing is the nearest of 256 (see benchmarks/domains.py)
    photo      mean probability of "photo" by the judge: samples, truncated, styles mixed at a random layer,
               drawings
    frechet    distance of the judge's features between samples and drawings, and between two sets of
               drawings (floor)

and draws sixteen unselected samples, the same truncated, and mixed styles.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from domains import own_truth_nearest, true_drawings
from torch import Tensor

import domainvec as dv
from domainvec.evaluation import Judge
from domainvec.images import grid, save_png


def frechet(first: Tensor, second: Tensor) -> float:
    """Fréchet distance of two sets of features (N, D) (Heusel et al. 2017, arXiv:1706.08500)."""
    a, b = first.double().numpy(), second.double().numpy()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a + cov_b - 2 * root))


def mix_styles(w: Tensor, rng: torch.Generator) -> Tensor:
    """Each row keeps its coarse layers and takes the rest from the next row, from a random layer on."""
    crossover = torch.randint(1, w.shape[1], (len(w), 1), generator=rng)
    swapped = torch.arange(w.shape[1]) >= crossover
    return torch.where(swapped[:, :, None], w.roll(-1, 0), w)


@torch.no_grad()
def main() -> None:
    """Measure, print one JSON object, write the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", default="faces")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    generator, judge = dv.Generator.from_pretrained(options.generator), Judge.from_pretrained()
    rng = torch.Generator().manual_seed(2026)
    z, others = (torch.randn(options.samples, generator.z_dim, generator=rng) for _ in range(2))

    def synthesise(w: Tensor) -> Tensor:
        return torch.cat([generator.synthesis(part).clamp(-1, 1) for part in w.split(100)])

    def judged(images: Tensor) -> tuple[float, Tensor]:
        features = torch.cat([judge.features(part) for part in images.split(200)])
        chances = judge.classifier(features).softmax(1)[:, judge.names.index("photo")]
        return round(float(chances.mean()), 3), features

    w = generator.mapping(z)
    sets = {
        "samples": synthesise(w),
        "truncated 0.7": synthesise(generator.mapping(z, truncation_psi=0.7)),
        "styles mixed": synthesise(mix_styles(w, rng)),
        "draws": true_drawings(z, "photo"),
        "other draws": true_drawings(others, "photo"),
    }
    scores = {name: judged(images) for name, images in sets.items()}
    features = {name: values for name, (_, values) in scores.items()}
    report = {
        "distance": round(float((sets["samples"] - sets["draws"]).abs().mean()), 4),
        "own": round(own_truth_nearest(sets["samples"][:256], sets["draws"][:256]), 3),
        "photo": {name: chance for name, (chance, _) in scores.items()},
        "frechet": {
            "samples": round(frechet(features["samples"], features["other draws"]), 4),
            "floor": round(frechet(features["draws"], features["other draws"]), 4),
        },
        "samples": options.samples,
    }
    print(json.dumps(report, indent=1))
    names = ("samples", "draws", "truncated 0.7", "styles mixed")
    labels = ("sixteen unselected samples", "what the world draws for the same noise", *names[2:])
    save_png(grid([sets[name][:16] for name in names], labels=labels), options.output / "generator.png")


if __name__ == "__main__":
    main()
