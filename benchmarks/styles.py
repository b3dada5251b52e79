"""Styles that nobody of this project drew: how far pictures are from them, and what encoders see in them.

    python benchmarks/styles.py --avatars FOLDER               # the table of distances; resumable
    python benchmarks/styles.py --done                         # what there is of it so far
    python benchmarks/styles.py --avatars FOLDER --encoders    # what the bundled encoders see

FOLDER has, or will have, the avatars of `benchmarks/avatars.py`: 16 styles of other designers. A draw is ten
examples of a style to learn from, avatars 0 to 9 for draw 0, 10 to 19 for draw 1, and the other 500 of the
first 510 to compare with. What is done is kept in `runs/styles`, one file a row, and an interrupted benchmark
goes on. All pictures are compared at 64 px, of 8 bits.

    floor      another 500 avatars of the style: what is nearer owes it to chance
    source     500 faces of the bundled generator, which has seen nothing of the style
    colors     the same, moved to the mean and covariance of the examples' colours, all by one linear map

    patches    sliced Wasserstein distance of 7 × 7 patches, a mean over scales
    color      sliced Wasserstein distance of the colours of pixels, Oklab
    edges      Wasserstein distance of the slopes of lightness
    frechet    Fréchet distance in the features of the judge, a network that knows the face world alone

Intervals are 95 %, from drawing the styles again (bootstrap). With --encoders:

    named      share of the 16 × 500 avatars that are nearest to the mean of their own style's ten examples; a
               mean over draws, which the interval is from
    reads      area under the ROC curve of telling avatars with glasses or a beard from those without, by
               texts (the judge: by its answers): 1 is right, 0.5 chance; the interval is from drawing styles
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import avatars
import torch
from torch import Tensor
from torch.nn import functional as F

import domainvec as dv
from domainvec.errors import DomainVecError
from domainvec.evaluation import (
    Estimate,
    Judge,
    ZeroShotClassifier,
    bootstrap,
    color_distance,
    edge_distance,
    frechet_distance,
    sliced_wasserstein_distance,
)
from domainvec.evaluation.estimate import mean_estimate
from domainvec.evaluation.features import map_batches
from domainvec.files import atomic_path
from domainvec.images import from_uint8, to_uint8
from domainvec.seeds import latents

SIDE = 64
EXAMPLES, COMPARED = 10, 500
DRAWN = EXAMPLES + 2 * COMPARED
"""Avatars of each style: the last 500 are the floor."""
FIRST_SEED = 5_000_000
"""Of the faces of the bundled generator."""
FIGURES = ("patches", "color", "edges", "frechet")
ENCODERS = ("faces-clip", "faces-clip-robust")
LABELS = {
    "glasses": {
        "with": ("a person with glasses", "a woman with glasses", "a man with glasses"),
        "without": ("a person", "a woman", "a man"),
    },
    "beard": {"with": ("a man with a beard",), "without": ("a man",)},
}
"""Texts that a picture is read by."""
JUDGED = {"glasses": "glasses", "beard": "full"}
"""The same, as the judge calls it; both have the other answer "none"."""


@dataclass(frozen=True)
class Task:
    """What a method has to draw 500 pictures from: ten examples of a style, (10, 3, 64, 64)."""

    style: str
    draw: int
    examples: Tensor


class World:
    """The bundled models, and the avatars."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generator = dv.Generator.from_pretrained("faces").requires_grad_(False)
        self.judge = Judge.from_pretrained()
        z = latents(range(FIRST_SEED, FIRST_SEED + COMPARED), self.generator.z_dim)
        self.source = map_batches(self.generator, z)
        self.avatars = lru_cache(1)(lambda style: avatars.avatars(folder, style, range(DRAWN), SIDE))
        self.features = lru_cache(1)(lambda style: map_batches(self.judge.features, self.avatars(style)))

    def task(self, style: str, draw: int) -> Task:
        """Give ten examples."""
        return Task(style, draw, self.avatars(style)[split(draw)[0]])

    def measure(self, pictures: Tensor, task: Task) -> dict[str, Any]:
        """Measure how far 500 pictures are from those of the style that no method has seen."""
        pictures = from_uint8(to_uint8(pictures))
        others = split(task.draw)[1]
        truth, features = self.avatars(task.style)[others], self.features(task.style)[others]
        scales = sliced_wasserstein_distance(pictures, truth)
        return {
            "patches": sum(scales.values()) / len(scales),
            "color": color_distance(pictures, truth),
            "edges": edge_distance(pictures, truth),
            "frechet": frechet_distance(map_batches(self.judge.features, pictures), features),
            "scales": scales,
        }


def split(draw: int) -> tuple[range, list[int]]:
    """Say which avatars are examples, and which are compared with."""
    examples = range(EXAMPLES * draw, EXAMPLES * (draw + 1))
    return examples, [i for i in range(EXAMPLES + COMPARED) if i not in examples]


def match_colors(images: Tensor, examples: Tensor) -> Tensor:
    """Give pictures the mean and covariance of the examples' colours (Pitié and Kokaram 2007).

    Of all linear maps that do so it is the one that moves colours least.
    """
    pixels, wanted = (each.movedim(1, 3).reshape(-1, 3).double() for each in (images, examples))
    root = _root(pixels.T.cov())
    inverse = torch.linalg.inv(root)
    linear = inverse @ _root(root @ wanted.T.cov() @ root) @ inverse
    moved = (pixels - pixels.mean(0)) @ linear + wanted.mean(0)
    return moved.to(images).unflatten(0, (len(images), *images.shape[2:])).movedim(3, 1)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


METHODS: dict[str, Callable[[World, Task], Tensor]] = {
    "floor": lambda world, task: world.avatars(task.style)[EXAMPLES + COMPARED :],
    "source": lambda world, task: world.source,
    "colors": lambda world, task: match_colors(world.source, task.examples),
}
"""What draws 500 pictures, (500, 3, 64, 64), from a task."""


def row(world: World, style: str, method: str, draw: int, folder: Path) -> dict[str, Any]:
    """Read a row that is done, or make it."""
    path = folder / f"{style}-{method}-{draw}.json"
    if not path.exists():
        task = world.task(style, draw)
        measured = world.measure(METHODS[method](world, task), task)
        write({"style": style, "method": method, "draw": draw, **measured}, path)
        print(path.stem, " ".join(f"{name} {measured[name]:.4f}" for name in FIGURES), flush=True)
    return dict(json.loads(path.read_text()))


def write(content: Any, path: Path) -> None:  # noqa: ANN401
    """Write JSON, in a folder that need not be there yet."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def by_style(rows: Sequence[Mapping[str, Any]], method: str, figure: str) -> dict[str, float]:
    """Means over draws."""
    values: dict[str, list[float]] = {}
    for each in rows:
        if each["method"] == method:
            values.setdefault(each["style"], []).append(each[figure])
    return {style: sum(some) / len(some) for style, some in sorted(values.items())}


def distances_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means over styles, and each style's, as Markdown."""
    methods = [name for name in METHODS if any(each["method"] == name for each in rows)]
    lines = [f"| method | {' | '.join(FIGURES)} | rows |", "| --- |" + " --- |" * len(FIGURES) + " ---: |"]
    for method in methods:
        means = [mean_estimate(torch.tensor(list(by_style(rows, method, name).values()))) for name in FIGURES]
        count = sum(each["method"] == method for each in rows)
        cells = (f"{mean.value:.4f} ({mean.low:.4f} to {mean.high:.4f})" for mean in means)
        lines.append(f"| {method} | {' | '.join(cells)} | {count} |")
    for figure in FIGURES:
        columns = [by_style(rows, method, figure) for method in methods]
        lines += ["", f"| {figure} | {' | '.join(methods)} |", "| --- |" + " ---: |" * len(methods)]
        for style in sorted(set().union(*columns)):
            cells = (f"{column[style]:.4f}" if style in column else "" for column in columns)
            lines.append(f"| {style} | {' | '.join(cells)} |")
    return "\n".join(lines)


def color_histogram(images: Tensor) -> Tensor:
    """Roots of the shares of 8 × 8 × 8 colours (N, 512): their distance is Hellinger's."""
    levels = ((images + 1) * 4).long().clamp(0, 7)
    bins = (levels[:, 0] * 64 + levels[:, 1] * 8 + levels[:, 2]).flatten(1)
    counts = torch.zeros(len(images), 512).scatter_add_(1, bins, torch.ones(bins.shape))
    return (counts / bins.shape[1]).sqrt()


def nearest_means(features: Mapping[str, Tensor], draw: int) -> Tensor:
    """Name the style of the pictures of one draw by the nearest mean of ten examples.

    Args:
        features: of each style, (510 or more, D).
        draw: which ten.

    Returns:
        Shares of the pictures of each style, a row, that are taken for each style, a column.
    """
    examples, compared = split(draw)
    means = torch.stack([each[examples].mean(0) for each in features.values()])
    nearest = [torch.cdist(each[compared], means).argmin(1) for each in features.values()]
    return torch.stack([F.one_hot(each, len(means)).double().mean(0) for each in nearest])


def roc_area(positive: Tensor, negative: Tensor) -> Tensor:
    """How often a score (N,) of those with a label is above one (M,) of those without; ties are halves."""
    return (positive[:, None] - negative).sign().double().mean() / 2 + 0.5


class Seeing:
    """The bundled encoders and what they are compared with: features of pictures, and scores of labels."""

    def __init__(self, judge: Judge) -> None:
        loaded = {name: dv.Encoder.from_pretrained(name) for name in ENCODERS}
        self.features: dict[str, Callable[[Tensor], Tensor]] = {
            **{name: encoder.encode_images for name, encoder in loaded.items()},
            "faces-judge": judge.features,
            "pixels": lambda images: images.flatten(1),
            "color histogram": color_histogram,
        }
        self.readers = {
            (name, label): ZeroShotClassifier(encoder, texts)
            for name, encoder in loaded.items()
            for label, texts in LABELS.items()
        }
        self.judge = judge

    def scores(self, images: Tensor, seen: Mapping[str, Tensor], label: str) -> dict[str, Tensor]:
        """Say how much more likely a label is than its absence, (N,) by reader; above 0 it is read."""
        read = {name: self.readers[name, label].logits(seen[name]) for name in ENCODERS}
        answers = self.judge.heads[label]
        judged = map_batches(lambda part: self.judge.attributes(part)[label], images)
        read["faces-judge"] = judged[:, [answers.index(each) for each in (JUDGED[label], "none")]]
        return {name: each[:, 0] - each[:, 1] for name, each in read.items()}


def named(features: Mapping[str, Tensor], draws: Sequence[int]) -> dict[str, Any]:
    """How well styles are told apart by ten examples: the mean, each draw, and who is taken for whom."""
    taken = torch.stack([nearest_means(features, draw) for draw in draws])
    each_draw = taken.diagonal(dim1=1, dim2=2).mean(1)
    mean = mean_estimate(each_draw)
    return {
        "mean": [mean.value, mean.low, mean.high],
        "draws": each_draw.tolist(),
        "styles": dict(zip(features, taken.mean(0).diagonal().tolist(), strict=True)),
        "taken_for": taken.mean(0).tolist(),
    }


def reads(scores: Mapping[str, Tensor], truth: Sequence[bool | None]) -> list[dict[str, Any]]:
    """How well a label is read, by each reader; pictures of which nobody could tell do not count."""
    rows = []
    chosen = [[i for i, each in enumerate(truth) if each is value] for value in (True, False)]
    for reader, each in scores.items():
        those, others = (each[indices] for indices in chosen)
        area = bootstrap(roc_area, those, others)
        rows.append(
            {
                "reader": reader,
                "with": len(those),
                "without": len(others),
                "area": [area.value, area.low, area.high],
                "accuracy": float((those > 0).double().mean() + (others <= 0).double().mean()) / 2,
            }
        )
    return rows


@torch.no_grad()
def see(world: World, styles: Sequence[str], draws: Sequence[int]) -> dict[str, Any]:
    """See how well styles are told apart by ten examples, and labels read by texts."""
    seeing = Seeing(world.judge)
    features: dict[str, dict[str, Tensor]] = {name: {} for name in seeing.features}
    read = []
    for style in styles:
        images = world.avatars(style)
        seen = {name: map_batches(function, images) for name, function in seeing.features.items()}
        for name, each in seen.items():
            features[name][style] = each[: EXAMPLES + COMPARED].clone()
        made_of = avatars.parts(world.folder, style)[:DRAWN]
        for label in (label for label in LABELS if style in avatars.WEARING[label]):
            truth = [avatars.label(label, style, avatar) for avatar in made_of]
            rows = reads(seeing.scores(images, seen, label), truth)
            read += [{"label": label, "style": style, **each} for each in rows]
    return {"named": {name: named(each, draws) for name, each in features.items()}, "reads": read}


def encoders_table(seen: Mapping[str, Any]) -> str:
    """What encoders see, as Markdown."""
    columns = seen["named"]
    lines = [f"| named | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    cells = (Estimate(*each["mean"]) for each in columns.values())
    lines.append(f"| mean | {' | '.join(map(str, cells))} |")
    for style in next(iter(columns.values()))["styles"]:
        cells = (f"{each['styles'][style]:.3f}" for each in columns.values())
        lines.append(f"| {style} | {' | '.join(cells)} |")
    readers = list(dict.fromkeys(each["reader"] for each in seen["reads"]))
    lines += [
        "",
        f"| reads | with, without | {' | '.join(readers)} |",
        "| --- | --- |" + " --- |" * len(readers),
    ]
    for label in LABELS:
        mine = [each for each in seen["reads"] if each["label"] == label]
        areas = (
            torch.tensor([each["area"][0] for each in mine if each["reader"] == name]) for name in readers
        )
        if mine:
            lines.append(f"| {label} | | {' | '.join(str(mean_estimate(each)) for each in areas)} |")
        for style in dict.fromkeys(each["style"] for each in mine):
            rows = [each for each in mine if each["style"] == style]
            cells = (str(Estimate(*each["area"])) for each in rows)
            lines.append(
                f"| {label}, {style} | {rows[0]['with']}, {rows[0]['without']} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Make the rows that are missing and print the table, or see what encoders see."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--avatars", type=Path, default=Path("runs/avatars"), metavar="FOLDER")
    parser.add_argument("--runs", type=Path, default=Path("runs/styles"), help="folder of what is done")
    parser.add_argument("--styles", nargs="+", default=list(avatars.STYLES), metavar="STYLE")
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=list(METHODS))
    parser.add_argument("--draws", nargs="+", type=int, metavar="DRAW", help="0 to 50; 3, with --encoders 10")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--encoders", action="store_true", help="see what the bundled encoders see")
    instead.add_argument("--done", action="store_true", help="show all rows that are done, make none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what is printed there, too")
    options = parser.parse_args()
    draws = options.draws or range(10 if options.encoders else 3)
    if not set(draws) <= set(range(COMPARED // EXAMPLES + 1)):
        parser.error(f"draws are {list(draws)}; expected numbers from 0 to {COMPARED // EXAMPLES}")
    content: Any
    if options.done:
        content = [json.loads(path.read_text()) for path in sorted(options.runs.glob("*-*-*.json"))]
        if not content:
            parser.error(f"nothing is done in {options.runs}: leave out --done, or name other --runs")
    else:
        try:
            avatars.draw(options.avatars, options.styles, DRAWN)
        except DomainVecError as error:
            parser.exit(1, f"{error}\n")
        world = World(options.avatars)
        if options.encoders:
            content = see(world, options.styles, draws)
        else:
            wanted = product(options.styles, options.methods, draws)
            content = [row(world, *each, options.runs) for each in wanted]
    print(encoders_table(content) if options.encoders else distances_table(content))
    if options.json:
        write(content, options.json)


if __name__ == "__main__":
    main()
