"""Stopping a long command between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Interruption:
    """Whether the command has been asked to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells have it."""
        return 128 + (self.signal or 0)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note Ctrl-C, SIGTERM and SIGHUP inside the block instead of ending; a second one ends at once.

    Signals that the caller ignores, as a shell does for jobs in the background and `nohup` for SIGHUP, stay
    ignored. Only the main thread can handle signals; in others nothing changes.
    """
    interruption = Interruption()

    def note(number: int, frame: FrameType | None) -> None:
        if interruption:
            raise SystemExit(128 + number)
        interruption.signal = number
        typer.echo("stopping after this step; once more stops at once", err=True)

    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in (
                signal.SIG_DFL,
                signal.default_int_handler,
            ):
                handlers[number] = signal.signal(number, note)
    try:
        yield interruption
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
