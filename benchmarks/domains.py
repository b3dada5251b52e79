"""Which domains of the face world does text guidance reach? Adapted faces against their true drawings.

    python benchmarks/domains.py --output docs/domains

The bundled generator draws, for each noise z, a face whose attributes are known, so its true drawing in every
domain is known too. For each domain this adapts to the domain's name and writes a grid (the faces before,
adapted, and truly drawn) and a row of the table in `docs/domains.md`, worst included. `docs/measures.md` has
more on the measures. Runs that are done are kept in `runs/domains`, so an interrupted benchmark goes on.

    judge      share of the adapted faces that the judge, a network that guidance never saw, takes for the
               target, and the mean probability that it gives it
    identity   share of the judge's readings (hair, glasses, age, ...) that stay as before; the ceiling is
               that of the true drawings
    own        share of faces whose own true drawing is the nearest of 96; chance is 0.01
    distance   mean absolute difference to the true drawing, as a share of the unadapted faces'
    frechet    of the judge's features to true drawings of other faces; the floor is that of true drawings
    diversity  mean distance of two faces at 16 px, as a share of that before; beside it that of the truth
    false      share of faces to which the judge gives glasses, a hat, a beard or another expression that they
               did not have; beside it that of the true drawings
    glasses    by a matched filter: those on faces that have none, in units of true ones (0 in the truth), and
               how much of the true ones is left (1 in the truth)
    smiles     share of the smiles that the judge still reads; beside it that of the true drawings

With --guidance luminance=0 and the like, weights of the encoders' own guidance, and of what it preserves, are
replaced.

With --ceiling the same numbers are fitted to the true drawings of other faces instead, pixel by pixel: what
the parameterization can draw at all, whoever guides it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import domainvec as dv
import synthfaces
from domainvec.adaptation import Objective
from domainvec.adaptation.target import Setting
from domainvec.evaluation import (
    Judge,
    answer_kept,
    evaluate_domain,
    face_attributes,
    false_attributes,
    matched_reading,
    nearest_neighbor_accuracy,
    render_faces,
)
from domainvec.files import atomic_path
from domainvec.guidance import default_guidance
from domainvec.guidance.preservation import Terms
from domainvec.guidance.viewing import AdaptedBatch
from domainvec.images import grid, save_png
from domainvec.seeds import latents

FACES = 384
GROUP = 96
"""Among how many the own true drawing must be the nearest."""
SHOWN = 12
FIRST_SEED = 1_000_000
"""Of the faces that are measured."""
PHOTO = "photo"
EYES = (0.25, 0.625)
"""Rows of a face, as shares of the height, in which glasses are looked for."""
FITTED_STEPS, FITTED_BATCH, FITTED_RATE = 240, 8, 0.05


@torch.no_grad()
def measure(
    generator: dv.Generator, domain: dv.Domain, name: str, title: str, picture: Path
) -> dict[str, Any]:
    """Compare adapted faces with their true drawings, and draw the grid of the first ones."""
    judge = Judge.from_pretrained()
    report = evaluate_domain(generator, domain, name, judge, count=FACES, seed=FIRST_SEED)
    z = latents(range(FIRST_SEED, FIRST_SEED + FACES), generator.z_dim)
    w = generator.mapping(z)
    before, adapted = (
        torch.cat([generator.synthesis(part, given).clamp(-1, 1) for part in w.split(GROUP)])
        for given in (None, domain)
    )
    truth = render_faces(z, name)
    own = [
        nearest_neighbor_accuracy(*pair).value
        for pair in zip(adapted.split(GROUP), truth.split(GROUP), strict=True)
    ]
    glasses = face_attributes(z, "glasses")
    wearing, bare = (torch.tensor([each == answer for each in glasses]) for answer in ("glasses", "none"))
    read = matched_reading(adapted, truth, wearing, lacking=bare, rows=EYES)
    false, false_of_truth = (false_attributes(judge, before, after) for after in (adapted, truth))
    save_png(
        grid(
            [images[:SHOWN] for images in (before, adapted, truth)],
            labels=["before", title, "true drawing"],
        ),
        picture,
    )
    return {
        "domain": name,
        "family": synthfaces.domain(name).family,
        "judge": round(report.accuracy.value, 3),
        "probability": round(report.probability.value, 3),
        "judge_on_truth": round(report.accuracy_on_truth, 3),
        "identity": round(report.identity.agreement.value, 3),
        "identity_chance": round(report.identity.chance, 3),
        "identity_ceiling": round(report.identity_ceiling, 3),
        "own": round(float(np.mean(own)), 3),
        "distance": round(report.paired_distance.value, 3),
        "frechet": round(report.frechet.value, 2),
        "frechet_floor": round(report.frechet_floor, 2),
        "diversity": round(report.diversity.value, 3),
        "diversity_of_truth": round(report.diversity_of_truth, 3),
        "false": round(false.share.value, 3),
        "false_by_question": {question: round(share, 3) for question, share in false.by_question.items()},
        "false_of_truth": round(false_of_truth.share.value, 3),
        "false_glasses": round(read.false, 3),
        "true_glasses": round(read.kept, 3),
        "smiles": round(answer_kept(judge, before, adapted, "smile", "smiling"), 3),
        "smiles_of_truth": round(answer_kept(judge, before, truth, "smile", "smiling"), 3),
        "numbers": domain.size,
    }


class Drawings(dv.Target):
    """The true drawings of faces that are not measured, in pixels at 64, 32 and 16 px."""

    kind = "drawings"

    def __init__(self, name: str) -> None:
        self.name = name

    def preservation(self, guidance: dv.Guidance) -> dv.Preservation:
        """Nothing: the drawings say all."""
        return dv.Preservation()

    def describe(self, setting: Setting) -> dict[str, Any]:
        """The domain's name."""
        return {"kind": self.kind, "name": self.name}

    def objective(self, setting: Setting) -> Objective:
        """The difference in pixels."""
        return DrawingsObjective(self.name, setting)


class DrawingsObjective(Objective):
    """New faces in every step, compared with their true drawings."""

    def __init__(self, name: str, setting: Setting) -> None:
        self.name, self.generator, self.seed = name, setting.generator, setting.training.seed

    def extra_latents(self, step: int) -> Tensor:
        """The latents of the step's faces."""
        with torch.no_grad():
            w: Tensor = self.generator.mapping(self._noise(step))
        return w

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        """The mean absolute difference, summed over the sizes."""
        truth = render_faces(self._noise(step), self.name)
        differences = [
            (_pooled(batch.extra, side) - _pooled(truth, side)).abs().mean() for side in (64, 32, 16)
        ]
        return {"pixels": (1.0, sum(differences))}

    def _noise(self, step: int) -> Tensor:
        first = self.seed + step * FITTED_BATCH
        return latents(range(first, first + FITTED_BATCH), self.generator.z_dim)


def fit(generator: dv.Generator, name: str, parameterization: str, steps: int, seed: int) -> dv.Domain:
    """Fit a domain to true drawings."""
    training = dv.Training(
        parameterization=parameterization,
        steps=steps,
        batch_size=1,  # The drawings' own faces are drawn beside it.
        learning_rate=FITTED_RATE,
        decay_fraction=0.5,
        precision="float32",
        seed=seed,
    )
    session = dv.Session(generator, (), Drawings(name), training=training)
    for _ in session:
        pass
    return session.result().domain


def _pooled(images: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(images, images.shape[-1] // side)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, best first."""
    lines = [
        "| domain | prompt | judge (probability) | identity (ceiling) | own truth nearest | distance "
        "| Fréchet (floor) | diversity (truth's) | false (truth's) | glasses: false, true "
        "| smiles (truth's) | seconds |",
        "|" + " --- |" * 12,
    ]
    for row in sorted(rows, key=lambda row: -row["probability"]):
        lines.append(
            f"| {row['domain']} | {row['prompt']} | {row['judge']:.2f} ({row['probability']:.2f}) "
            f"| {row['identity']:.2f} ({row['identity_ceiling']:.2f}) | {row['own']:.2f} "
            f"| {row['distance']:.2f} | {row['frechet']:.1f} ({row['frechet_floor']:.1f}) "
            f"| {row['diversity']:.2f} ({row['diversity_of_truth']:.2f}) "
            f"| {row['false']:.2f} ({row['false_of_truth']:.2f}) "
            f"| {row['false_glasses']:.2f}, {row['true_glasses']:.2f} "
            f"| {row['smiles']:.2f} ({row['smiles_of_truth']:.2f}) | {row['seconds']:.0f} |"
        )
    return "\n".join(lines)


def summary(rows: list[dict[str, Any]]) -> str:
    """How many domains reach what, by family."""
    lines = []
    reached = [row for row in rows if row["probability"] >= 0.8]
    kept = [row for row in reached if row["own"] >= 0.8]
    lines.append(
        f"{len(reached)} of {len(rows)} domains reach judge probability 0.8; in {len(kept)} of them at least "
        f"80 % of the faces are nearest to their own true drawing."
    )
    for family in dict.fromkeys(row["family"] for row in rows):
        mine = [row for row in rows if row["family"] == family]
        good = [row for row in mine if row["judge"] >= 0.8 and row["identity"] >= 0.8]
        rest = ", ".join(row["domain"] for row in mine if row not in good) or "none"
        lines.append(
            f"{family}: {len(good)} of {len(mine)} are taken for the target in 80 % at identity 0.8; "
            f"not {rest}."
        )
    good = [row for row in rows if row["judge"] >= 0.8 and row["identity"] >= 0.8]
    lines.append(
        f"Of {len(good)} domains taken for the target in 80 % at identity 0.8, "
        f"{sum(row['false'] <= 0.05 for row in good)} give at most 5 % of the faces a false attribute; "
        f"{sum(row['own'] >= 0.8 for row in rows)} of {len(rows)} have the own true drawing nearest in 80 %."
    )
    return "\n".join(lines)


def write(path: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def with_weights(guidance: dv.Guidance, texts: list[str]) -> dv.Guidance:
    """Replace weights of guidance or preservation, each given as NAME=WEIGHT."""
    values = guidance.to_dict()
    for name, weight in (text.split("=") for text in texts):
        (values if name in values else values["preservation"])[name] = float(weight)
    return dv.Guidance.from_dict(values)


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
    parser.add_argument("--guidance", nargs="*", default=[], metavar="NAME=WEIGHT", help="weights to replace")
    parser.add_argument(
        "--keep", nargs="*", metavar="WORDS", help="what stays; the guidance's own by default"
    )
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="the machine's own by default")
    parser.add_argument("--source-pool", type=int, metavar="N", help="latents; the guidance's own by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ceiling", action="store_true", help="fit to the true drawings, without guidance")
    parser.add_argument("--measure-again", action="store_true", help="what is done, for another judge")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    options = parser.parse_args()

    generator = dv.Generator.from_pretrained(options.generator)
    encoders = [] if options.ceiling else [dv.Encoder.from_pretrained(name) for name in options.encoders]
    guidance = with_weights(default_guidance(encoders), options.guidance)
    rows = []
    for name in options.domains:
        record, file = options.runs / f"{name}.json", options.runs / f"{name}.safetensors"
        prompt = synthfaces.domain(name).prompt
        if not record.exists():
            started = time.monotonic()
            if options.ceiling:
                parameterization = options.parameterization or "modulation+rgb"
                steps = options.steps or FITTED_STEPS
                domain = fit(generator, name, parameterization, steps, options.seed)
            else:
                domain = dv.adapt(
                    generator,
                    encoders,
                    target=prompt,
                    steps=options.steps,
                    seed=options.seed,
                    guidance=guidance,
                    keep=options.keep,
                    parameterization=options.parameterization,
                    precision=options.precision,
                    source_pool=options.source_pool,
                ).domain
            options.runs.mkdir(parents=True, exist_ok=True)
            domain.save(file)
            write(record, {"prompt": prompt, "seconds": round(time.monotonic() - started, 1)})
        row = json.loads(record.read_text())
        if options.measure_again or "judge" not in row:
            title = "fitted to true drawings" if options.ceiling else f"adapted: {prompt}"
            domain = dv.Domain.load(file, generator=generator)
            write(record, {**row, **measure(generator, domain, name, title, options.output / f"{name}.png")})
        rows.append(json.loads(record.read_text()))
        print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    print(f"\n{summary(rows)}\nMean seconds {np.mean([row['seconds'] for row in rows]):.0f}.")
    if options.json:
        write(options.json, rows)


if __name__ == "__main__":
    main()
