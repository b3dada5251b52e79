"""Progress of a long run: bars in a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from domainvec.adaptation import Progress

_INVERSION_LINES = 50  # steps


@contextmanager
def session_progress() -> Iterator[Callable[[Progress], None]]:
    """Show phase, steps, loss and time left of a session on standard error while the block runs.

    Yields: what to call with each `Progress`.
    """
    with step_progress() as report:
        yield lambda progress: report(progress.phase, progress.step, progress.total, progress.loss)


@contextmanager
def step_progress() -> Iterator[Callable[[str, int, int, float], None]]:
    """Show phase, steps, loss and time left on standard error while the block runs.

    Yields: what to call after each step, with the phase, the number of steps done and of all steps, and the
        loss.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(phase: str, step: int, total: int, loss: float) -> None:
            if phase not in tasks:
                # A resumed run has not done its earlier steps just now: they say nothing about its speed.
                tasks[phase] = bars.add_task(phase, completed=step, total=total, loss=f"{loss:.3f}")
            bars.update(tasks[phase], completed=step, total=total, loss=f"{loss:.3f}")
            if phase == "inverting" and step == total:
                bars.remove_task(tasks.pop(phase))

        yield report


class _Lines:
    """Prints a line for each tenth of the training and now and then for an inversion."""

    def __init__(self) -> None:
        self._last: tuple[str, float] | None = None
        self._seconds = 0.0
        self._timed = 0

    def __call__(self, phase: str, step: int, total: int, loss: float) -> None:
        now = time.monotonic()
        # Inversions in between do not count for the time that the rest of the training takes.
        if self._last is not None and self._last[0] == phase == "training":
            self._seconds += now - self._last[1]
            self._timed += 1
        self._last = phase, now
        if phase == "inverting":
            if step == 1 or step % _INVERSION_LINES == 0:
                typer.echo(
                    f"inverting into the source domain: step {step}/{total}  loss {loss:.3f}", err=True
                )
        elif step == total or step % max(1, total // 10) == 0:
            line = f"step {step}/{total}  loss {loss:.3f}"
            if self._timed:
                line += f"  {self._seconds / self._timed * (total - step):.0f} s left"
            typer.echo(line, err=True)
