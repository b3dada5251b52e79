"""A training of so many minutes that can be stopped at any time and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from domainvec.files import atomic_path

SAVE_EVERY_S = 180


class TimedTraining:
    """Counts steps and seconds, those before an interruption too, and keeps a checkpoint.

    Args:
        path: of the checkpoint; where there is one, the training goes on from it.
        parts: what has a state: the network and its optimizer, by the names they have in the checkpoint.
        minutes: of the whole training.
    """

    def __init__(self, path: Path, parts: Mapping[str, Any], minutes: float) -> None:
        self._path, self._parts, self._total = path, parts, 60 * minutes
        self.step, self._before = 0, 0.0
        if path.exists():
            saved = torch.load(path, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(saved[name])
            self.step, self._before = saved["step"], saved["seconds"]
            print(f"resumed at step {self.step}, {self._before:.0f} s", flush=True)
        self._first_step, self.seconds = self.step, self._before
        self._start = self._saved_at = time.monotonic()

    def randomness(self, seed: int) -> tuple[np.random.Generator, torch.Generator]:
        """Generators for what is drawn from here on."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + self.step)
        return np.random.default_rng([seed, self.step]), generator

    def goes_on(self) -> bool:
        """Look at the clock: whether there is time for another step."""
        self.seconds = self._before + time.monotonic() - self._start
        return self.seconds < self._total

    @property
    def share(self) -> float:
        """Of the time that has passed."""
        return self.seconds / self._total

    @property
    def minutes(self) -> float:
        """That have passed."""
        return round(self.seconds / 60, 1)

    def count(self) -> None:
        """Count a step that is done."""
        self.step += 1

    def save_now_and_then(self) -> None:
        """Write the checkpoint if the last one is old."""
        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._saved_at = time.monotonic()
            self.save()

    def save(self) -> None:
        """Write the checkpoint."""
        state = {name: part.state_dict() for name, part in self._parts.items()}
        with atomic_path(self._path) as path:
            torch.save({**state, "step": self.step, "seconds": self.seconds}, path)

    def describe(self, batch: int) -> str:
        """Say how far it is, and how many pictures it sees a second."""
        speed = (self.step - self._first_step) * batch / (time.monotonic() - self._start)
        return f"step {self.step}, {self.seconds:.0f} of {self._total:.0f} s, {speed:.0f} pictures/s"
