"""The face world in figures: its domains, its words, and how good the bundled models are at it.

    python benchmarks/world.py
    python benchmarks/world.py --json world.json

Prints:

    world       number of domains by family and of their compositions, words that captions consist of
    domains     median time to draw a picture; accuracy of the judge and of the guiding encoders, clean and
                attacked; over faces that no training drew
    attributes  accuracy of the judge and of each encoder on photos, and of the judge on all domains
    generator   Fréchet and kernel distance of its samples to drawings of other faces, beside those of the
                drawings of the same faces (floor); precision and recall

The judge names a domain as the most probable single one; an encoder by the nearest text (zero-shot), for a
domain its first phrase in the templates of guidance. Attacked pictures have been moved along the network's
own gradient, 5 steps, once within an L2 radius of 2 (pixels on [-1, 1]), once within 4/255 of the range for
each value; a picture counts only if the network is right after either. `docs/measures.md` explains the rest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import domainvec as dv
import synthfaces
from domainvec.evaluation import (
    Judge,
    ZeroShotClassifier,
    bootstrap,
    domain_accuracy,
    frechet_distance,
    kernel_distance,
    pgd_attack,
    precision_recall,
    render_faces,
)
from domainvec.evaluation.estimate import mean_estimate
from domainvec.evaluation.features import map_batches
from domainvec.files import atomic_path
from domainvec.images import from_uint8
from synthfaces.captions import vocabulary

PHOTO = "photo"
SEED = 80_000_001
"""World that no training draws from."""
ATTACKS = {"l2_2": {"l2_radius": 2.0}, "linf_4_255": {"linf_radius": 8 / 255}}


class Drawn(NamedTuple):
    """Faces in one domain."""

    images: Tensor
    faces: list[synthfaces.Attributes]
    milliseconds: float
    """Median time to draw one."""


class Classifier(NamedTuple):
    """What names domains."""

    names: tuple[str, ...]
    classify: Callable[[Tensor], Tensor]
    """Images to logits (N, names)."""


def draw(domain: str, first: int, count: int, seed: int, resolution: int) -> Drawn:
    """Draw `count` faces of a world from face `first` on, and take the time."""
    pictures, seconds = [], []
    faces = [synthfaces.sample(seed, first + i) for i in range(count)]
    for face in faces:
        start = time.perf_counter()
        pictures.append(synthfaces.draw(face, domain, resolution))
        seconds.append(time.perf_counter() - start)
    return Drawn(from_uint8(np.stack(pictures)), faces, 1000 * float(np.median(seconds)))


def standing(classifier: Classifier, images: Tensor, domain: str, attacked: int) -> dict[str, float]:
    """Accuracy on pictures of a domain, and on the first `attacked` of them after each attack."""
    label = classifier.names.index(domain)

    def right(images: Tensor) -> Tensor:
        return map_batches(classifier.classify, images).argmax(1) == label

    shares = {"accuracy": right(images).float().mean().item()}
    images = images[:attacked]
    labels = torch.full((len(images),), label)
    stood = torch.ones(len(images), dtype=torch.bool)
    for name, bounds in ATTACKS.items():
        still = right(pgd_attack(classifier.classify, images, labels, **bounds))
        shares[name] = still.float().mean().item()
        stood &= still
    return shares | {"attacked": stood.float().mean().item()}


def attribute_accuracies(
    read: Callable[[str], Tensor], names: dict[str, tuple[str, ...]], faces: list[synthfaces.Attributes]
) -> dict[str, float | None]:
    """Share of faces for which each question is answered rightly, of those that it can be asked of.

    Args:
        read: a question to the scores of its answers, (N, answers).
        names: the answers in the order of the scores, by question.
        faces: the truth.
    """
    shares: dict[str, float | None] = {}
    for name, question in synthfaces.QUESTIONS.items():
        truth = [question.read(face) for face in faces]
        asked = [i for i, answer in enumerate(truth) if answer is not None]
        labels = torch.tensor([names[name].index(str(truth[i])) for i in asked])
        chosen = read(name).argmax(1)[asked]
        shares[name] = (chosen == labels).float().mean().item() if asked else None
    return shares


def judged_attributes(judge: Judge, drawn: Drawn) -> dict[str, float | None]:
    """Accuracy of the judge's attributes."""
    parts = [judge.attributes(part) for part in drawn.images.split(128)]
    return attribute_accuracies(
        lambda name: torch.cat([part[name] for part in parts]), judge.heads, drawn.faces
    )


def encoded_attributes(encoder: dv.Encoder, drawn: Drawn) -> dict[str, float | None]:
    """Accuracy of an encoder's zero-shot attributes."""
    embeddings = map_batches(encoder.encode_images, drawn.images)
    questions = {
        name: ZeroShotClassifier(encoder, question.texts) for name, question in synthfaces.QUESTIONS.items()
    }
    return attribute_accuracies(
        lambda name: questions[name].logits(embeddings),
        {name: zero_shot.names for name, zero_shot in questions.items()},
        drawn.faces,
    )


def measure_generator(generator: dv.Generator, judge: Judge, count: int, seed: int) -> dict[str, Any]:
    """Compare samples with drawings of other faces, and drawings of the same faces with them."""
    rng = torch.Generator().manual_seed(seed)
    z, others = (torch.randn(count, generator.z_dim, generator=rng) for _ in range(2))
    side = min(generator.resolution, 128)
    samples = map_batches(lambda part: judge.features(generator(part).clamp(-1, 1)), z)
    # The world is drawn a part at a time, too: only the features are kept.
    same, target = (
        map_batches(lambda part: judge.features(render_faces(part, PHOTO, side)), each)
        for each in (z, others)
    )
    frechet, kernel = (
        bootstrap(measure, samples, target, n=50) for measure in (frechet_distance, kernel_distance)
    )
    found, floor = precision_recall(target, samples), precision_recall(target, same)
    return {
        "frechet": frechet.value,
        "frechet_interval": [frechet.low, frechet.high],
        "floor": frechet_distance(same, target),
        "kernel": kernel.value,
        "kernel_interval": [kernel.low, kernel.high],
        "kernel_floor": kernel_distance(same, target),
        "precision": found.precision.value,
        "precision_interval": [found.precision.low, found.precision.high],
        "precision_of_draws": floor.precision.value,
        "recall": found.recall.value,
        "recall_interval": [found.recall.low, found.recall.high],
        "recall_of_draws": floor.recall.value,
        "samples": count,
    }


def judge_compositions(judge: Judge, count: int, seed: int) -> dict[str, Any]:
    """Accuracy of the judge on one drawing each of some compositions: all parts must be right."""
    names = synthfaces.compositions()
    chosen = np.random.default_rng(seed).choice(len(names), min(count, len(names)), replace=False)
    right = []
    for i in chosen.tolist():
        images = from_uint8(synthfaces.draw(synthfaces.sample(seed, i), names[i], judge.resolution))
        right.append(domain_accuracy(judge, images, names[i]).accuracy.value)
    estimate = mean_estimate(torch.tensor(right))
    return {
        "judge_accuracy": estimate.value,
        "interval": [estimate.low, estimate.high],
        "drawings": len(right),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, as they go to JSON."""
    judge = Judge.from_pretrained(options.judge)
    encoders = {name: dv.Encoder.from_pretrained(name) for name in options.encoders}
    phrases = {name: domain.phrases[0] for name, domain in synthfaces.DOMAINS.items()}
    classifiers = {"judge": Classifier(judge.names, judge.domain_log_probabilities)}
    for name, encoder in encoders.items():
        classifiers[name] = Classifier(tuple(phrases), ZeroShotClassifier.from_phrases(encoder, phrases))
    for name in options.domains:
        judge.class_indices(name)

    domains: dict[str, dict[str, Any]] = {}
    by_domain = {}
    for i, name in enumerate(options.domains):
        drawn = draw(name, i * options.count, options.count, options.seed, judge.resolution)
        found = {
            who: standing(classifier, drawn.images, name, options.attacked)
            for who, classifier in classifiers.items()
        }
        guiding = [found[who] for who in encoders]
        domains[name] = {
            "family": synthfaces.DOMAINS[name].family,
            "draw_ms": drawn.milliseconds,
            "judge_accuracy": found["judge"]["accuracy"],
            "judge_attacked_accuracy": found["judge"]["attacked"],
            "encoder_accuracy": float(np.mean([each["accuracy"] for each in guiding])),
            "attacked_accuracy": float(np.mean([each["attacked"] for each in guiding])),
            "by_network": found,
        }
        by_domain[name] = judged_attributes(judge, drawn)
        print(f"{i + 1} of {len(options.domains)}: {name}", file=sys.stderr, flush=True)
    photos = draw(PHOTO, 0, options.photos, options.seed + 1, judge.resolution)
    words = vocabulary()
    return {
        "world": {
            "domains_by_family": dict(Counter(domain.family for domain in synthfaces.DOMAINS.values())),
            "compositions": len(synthfaces.compositions()),
            "vocabulary": len(words),
        },
        "domains": domains,
        "mean": {
            key: float(np.mean([each[key] for each in domains.values()]))
            for key in (
                "draw_ms",
                "judge_accuracy",
                "judge_attacked_accuracy",
                "encoder_accuracy",
                "attacked_accuracy",
            )
        },
        "compositions": judge_compositions(judge, options.compositions, options.seed),
        "attributes": judged_attributes(judge, photos),
        "encoder_attributes": {name: encoded_attributes(each, photos) for name, each in encoders.items()},
        "attributes_by_domain": by_domain,
        "generator": measure_generator(
            dv.Generator.from_pretrained(options.generator), judge, options.samples, options.seed
        ),
        "settings": {
            key: getattr(options, key)
            for key in ("judge", "encoders", "generator", "count", "attacked", "photos", "samples", "seed")
        },
    }


def report(found: dict[str, Any]) -> str:
    """The figures as text."""
    world, generator, mean = found["world"], found["generator"], found["mean"]
    families = ", ".join(f"{count} {family}" for family, count in world["domains_by_family"].items())
    encoders = found["settings"]["encoders"]
    heads = ("judge", "attacked", "encoders", "attacked", *encoders)
    domains = {
        name: [
            f"{each['draw_ms']:.1f}",
            *map(percent, (each["judge_accuracy"], each["judge_attacked_accuracy"])),
            *map(percent, (each["encoder_accuracy"], each["attacked_accuracy"])),
            *(percent(each["by_network"][name]["accuracy"]) for name in encoders),
        ]
        for name, each in found["domains"].items()
    }
    domains["mean"] = [
        f"{mean['draw_ms']:.1f}",
        *(percent(mean[key]) for key in list(mean)[1:]),
        *(
            percent(np.mean([each["by_network"][name]["accuracy"] for each in found["domains"].values()]))
            for name in encoders
        ),
    ]
    attributes = {
        name: [
            percent(share),
            *(percent(found["encoder_attributes"][encoder][name]) for encoder in encoders),
            percent(mean_of(each[name] for each in found["attributes_by_domain"].values())),
        ]
        for name, share in found["attributes"].items()
    }
    compositions = found["compositions"]
    return "\n".join(
        [
            f"{sum(world['domains_by_family'].values())} domains ({families}), "
            f"{world['compositions']} compositions; {world['vocabulary']} words",
            "",
            *table("domain", ("ms", *heads), domains),
            "",
            f"compositions that the judge names rightly: {percent(compositions['judge_accuracy'])} % "
            f"of {compositions['drawings']} drawings",
            "",
            *table("attribute", ("judge", *encoders, "judge, all domains"), attributes),
            "",
            f"generator, {generator['samples']} samples (and as many drawings of the same faces):",
            f"    Fréchet distance {generator['frechet']:.4f} ({generator['floor']:.4f})",
            f"    kernel distance {generator['kernel']:.5f} ({generator['kernel_floor']:.5f})",
            f"    precision {generator['precision']:.3f} ({generator['precision_of_draws']:.3f})",
            f"    recall {generator['recall']:.3f} ({generator['recall_of_draws']:.3f})",
        ]
    )


def table(head: str, heads: tuple[str, ...], rows: dict[str, list[str]]) -> list[str]:
    """Lines of a table with aligned columns; accuracies in percent."""
    lines = [[head, *heads], *([name, *cells] for name, cells in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]


def percent(share: float | None) -> str:
    """A share as text."""
    return "-" if share is None else f"{100 * share:.1f}"


def mean_of(shares: Iterable[float | None]) -> float | None:
    """The mean of those that there are."""
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else None


def main() -> None:
    """Measure, print, and write JSON if it is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domains", nargs="*", default=list(synthfaces.DOMAINS), choices=synthfaces.DOMAINS)
    parser.add_argument("--count", type=int, default=40, help="drawings of each domain")
    parser.add_argument("--attacked", type=int, default=10, help="how many of them are attacked")
    parser.add_argument("--photos", type=int, default=400, help="photos that attributes are read off")
    parser.add_argument("--compositions", type=int, default=100, help="drawings of compositions")
    parser.add_argument("--samples", type=int, default=1000, help="samples of the generator")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--quick", action="store_true", help="a tenth of all that, to see that it works")
    parser.add_argument("--judge", default="faces-judge")
    parser.add_argument("--encoders", nargs="+", default=["faces-clip", "faces-clip-robust"])
    parser.add_argument("--generator", default="faces")
    parser.add_argument("--json", type=Path, help="write all figures there, too")
    options = parser.parse_args()
    if options.quick:
        for key in ("count", "attacked", "photos", "compositions", "samples"):
            setattr(options, key, -(-getattr(options, key) // 10))
    found = measure(options)
    print(report(found))
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
