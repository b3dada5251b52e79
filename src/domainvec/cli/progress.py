"""Progress of long runs: a bar in terminals, ten lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, float], None]


@contextmanager
def step_progress(total: int) -> Iterator[Report]:
    """Show steps, loss and remaining time on standard error while the block runs.

    Args:
        total: number of steps, including those before a run was resumed.

    Yields: a function to call after each step, with the number of completed steps and the loss.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(total)
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total, loss="…")
        started = False

        def report(step: int, loss: float) -> None:
            nonlocal started
            if started:
                bar.update(task, completed=step, loss=f"{loss:.3f}")
            else:
                # The steps before a run was resumed must not count as fast ones.
                bar.reset(task, completed=step, loss=f"{loss:.3f}")
                started = True

        yield report


def _lines(total: int) -> Report:
    start, first = 0.0, 0

    def report(step: int, loss: float) -> None:
        nonlocal start, first
        if not start:  # steps before a run was resumed do not count
            start, first = time.monotonic(), step
        if step == total or step % max(1, total // 10) == 0:
            line = f"step {step}/{total}  loss {loss:.3f}"
            if step > first:
                line += f"  {(time.monotonic() - start) / (step - first) * (total - step):.0f} s left"
            typer.echo(line, err=True)

    return report


def tell_inversion(total: int) -> Report:
    """Return a function that reports an inversion on standard error, every 50 steps."""

    def report(step: int, loss: float) -> None:
        if step == 1 or step % 50 == 0:
            typer.echo(f"inverting into the source domain: step {step}/{total}  loss {loss:.3f}", err=True)

    return report
