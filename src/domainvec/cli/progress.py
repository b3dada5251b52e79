"""How far a long run has come: a bar in a terminal, a line for each tenth elsewhere."""

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
    """Show steps, loss and time left on standard error while the block runs.

    Args:
        total: how many steps the run has; it may begin at a later one.

    Yields: what to call after each step, with the number of steps done and the loss.
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
        begun = False

        def report(step: int, loss: float) -> None:
            nonlocal begun
            if begun:
                bar.update(task, completed=step, loss=f"{loss:.3f}")
            else:
                # A resumed run has not done all its earlier steps just now: they say nothing of its speed.
                bar.reset(task, completed=step, loss=f"{loss:.3f}")
                begun = True

        yield report


def _lines(total: int) -> Report:
    began, first = 0.0, 0

    def report(step: int, loss: float) -> None:
        nonlocal began, first
        if not began:  # What was done before this step says nothing of how long one takes.
            began, first = time.monotonic(), step
        if step == total or step % max(1, total // 10) == 0:
            line = f"step {step}/{total}  loss {loss:.3f}"
            if step > first:
                line += f"  {(time.monotonic() - began) / (step - first) * (total - step):.0f} s left"
            typer.echo(line, err=True)

    return report


def tell_inversion(total: int) -> Report:
    """Say on standard error how an inversion of so many steps gets on: at its beginning and each fiftieth."""

    def report(step: int, loss: float) -> None:
        if step == 1 or step % 50 == 0:
            typer.echo(f"inverting into the source domain: step {step}/{total}  loss {loss:.3f}", err=True)

    return report
