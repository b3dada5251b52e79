"""What a training step costs: this package's, a textbook one, and fine-tuning of all weights.

A generator of FFHQ's widths (config-f) and CLIP encoders, all with random weights, are brought to a text for
a few steps. Each implementation runs in a process of its own, since the peak of a process's memory never
falls. A step's time is the median of those after the first two; the second is the one whose floating-point
operations are counted. The rate that they are held against is what this machine reaches, in the same minute,
on one large product of bfloat16 matrices. Both rates are those of a CPU second, which means the same on a
machine that others use, too; seconds do not.

Rows: `domainvec` trains the domain vector with a source pool that is full, as every domain of a generator
after the first ones does; `domainvec-fresh` without a pool; `full` all weights; `textbook` is textbook.py.

    python benchmarks/step.py --resolution 1024 --batch 1
    python benchmarks/step.py --resolution 256 --batch 4 --json step.json
    python benchmarks/step.py --resolution 256 --implementations domainvec-fresh --profile
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullsize import peak_gigabytes, random_clip

if TYPE_CHECKING:
    from domainvec.encoders import Encoder
    from domainvec.guidance import Guidance
    from domainvec.stylegan2 import Generator

IMPLEMENTATIONS = {
    "domainvec": "the domain vector, as `adapt` trains it with a source pool that earlier domains filled",
    "domainvec-fresh": "the same with new latents in every step, whose source side is computed",
    "full": "all weights, as `adapt` trains them, with new latents in every step",
    "textbook": "the domain vector, plainly written (textbook.py)",
}
TARGET, SOURCE = "a pencil sketch", "a photo"
WARM_UP = 2


def main() -> None:
    """Measure each implementation in turn and print the table; or, with --run, one of them."""
    arguments = parse_arguments()
    if arguments.run:
        print(json.dumps(measure(arguments)), flush=True)
        return
    rows: list[dict[str, Any]] = []
    columns = ("implementation", "px", "batch", "precision", "s", "CPU s", "peak GB", "TFLOP", "of the rate")
    print(f"| {' | '.join(columns)} | of the textbook |")
    print("| --- " * (len(columns) + 1) + "|", flush=True)
    for implementation in arguments.implementations:
        command = [sys.executable, __file__, *sys.argv[1:], "--run", implementation]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        print(*lines[:-1], sep="\n", end="\n" if lines[:-1] else "")
        rows.append(json.loads(lines[-1]))
        print_row(rows[-1], rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolution", type=int, default=1024, help="of the generator, pixels")
    parser.add_argument("--batch", type=int, default=1, help="pictures a step")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), help="the machine's choice; the textbook has float32"
    )
    parser.add_argument(
        "--train-resolution", type=int, help="where domainvec and full stop synthesis; adapt's choice"
    )
    parser.add_argument("--encoders", nargs="+", type=int, default=[32, 16], help="patch sizes of ViT-B")
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument(
        "--implementations",
        nargs="+",
        choices=IMPLEMENTATIONS,
        default=["textbook", "full", "domainvec-fresh", "domainvec"],
        help="; ".join(f"{name}: {what}" for name, what in IMPLEMENTATIONS.items()),
    )
    parser.add_argument("--threads", type=int, help="of the CPU; all by default")
    parser.add_argument("--profile", action="store_true", help="list the operations of one more step")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, too")
    parser.add_argument("--run", choices=IMPLEMENTATIONS, help=argparse.SUPPRESS)
    return parser.parse_args()


def print_row(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print a row, its time held against the textbook's if that came first."""
    textbook = [other["seconds_per_step"] for other in rows if other["implementation"] == "textbook"]
    cells = (
        *(row[name] for name in ("implementation", "resolution", "batch", "precision")),
        f"{row['seconds_per_step']:.2f}",
        f"{row['cpu_seconds_per_step']:.2f}",
        f"{row['peak_memory_gb']:.1f}",
        f"{row['tflop_per_step']:.2f}",
        f"{100 * row['share_of_bfloat16_rate']:.0f} %",
        f"1/{textbook[0] / row['seconds_per_step']:.1f}" if textbook else "–",
    )
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one implementation and give its row."""
    import torch

    from domainvec.adaptation.precision import native_precision
    from domainvec.guidance import PUBLISHED, Preservation
    from domainvec.stylegan2 import Generator, GeneratorConfig

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    channels = tuple(min(32768 // (4 << k), 512) for k in range(arguments.resolution.bit_length() - 2))
    generator = Generator(GeneratorConfig(arguments.resolution, 512, 512, 8, channels))
    encoders = [random_clip(patch_size) for patch_size in arguments.encoders]
    # The in-domain angle compares pictures: there is none to a single one. Texts are embedded before the
    # first step, and one sentence around each is as good as many here.
    preservation = PUBLISHED.preservation if arguments.batch > 1 else Preservation()
    guidance = replace(PUBLISHED, preservation=preservation, templates=("a picture of {}",))
    precision = arguments.precision or native_precision(torch.device("cpu"))
    if arguments.run == "textbook":
        precision = "float32"

    watch = StopWatch(arguments.steps, arguments.profile)
    if arguments.run == "textbook":
        run_textbook(generator, encoders, guidance, arguments.batch, watch)
    else:
        run_adapt(generator, encoders, guidance, precision, arguments, watch)
    peak = peak_gigabytes()
    rate = bfloat16_rate()
    cpu_seconds = statistics.median(watch.cpu_seconds)
    return {
        "implementation": arguments.run,
        "resolution": arguments.resolution,
        "batch": arguments.batch,
        "precision": precision,
        "seconds_per_step": statistics.median(watch.seconds),
        "cpu_seconds_per_step": cpu_seconds,
        "peak_memory_gb": peak,
        "tflop_per_step": watch.flops / 1e12,
        "bfloat16_tflop_per_cpu_second": rate / 1e12,
        "share_of_bfloat16_rate": watch.flops / cpu_seconds / rate,
        "encoders": [f"ViT-B/{patch_size}" for patch_size in arguments.encoders],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


class StopWatch:
    """Called after each step: warms up, counts the operations of one, times the others.

    Args:
        num_timed: how many steps to time.
        profile: whether to list the operations of one more.
    """

    def __init__(self, num_timed: int, profile: bool) -> None:
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiler
        from torch.utils.flop_counter import FlopCounterMode

        self.num_steps = WARM_UP + num_timed + profile
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self._counter = FlopCounterMode(display=False)
        self._profiler = profiler(activities=[ProfilerActivity.CPU]) if profile else None
        self._last = (0.0, 0.0)

    @property
    def flops(self) -> int:
        """Floating-point operations of matrix products and convolutions in a step."""
        return int(self._counter.get_total_flops())

    def __call__(self, step: int) -> None:
        """Take note that a step, counted from 1, is done."""
        now = (time.perf_counter(), time.process_time())
        if step == 1:
            self._counter.__enter__()
        elif step == WARM_UP:
            self._counter.__exit__(None, None, None)
        elif self._profiler is None or step < self.num_steps:
            self.seconds.append(now[0] - self._last[0])
            self.cpu_seconds.append(now[1] - self._last[1])
        if self._profiler is not None and step == self.num_steps - 1:
            self._profiler.__enter__()
        elif self._profiler is not None and step == self.num_steps:
            self._profiler.__exit__(None, None, None)
            table = self._profiler.key_averages(group_by_input_shape=True).table(
                sort_by="self_cpu_time_total", row_limit=40, max_name_column_width=44
            )
            print(table)
        self._last = (time.perf_counter(), time.process_time())


def run_adapt(
    generator: Generator,
    encoders: list[Encoder],
    guidance: Guidance,
    precision: Any,  # noqa: ANN401
    arguments: argparse.Namespace,
    watch: StopWatch,
) -> None:
    """Train with this package."""
    from domainvec import adapt

    with tempfile.TemporaryDirectory() as cache:
        os.environ["DOMAINVEC_CACHE"] = cache
        adapt(
            generator,
            encoders,
            TARGET,
            SOURCE,
            guidance=guidance,
            parameterization="full" if arguments.run == "full" else "modulation",
            steps=watch.num_steps,
            batch_size=arguments.batch,
            resolution=arguments.train_resolution,
            precision=precision,
            # As large as a batch: the first step, which is not timed, fills it.
            source_pool=arguments.batch if arguments.run == "domainvec" else 0,
            callback=lambda progress: watch(progress.step),
        )


def run_textbook(
    generator: Generator, encoders: list[Encoder], guidance: Guidance, batch_size: int, watch: StopWatch
) -> None:
    """Train with the equations of textbook.py."""
    import textbook
    import torch

    from domainvec.encoders.templates import compose

    weights = generator.state_dict()
    num_ws = generator.num_ws
    offsets = [torch.zeros(width, requires_grad=True) for width in generator.conv_channels]
    optimizer = torch.optim.Adam(offsets, lr=0.1)
    texts = []
    for encoder in encoders:
        target, source = (
            encoder.encode_texts(compose(text, guidance.templates)) for text in (TARGET, SOURCE)
        )
        texts.append((target - source).mean(0))
    for step in range(1, watch.num_steps + 1):
        w, other = (textbook.mapping(weights, torch.randn(batch_size, generator.z_dim)) for _ in range(2))
        crossover = torch.randint(1, num_ws, (batch_size, 1))
        mixed = (torch.arange(num_ws) >= crossover) & (torch.rand(batch_size, 1) < 0.9)
        ws = torch.where(mixed[:, :, None], other[:, None], w[:, None])
        with torch.no_grad():
            source_images = textbook.synthesis(weights, ws, None)
        images = textbook.synthesis(weights, ws, offsets)
        loss = torch.zeros(())
        for encoder, text in zip(encoders, texts, strict=True):
            with torch.no_grad():
                sources = textbook.embed(encoder, source_images)
            targets = textbook.embed(encoder, images)
            loss = loss + textbook.direction_loss(targets, sources, text) / len(encoders)
            if weight := guidance.preservation.in_domain_angle:
                loss = loss + weight * textbook.angle_loss(targets, sources) / len(encoders)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        watch(step)


def bfloat16_rate(size: int = 2048) -> float:
    """Floating-point operations a CPU second of a product of (size, size) matrices, the best of seven."""
    import torch

    a, b = (torch.randn(size, size, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / min(_cpu_seconds(lambda: a @ b) for _ in range(7))


def _cpu_seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    main()
