"""Does a domain notice what makes its training cheaper? Each shortcut against training without it.

    python benchmarks/shortcuts.py --json FILE

The bundled generator learns some domains from their names, with several seeds, plainly (float32, new latents
in every step, its full resolution), then with one shortcut at a time, and with those that are the default.
Adapted faces are held against their true drawings, as in fidelity.py, whose columns these are. `change` is
the mean difference to the plain runs of the same domain and seed, with a 95 % interval from drawing the pairs
again; `noise` is how far two plain runs lie apart that differ in the seed alone. What is done is kept in
`runs/shortcuts`, and an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from fidelity import World, mean_of, write

import domainvec as dv
import synthfaces

PLAIN: dict[str, Any] = {"precision": "float32", "source_pool": 0}
SHORTCUTS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "bfloat16": PLAIN | {"precision": "bfloat16"},
    "pool of 256": PLAIN | {"source_pool": 256},
    "half resolution": PLAIN | {"resolution": 32},
    "half resolution, but the last fifth": PLAIN | {"resolution": 32, "full_size_fraction": 0.2},
    "default": {"precision": "bfloat16"},
}
FIGURES = ("distance", "judge_accuracy", "identity", "diversity", "seconds")


def adapted(world: World, name: str, seed: int, options: dict[str, Any]) -> dict[str, float]:
    """Learn a domain and measure it."""
    prompt = synthfaces.domain(name).prompt
    result = dv.adapt(world.generator, world.encoders, prompt, seed=seed, **options)
    figures = {**world.measure(result.domain, name), "seconds": result.seconds}
    return {figure: round(float(value), 4) for figure, value in figures.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """Means, and mean differences to the plain runs with their intervals, as Markdown."""
    by_run = {(row["shortcut"], row["domain"], row["seed"]): row for row in rows}
    pairs = sorted({(row["domain"], row["seed"]) for row in rows})
    lines = [
        f"| shortcut | {' | '.join(f'{figure} | change' for figure in FIGURES)} |",
        f"| --- |{' --- | --- |' * len(FIGURES)}",
    ]
    for shortcut in SHORTCUTS:
        cells = [shortcut]
        for figure in FIGURES:
            both = [
                (by_run["plain", name, seed][figure], by_run[shortcut, name, seed][figure])
                for name, seed in pairs
            ]
            change = torch.tensor([mine - plain for plain, mine in both])
            mean = mean_of(change)
            cells.append(f"{sum(mine for _, mine in both) / len(both):.3f}")
            cells.append(f"{mean.value:+.3f} ({mean.low:+.3f} to {mean.high:+.3f})")
        lines.append(f"| {' | '.join(cells)} |")
    noise = []
    for figure in FIGURES:
        apart = [
            abs(one[figure] - other[figure])
            for one, other in combinations([row for row in rows if row["shortcut"] == "plain"], 2)
            if one["domain"] == other["domain"]
        ]
        noise.append(f"{sum(apart) / max(len(apart), 1):.3f}")
    lines.append(f"| noise | | {' | | '.join(noise)} |")
    return "\n".join(lines)


def main() -> None:
    """Make the rows that are missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domains", nargs="+", default=["pencil_sketch", "zombie", "night", "pop_art"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="the guidance's own by default")
    parser.add_argument("--batch-size", type=int, help="the guidance's own by default")
    parser.add_argument("--runs", type=Path, default=Path("runs/shortcuts"), help="folder of what is done")
    parser.add_argument(
        "--known", type=Path, metavar="FILE", help="rows of an earlier --json, not made again"
    )
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    options = parser.parse_args()

    def file(shortcut: str, name: str, seed: int) -> Path:
        return options.runs / f"{shortcut.replace(' ', '-')}-{name}-{seed}.json"

    for row in json.loads(options.known.read_text()) if options.known else []:
        path = file(row["shortcut"], row["domain"], row["seed"])
        if not path.exists():
            write(row, path)
    world = World()
    rows = []
    for name in options.domains:
        for seed in options.seeds:
            for shortcut, settings in SHORTCUTS.items():
                path = file(shortcut, name, seed)
                if not path.exists():
                    wanted = {**settings, "steps": options.steps, "batch_size": options.batch_size}
                    row = {"shortcut": shortcut, "domain": name, "seed": seed}
                    write(row | adapted(world, name, seed, wanted), path)
                    print(path.read_text().replace("\n", ""), flush=True)
                rows.append(json.loads(path.read_text()))
    print(table(rows))
    if options.json:
        write(rows, options.json)


if __name__ == "__main__":
    main()
