"""How time and memory grow with the resolution, the batch, and the number of domains.

    python benchmarks/scaling.py --output docs/performance

Five parts, each a panel of one plot and a table. `resolution` and `batch`: a step of training, of the domain
vector and of all weights, measured by step.py, each in a process of its own. `trained`: the bundled
generator, domains side by side (`dv.run_together`) and one after another, in turn. `served`: a batch of 64
pictures in so many domains. `stored`: bytes of so many domain files, and of as many fine-tuned generators.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from fullsize import peak_gigabytes
from serving import random_domains

import domainvec as dv
from domainvec.domains.parameterizations import create_domain
from domainvec.files import atomic_path
from domainvec.seeds import latents

PARTS = ("resolution", "batch", "trained", "served", "stored")
RESOLUTIONS, BATCHES = (64, 128, 256, 512, 1024), (1, 2, 4, 8)
MIDDLE = 256
"""Pixels at which the batch grows; the resolution grows at batch 1."""
COUNTS = (1, 2, 4, 8)
PROMPTS = ("a pencil sketch", "a zombie", "a sepia photo", "a clown", "an anime drawing", "a comic")
ROWS = 64


def step_rows(resolution: int, batch: int) -> list[dict[str, Any]]:
    """Measure a step of training with step.py."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.json")
        command = [sys.executable, str(Path(__file__).with_name("step.py")), "--json", str(file), "--steps=3"]
        command += [
            f"--resolution={resolution}",
            f"--batch={batch}",
            "--implementations",
            "full",
            "domainvec",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(file.read_text())
    return [
        {
            "series": {"domainvec": "domain vector", "full": "all weights"}[row["implementation"]],
            "x": {"resolution": resolution, "batch": batch},
            "seconds": row["seconds_per_step"],
            "peak_memory_gb": row["peak_memory_gb"],
        }
        for row in rows
    ]


def trained_rows(count: int, rounds: int = 2, steps: int = 4) -> list[dict[str, Any]]:
    """Train domains side by side and one after another, in turn."""
    generator = dv.Generator.from_pretrained("faces")
    encoders = [dv.Encoder.from_pretrained(name) for name in ("faces-clip", "faces-clip-robust")]
    targets = [dv.Text(PROMPTS[n % len(PROMPTS)]) for n in range(count)]
    training = dv.Training.for_encoder(encoders).replace(steps=steps, source_pool=0)
    seconds: dict[str, list[float]] = {"side by side": [], "one after another": []}
    for _ in range(1 + rounds):
        began = time.process_time()
        dv.run_together([dv.Session(generator, encoders, each, training=training) for each in targets])
        middle = time.process_time()
        for each in targets:
            dv.run_together([dv.Session(generator, encoders, each, training=training)])
        seconds["side by side"].append(middle - began)
        seconds["one after another"].append(time.process_time() - middle)
    return [
        {
            "series": name,
            "x": {"domains": count},
            "seconds": statistics.median(times[1:]) / steps,
            "peak_memory_gb": peak_gigabytes(),
        }
        for name, times in seconds.items()
    ]


@torch.no_grad()
def served_rows(count: int, rounds: int = 5) -> list[dict[str, Any]]:
    """Draw 64 pictures in so many domains."""
    generator = dv.Generator.from_pretrained("faces").requires_grad_(False)
    domains = random_domains(generator, count)
    batch = dv.Domain.stack([domains[n * count // ROWS] for n in range(ROWS)])
    times = []
    with generator.synthesis.weights_held():
        w = generator.mapping(latents(range(ROWS), generator.z_dim))
        for _ in range(1 + rounds):
            began = time.process_time()
            generator.synthesis(w, batch)
            times.append(time.process_time() - began)
    seconds = statistics.median(times[1:])
    return [
        {
            "series": "64 pictures",
            "x": {"domains": count},
            "seconds": seconds,
            "peak_memory_gb": peak_gigabytes(),
        }
    ]


def stored_rows(count: int) -> list[dict[str, Any]]:
    """Weigh files: of the domain vector, of it with RGB, and of all weights."""
    generator, rng = dv.Generator.from_pretrained("faces"), torch.Generator().manual_seed(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("modulation", "modulation+rgb", "full"):
            file = Path(folder, "domain.safetensors")
            zero = create_domain(name, generator).detach()
            zero.with_vector(0.1 * torch.randn(zero.size, generator=rng)).save(file)  # Zeros would be packed.
            rows.append(
                {"series": name, "x": {"domains": count}, "megabytes": count * file.stat().st_size / 1e6}
            )
    return rows


def measure(part: str, x: int) -> list[dict[str, Any]]:
    """Measure one point of a part."""
    if part in ("resolution", "batch"):
        return step_rows(*((x, 1) if part == "resolution" else (MIDDLE, x)))
    return {"trained": trained_rows, "served": served_rows, "stored": stored_rows}[part](x)


def print_table(part: str, rows: list[dict[str, Any]]) -> None:
    """Print a part as Markdown."""
    figures = [name for name in ("seconds", "peak_memory_gb", "megabytes") if name in rows[0]]
    print(f"\n| {part} | " + " | ".join([*rows[0]["x"], *figures]) + " |")
    print("| --- " * (1 + len(rows[0]["x"]) + len(figures)) + "|")
    for row in rows:
        cells = [row["series"], *row["x"].values(), *(f"{row[name]:.3g}" for name in figures)]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def plot(parts: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw time above and memory below, a column for each part."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shape, axes = pyplot.subplots(
        2, len(parts), figsize=(3.4 * len(parts), 6), squeeze=False, layout="constrained"
    )
    for column, (part, rows) in zip(axes.T, parts.items(), strict=True):
        across = "domains" if "domains" in rows[0]["x"] else part
        for axis, figure, label in (
            (column[0], "seconds", "seconds a step" if part != "served" else "CPU seconds"),
            (column[1], "megabytes" if part == "stored" else "peak_memory_gb", "GB at the peak"),
        ):
            if figure not in rows[0]:
                axis.axis("off")
                continue
            for series in dict.fromkeys(row["series"] for row in rows):
                mine = [row for row in rows if row["series"] == series]
                axis.plot(
                    [row["x"][across] for row in mine], [row[figure] for row in mine], "o-", label=series
                )
            axis.set(xlabel=across if across != "resolution" else "resolution, px", title=part)
            axis.set_xscale("log", base=2)
            axis.set_xticks([row["x"][across] for row in rows], [str(row["x"][across]) for row in rows])
            axis.set_ylabel("MB on disk" if figure == "megabytes" else label)
            if figure == "megabytes":
                axis.set_yscale("log")
            else:
                axis.set_ylim(0, 1.1 * max(row[figure] for row in rows))
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        shape.savefig(temporary, dpi=100, format="png")


def main() -> None:
    """Measure each point in a process of its own, print the tables and draw the plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=Path, default=Path("docs/performance"), help="folder of the plot")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options.run[0], int(options.run[1]))))
        return
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in options.parts:
        values = {"resolution": RESOLUTIONS, "batch": BATCHES, "served": (1, 4, 16, 64)}.get(part, COUNTS)
        rows = []
        for x in values:  # A process each: the peak of a process's memory never falls.
            command = [sys.executable, __file__, "--run", part, str(x)]
            result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows += json.loads(result.stdout.splitlines()[-1])
        parts[part] = sorted(rows, key=lambda row: row["series"])
        print_table(part, parts[part])
    plot(parts, options.output / "scaling.png")
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(parts, indent=1) + "\n")


if __name__ == "__main__":
    main()
