"""What another domain in each row costs: a batch of 64 pictures in one domain, and in 64.

The two are drawn in turn, and the ratio is that of the medians; time is that of the CPU, which means the same
on a machine that others use, too.

    python benchmarks/serving.py
    python benchmarks/serving.py --generator ffhq --rows 8 --json serving.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from fullsize import peak_gigabytes

from domainvec import Domain, Generator
from domainvec.seeds import latents


def random_domains(generator: Generator, count: int) -> list[Domain]:
    """Make up domains; what they look like costs nothing."""
    rng = torch.Generator().manual_seed(0)
    return [
        Domain([0.1 * torch.randn(width, generator=rng) for width in generator.conv_channels])
        for _ in range(count)
    ]


def main() -> None:
    """Measure both batches and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generator", default="faces", help="a name, a folder or a file")
    parser.add_argument("--rows", type=int, default=64, help="pictures, and domains, in the batch")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, after one that is not")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    arguments = parser.parse_args()

    generator = Generator.from_pretrained(arguments.generator).requires_grad_(False)
    domains = random_domains(generator, arguments.rows)
    batches = {1: domains[0], arguments.rows: Domain.stack(domains)}
    seconds: dict[int, list[float]] = {count: [] for count in batches}
    with torch.no_grad(), generator.synthesis.weights_held():
        w = generator.mapping(latents(range(arguments.rows), generator.z_dim))
        for _ in range(1 + arguments.rounds):
            for count, domain in batches.items():
                began = time.process_time()
                generator.synthesis(w, domain)
                seconds[count].append(time.process_time() - began)
    medians = {count: statistics.median(times[1:]) for count, times in seconds.items()}
    rows = [
        {
            "generator": arguments.generator,
            "rows": arguments.rows,
            "domains": count,
            "cpu_seconds": median,
            "ratio": median / medians[1],
            "peak_memory_gb": peak_gigabytes(),
        }
        for count, median in medians.items()
    ]
    print("| rows | domains | CPU s | ratio |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row['rows']} | {row['domains']} | {row['cpu_seconds']:.2f} | {row['ratio']:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
