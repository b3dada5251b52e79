"""Does a small domain change the picture as well as all weights do? Every parameterization against the truth.

    python benchmarks/fidelity.py --quick          # one domain, two parameterizations, a few minutes
    python benchmarks/fidelity.py --rates          # choose learning rates, on domains outside the table
    python benchmarks/fidelity.py --json FILE      # the table; resumable, hours on a CPU
    python benchmarks/fidelity.py --done           # what there is of it so far

Each parameterization learns each domain of the face world in each way: from its name, from one true drawing,
from ten. The bundled generator draws a known face for each noise, so the true drawing of every adapted face
is known. The drawings that guide, the faces that are measured and those that trained the generator and the
judge are all different. What is done is kept in `runs/fidelity`, one file a run, and an interrupted benchmark
goes on; `--known docs/fidelity/rows.json` goes on from the published rows. Chosen learning rates are written
beside the plots, to `rates.json`; without `--rates` those of docs/fidelity are used.

    distance   mean absolute difference to the true drawings, as a share of the unadapted faces'
    judge      share of the faces that the judge, a network that guidance never saw, takes for the target
    identity   share of the judge's readings (hair, glasses, age, ...) that stay as before
    diversity  mean distance of two faces at 16 px, as a share of the truth's
    seconds    of the adaptation, on this machine, with whatever ran beside it

Intervals are 95 %, from drawing the domains again (bootstrap): another set of domains is what would change
the means most.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import domainvec as dv
import synthfaces
from domainvec.adaptation.inversion import Inversion, Inverter
from domainvec.domains import PARAMETERIZATIONS
from domainvec.evaluation import Judge, render_faces
from domainvec.evaluation.diversity import mean_pairwise_distance
from domainvec.evaluation.estimate import Estimate, bootstrap
from domainvec.evaluation.judge import DOMAIN_HEADS
from domainvec.files import atomic_path
from domainvec.guidance import FACES_FEW_SHOT
from domainvec.images import grid, save_png
from domainvec.seeds import latents

WAYS = {"text": 0, "image": 1, "images": 10}
"""How many true drawings guide."""
DOMAINS = (
    "pencil_sketch",
    "ink",
    "watercolor",
    "oil_painting",
    "pop_art",
    "neon",
    "zombie",
    "green_giant",
    "marble_statue",
    "clown",
    "sepia",
    "anime",
)
CHOOSING = ("robot", "comic", "charcoal")
"""Domains that learning rates are chosen on; not in the table."""
LEARNING_RATE = 0.05
"""Of the domain vector, at factor 1; the others have the ratios of the papers to it."""
FACTORS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Of that learning rate, to choose from."""
FIRST_FACTOR = 3.0
"""Tried first: then upwards from it, else downwards, while it helps."""
FACES, SHOWN = 128, 8
PICTURED = "modulation+rgb"
"""The parameterization whose first seed is drawn as a grid."""
FIRST_SEED = 1_000_000
"""Of the faces that are measured."""
GUIDES = 3_000_000
"""Seed of the first face whose drawing guides."""
RATES = Path(__file__).parents[1] / "docs" / "fidelity" / "rates.json"
"""The factors that were chosen, by way and parameterization."""
CURVE, CURVE_FACES = 4, 48
"""How often a run is measured on its way, without the judge, and on how many of the faces."""


class World:
    """The bundled models, and the faces that everything is measured on."""

    def __init__(self) -> None:
        self.generator = dv.Generator.from_pretrained("faces").requires_grad_(False)
        self.encoders = [dv.Encoder.from_pretrained(name) for name in ("faces-clip", "faces-clip-robust")]
        self.judge = Judge.from_pretrained()
        self.z = latents(range(FIRST_SEED, FIRST_SEED + FACES), self.generator.z_dim)
        self.w = self.generator.mapping(self.z)
        self.before = self.draw(None)
        self.read_before = self.read(self.before)
        self.truth = cache(lambda name: render_faces(self.z, name))
        self.inverted = cache(self._invert)

    @torch.no_grad()
    def draw(self, domain: dv.Domain | None, count: int = FACES) -> Tensor:
        """Draw the first measured faces, (count, 3, 64, 64)."""
        parts = self.w[:count].split(32)
        return torch.cat([self.generator.synthesis(part, domain).clamp(-1, 1).float() for part in parts])

    @torch.no_grad()
    def read(self, images: Tensor) -> Tensor:
        """Read off the attributes, (N, questions)."""
        answers = self.judge.attributes(images)
        asked = [head for head in self.judge.heads if head not in DOMAIN_HEADS]
        return torch.stack([answers[question].argmax(1) for question in asked], 1)

    def guides(self, name: str, count: int) -> Tensor:
        """Draw what guides."""
        return render_faces(latents(range(GUIDES, GUIDES + count), self.generator.z_dim), name)

    def _invert(self, name: str, count: int, seed: int) -> tuple[Tensor, float]:
        """Invert what guides, which is the same for all parameterizations; and say how long it took."""
        started = time.monotonic()
        dtype = dv.Training().resolve(self.generator, self.encoders).dtype
        guides = self.guides(name, count)
        with self.generator.synthesis.weights_held():
            inverter = Inverter(self.generator, self.encoders, guides, Inversion(), dtype=dtype, seed=seed)
            found = inverter.latents()
        return found, time.monotonic() - started

    def compare(self, adapted: Tensor, name: str) -> dict[str, float]:
        """Compare adapted faces with their true drawings, without the judge."""
        truth, before = self.truth(name)[: len(adapted)], self.before[: len(adapted)]
        return {
            "distance": ((adapted - truth).abs().mean() / (before - truth).abs().mean()).item(),
            "diversity": mean_pairwise_distance(adapted) / mean_pairwise_distance(truth),
        }

    def picture(self, domain: dv.Domain, way: str, name: str, path: Path) -> None:
        """Draw what guides, and the first faces before, adapted, and as the world draws them."""
        guides = self.guides(name, WAYS[way])[:SHOWN]
        guides = torch.cat([guides, guides.new_ones(SHOWN - len(guides), *guides.shape[1:])])
        rows = [guides, self.before[:SHOWN], self.draw(domain, SHOWN), self.truth(name)[:SHOWN]]
        labels = ["what guides", "before", f"adapted to {name}", "true drawing"]
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(grid(rows, labels=labels), path)

    @torch.no_grad()
    def measure(self, domain: dv.Domain, name: str) -> dict[str, float]:
        """Measure all that is in the table."""
        adapted = self.draw(domain)
        probabilities = self.judge.domain_log_probabilities(adapted).exp()
        wanted = self.judge.names.index(name)
        return {
            **self.compare(adapted, name),
            "judge_accuracy": (probabilities.argmax(1) == wanted).float().mean().item(),
            "judge_probability": probabilities[:, wanted].mean().item(),
            "identity": (self.read(adapted) == self.read_before).float().mean().item(),
        }


@dataclass(frozen=True)
class Case:
    """One run: what guides, what is learnt, the domain, the seed, and the factor of the learning rate."""

    way: str
    form: str
    name: str
    seed: int
    factor: float


def learning_rate(case: Case) -> float:
    """Say how fast a run learns."""
    return case.factor * LEARNING_RATE * PARAMETERIZATIONS[case.form].relative_learning_rate


def adapt(world: World, case: Case, options: argparse.Namespace, pictures: Path) -> dict[str, Any]:
    """Learn a domain, and measure it on the way and at the end."""
    way, name, seed = case.way, case.name, case.seed
    curve: list[dict[str, float]] = []
    measuring = 0.0

    def look(progress: dv.Progress) -> None:
        nonlocal measuring
        if progress.phase == "training" and progress.step % every == 0:
            started = time.monotonic()
            shown = world.compare(world.draw(progress.domain, CURVE_FACES), name)
            curve.append({"step": progress.step, **_rounded(shown)})
            measuring += time.monotonic() - started

    every = math.ceil(options.steps / CURVE)
    inverting = 0.0
    target: dv.Target = dv.Text(synthfaces.domain(name).prompt)
    if WAYS[way]:
        guides = world.guides(name, WAYS[way])
        inverted, inverting = world.inverted(name, WAYS[way], seed)
        few_shot = replace(FACES_FEW_SHOT, reinversions=options.reinversions)
        target = (
            dv.Picture(guides, inverted=inverted)
            if way == "image"
            else dv.Pictures(guides, guidance=few_shot, inverted=inverted)
        )
    started = time.monotonic()
    result = dv.adapt(
        world.generator,
        world.encoders,
        target,
        parameterization=case.form,
        seed=seed,
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=learning_rate(case),
        callback=look,
    )
    seconds = inverting + time.monotonic() - started - measuring
    if seed == 0 and case.form == PICTURED and WAYS[way]:  # domains.py has the grids of texts
        world.picture(result.domain, way, name, pictures / f"{way}-{name}.png")
    return {
        "way": way,
        "parameterization": case.form,
        "domain": name,
        "seed": seed,
        "size": result.domain.num_nonzero if case.form == "stylespace-sparse" else result.domain.size,
        **_rounded(world.measure(result.domain, name)),
        "seconds": round(seconds, 1),
        "learning_rate": learning_rate(case),
        "steps": options.steps,
        "batch_size": options.batch_size,
        "stopped": result.stopped,
        "curve": curve,
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in figures.items()}


def row_file(folder: Path, way: str, form: str, name: str, seed: int) -> Path:
    """Say where a row is kept."""
    return folder / f"{way}-{form}-{name}-{seed}.json"


def write(content: Any, path: Path) -> None:  # noqa: ANN401
    """Write JSON, in a folder that need not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def kept(path: Path, world: World, case: Case, options: argparse.Namespace, pictures: Path) -> dict[str, Any]:
    """Read a row that is done, or make it.

    Raises: SystemExit if the row that is there was made with other settings.
    """
    if not path.exists():
        row = adapt(world, case, options, pictures)
        write(row, path)
        print(json.dumps({key: value for key, value in row.items() if key != "curve"}), flush=True)
    row = dict(json.loads(path.read_text()))
    wanted = {"learning_rate": learning_rate(case), "steps": options.steps, "batch_size": options.batch_size}
    for name, value in wanted.items():
        if row[name] != value:
            raise SystemExit(f"{path} has {name} {row[name]}, not {value}: delete it, or name other --runs")
    return row


def choose_rates(world: World, options: argparse.Namespace) -> dict[str, float]:
    """For each way and parameterization the factor that reaches the most at the least distance.

    The score is judge probability times identity over distance, a mean over domains.
    """
    first = FACTORS.index(FIRST_FACTOR)

    def score(way: str, form: str, factor: float) -> float:
        folder = options.runs / "rates"
        rows = []
        for name in CHOOSING:
            path = folder / f"{way}-{form}-{name}-{factor:g}.json"
            rows += [kept(path, world, Case(way, form, name, 0, factor), options, folder)]
        scores = [row["judge_probability"] * row["identity"] / row["distance"] for row in rows]
        return sum(scores) / len(scores)

    chosen = {}
    for way in options.ways:
        for form in options.parameterizations:
            best = FIRST_FACTOR
            scores = {best: score(way, form, best)}
            for further in (FACTORS[first + 1 :], FACTORS[first - 1 :: -1]):
                for factor in further:
                    scores[factor] = score(way, form, factor)
                    if scores[factor] <= scores[best]:
                        break
                    best = factor
                if best != FIRST_FACTOR:
                    break
            chosen[f"{way} {form}"] = best
            print(f"{way} {form}: {scores}", flush=True)
    return chosen


def mean_of(values: Tensor) -> Estimate:
    """Give the mean with its interval, from drawing the values again."""
    return bootstrap(lambda drawn: drawn.mean().item(), values)


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the domains, with intervals, for each way and parameterization."""
    summaries = []
    for way in WAYS:
        for form in PARAMETERIZATIONS:
            mine = [row for row in rows if (row["way"], row["parameterization"]) == (way, form)]
            if not mine:
                continue
            summary: dict[str, Any] = {"way": way, "parameterization": form, "size": mine[0]["size"]}
            names = sorted({row["domain"] for row in mine})
            summary["domains"], summary["runs"] = len(names), len(mine)
            for figure in ("distance", "judge_accuracy", "identity", "diversity", "seconds"):
                by_domain = torch.tensor(
                    [
                        sum(values := [row[figure] for row in mine if row["domain"] == name]) / len(values)
                        for name in names
                    ]
                )
                mean = mean_of(by_domain)
                summary[figure] = (mean.value, mean.low, mean.high)
            summaries.append(summary)
    return summaries


def table(summaries: list[dict[str, Any]]) -> str:
    """The means as Markdown."""
    lines = [
        "| way | parameterization | numbers | distance | judge | identity | diversity | seconds | runs |",
        "| --- | --- | ---: | --- | --- | --- | --- | ---: | ---: |",
    ]
    for row in summaries:
        cells = [
            f"{row[name][0]:.2f} ({row[name][1]:.2f}–{row[name][2]:.2f})"
            for name in ("distance", "judge_accuracy", "identity", "diversity")
        ]
        lines.append(
            f"| {row['way']} | `{row['parameterization']}` | {row['size']:,} | {' | '.join(cells)} | "
            f"{row['seconds'][0]:.0f} | {row['runs']} |"
        )
    return "\n".join(lines)


def against_full(rows: list[dict[str, Any]]) -> str:
    """How much better than full fine-tuning each parameterization is, and in how many runs, as Markdown.

    Runs of one domain and seed are compared; the intervals are from drawing the domains again.
    """
    signs = {"distance": -1, "judge_accuracy": 1, "identity": 1, "diversity": 1}
    full = {
        (row["way"], row["domain"], row["seed"]): row for row in rows if row["parameterization"] == "full"
    }
    lines = [
        "| way | less `full` | distance | judge | identity | diversity | runs |",
        "| --- | --- | --- | --- | --- | --- | ---: |",
    ]
    for way in WAYS:
        for form in PARAMETERIZATIONS:
            pairs = [
                (row, full[key])
                for row in rows
                if row["way"] == way
                and row["parameterization"] == form != "full"
                and (key := (way, row["domain"], row["seed"])) in full
            ]
            if not pairs:
                continue
            cells = []
            for figure, sign in signs.items():
                by_domain: dict[str, list[float]] = {}
                for mine, theirs in pairs:
                    by_domain.setdefault(mine["domain"], []).append(mine[figure] - theirs[figure])
                means = torch.tensor([sum(values) / len(values) for values in by_domain.values()])
                mean = mean_of(means)
                better = sum(sign * mine[figure] > sign * theirs[figure] for mine, theirs in pairs)
                cells.append(f"{mean.value:+.2f} ({mean.low:+.2f} to {mean.high:+.2f}), better in {better}")
            lines.append(f"| {way} | `{form}` | {' | '.join(cells)} | {len(pairs)} |")
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]], summaries: list[dict[str, Any]], folder: Path) -> None:
    """Draw quality against parameters, diversity against quality, and the curve over steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    ways = [way for way in WAYS if any(row["way"] == way for row in summaries)]
    colours = {name: f"C{i}" for i, name in enumerate(PARAMETERIZATIONS)}

    def figure(name: str, draw: Any) -> None:  # noqa: ANN401
        shape, axes = pyplot.subplots(
            1, len(ways), figsize=(1.5 + 4.6 * len(ways), 4.2), squeeze=False, layout="constrained"
        )
        for axis, way in zip(axes[0], ways, strict=True):
            axis.set_title(f"from {'a text' if way == 'text' else f'{WAYS[way]} drawing(s)'}")
            axis.grid(alpha=0.3)
            draw(axis, way)
        handles = {}
        for axis in axes[0]:
            marks, names = axis.get_legend_handles_labels()
            handles |= dict(zip(names, marks, strict=True))
        known = [form for form in PARAMETERIZATIONS if form in handles]
        shape.legend([handles[form] for form in known], known, loc="outside right center", fontsize=8)
        with atomic_path(folder / f"{name}.png") as path:
            shape.savefig(path, dpi=110, format="png")
        pyplot.close(shape)

    def points(axis: Any, way: str, x: str, y: str) -> None:  # noqa: ANN401
        for row in (row for row in summaries if row["way"] == way):
            across = row[x] if isinstance(row[x], tuple) else (row[x],) * 3
            form = row["parameterization"]
            axis.errorbar(
                across[0],
                row[y][0],
                xerr=[[across[0] - across[1]], [across[2] - across[0]]],
                yerr=[[row[y][0] - row[y][1]], [row[y][2] - row[y][0]]],
                fmt="o",
                color=colours[form],
                elinewidth=0.6,
                label=form,
            )

    def quality(axis: Any, way: str) -> None:  # noqa: ANN401
        points(axis, way, "size", "distance")
        axis.set(
            xscale="log", xlabel="numbers", ylabel="distance to the true drawings, share of the unadapted"
        )

    def diversity(axis: Any, way: str) -> None:  # noqa: ANN401
        points(axis, way, "distance", "diversity")
        axis.set(xlabel="distance to the true drawings", ylabel="diversity, share of the truth's")

    def steps(axis: Any, way: str) -> None:  # noqa: ANN401
        for form in PARAMETERIZATIONS:
            mine = [row for row in rows if (row["way"], row["parameterization"]) == (way, form)]
            finished = [row for row in mine if not row["stopped"]]
            for last in sorted({row["steps"] for row in finished}):
                # What is cut at the end, such as all but the largest numbers, is in the last point.
                curves = [
                    [1, *(point["distance"] for point in row["curve"][:-1]), row["distance"]]
                    for row in finished
                    if row["steps"] == last
                ]
                means = torch.tensor(curves).mean(0)
                at = torch.linspace(0, last, len(means))
                axis.plot(at, means, marker=".", color=colours[form], label=form)
        axis.set(xlabel="steps", ylabel="distance to the true drawings")

    figure("quality", quality)
    figure("diversity", diversity)
    figure("steps", steps)


def rows_done(folder: Path) -> list[dict[str, Any]]:
    """Read all rows that are done."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*-*-*.json"))]


def take(file: Path, folder: Path) -> None:
    """Count rows that were written with --json as done."""
    for row in json.loads(file.read_text()):
        path = row_file(folder, row["way"], row["parameterization"], row["domain"], row["seed"])
        if not path.exists():
            write(row, path)


def make_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Make the rows that are missing, and read the others."""
    world = World()
    rates = json.loads(RATES.read_text())
    if options.rates:
        rates |= choose_rates(world, options)
        write(dict(sorted(rates.items())), options.output / RATES.name)
    wanted = product(options.seeds, options.ways, options.domains, options.parameterizations)
    rows = []
    for seed, way, name, form in wanted:
        path = row_file(options.runs, way, form, name, seed)
        factor = options.factor or rates[f"{way} {form}"]
        case = Case(way, form, name, seed, factor)
        rows += [kept(path, world, case, options, options.output)]
    return rows


def main() -> None:
    """Make the rows that are missing, then print the table and draw the plots."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=Path("docs/fidelity"), help="folder of plots and grids"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/fidelity"), help="folder of what is done")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument(
        "--parameterizations", nargs="+", choices=tuple(PARAMETERIZATIONS), default=list(PARAMETERIZATIONS)
    )
    parser.add_argument(
        "--domains", nargs="+", choices=sorted(synthfaces.DOMAINS), metavar="NAME", default=list(DOMAINS)
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=120, help="of each run; the ways' own are 240")
    parser.add_argument("--batch-size", type=int, default=4, help="pictures a step; the ways' own is 8")
    parser.add_argument(
        "--reinversions", type=int, default=0, help="from ten drawings (the way has 3); in another --runs"
    )
    parser.add_argument("--rates", action="store_true", help="choose the learning rates first")
    parser.add_argument(
        "--factor",
        type=float,
        help="of the learning rates, in place of those chosen; in another --runs",
    )
    parser.add_argument(
        "--known", type=Path, metavar="FILE", help="rows of an earlier --json, not made again"
    )
    parser.add_argument("--done", action="store_true", help="show all rows that are done, make none")
    parser.add_argument("--quick", action="store_true", help="a small table that says little")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.output = options.runs / "quick", options.runs / "quick"
        options.domains, options.seeds = ["zombie"], [0]
        options.parameterizations = ["modulation+rgb", "full"]

    if options.known:
        take(options.known, options.runs)
    rows = rows_done(options.runs) if options.done else make_rows(options)
    if not rows:
        parser.error(f"nothing is done in {options.runs}: leave out --done, or give --known FILE")
    summaries = summarise(rows)
    print(table(summaries))
    print(against_full(rows))
    plot(rows, summaries, options.output)
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
