"""Adam on one vector, a step at a time, from wherever a run stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor

from domainvec.adaptation.adam import moments, put_back
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.errors import AdaptationError

Loss = Callable[[Tensor, int], tuple[Tensor, dict[str, Tensor]]]
"""Takes the numbers (P,), which require gradients, and the step, from 0; gives a scalar and its parts."""


class Memory(Protocol):
    """Something that changes from step to step besides the vector."""

    def state(self) -> dict[str, Tensor]:
        """Copies of all that is needed to go on from here."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave, which may have come to the CPU meanwhile."""


def states(memories: Mapping[str, Memory]) -> dict[str, Tensor]:
    """What memories keep, by their names and their own."""
    return {f"{name}.{key}": t for name, memory in memories.items() for key, t in memory.state().items()}


def restore_all(memories: Mapping[str, Memory], state: Mapping[str, Tensor]) -> None:
    """Let each memory go on from what `states` gave, if it had kept anything."""
    for name, memory in memories.items():
        mark = f"{name}."
        if kept := {key.removeprefix(mark): t for key, t in state.items() if key.startswith(mark)}:
            memory.restore(kept)


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a number of steps: all that is needed to go on.

    Args:
        vector: the numbers, (P,).
        mean: Adam's running mean of their gradients, (P,).
        mean_square: Adam's running mean of the gradients' squares, (P,).
        history: for each step done a record of `step` (from 1), `loss`, `parts` (the losses before weighting)
            and `seconds` since the start; the last one says in `stopped` why the run ended early, if it did.
        state: what memories keep, by their names and their own.
    """

    vector: Tensor
    mean: Tensor
    mean_square: Tensor
    history: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def start(cls, vector: Tensor) -> Progress:
        """Stand before the first step."""
        vector = vector.detach().clone()
        return cls(vector, torch.zeros_like(vector), torch.zeros_like(vector))

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.history)

    @property
    def stopped(self) -> str | None:
        """Why the run ended before its last step; None if it did not."""
        return self.history[-1].get("stopped") if self.history else None


class Trainer:
    """Minimizes a loss of one vector with Adam (Kingma & Ba 2015, arXiv:1412.6980).

    Args:
        loss: takes the vector (P,), which requires gradients, and the step, counted from 0; gives a scalar
            and its parts.
        settings: number of steps, learning rate and betas.
        start: where to begin or to go on.
        memories: what changes besides the vector, by name; it is restored from the start and kept after each
            step.
        stop: asked after each step; a reason ends the run.
    """

    def __init__(
        self,
        loss: Loss,
        settings: AdaptationSettings,
        start: Progress,
        *,
        memories: Mapping[str, Memory] = MappingProxyType({}),
        stop: Callable[[Progress], str | None] = lambda progress: None,
    ) -> None:
        self.progress = start
        self._loss, self._settings, self._memories, self._stop = loss, settings, memories, stop
        self._vector = start.vector.clone().requires_grad_()
        self._optimizer = torch.optim.Adam([self._vector], lr=settings.learning_rate, betas=settings.betas)
        if start.step:
            kept = {"exp_avg": start.mean, "exp_avg_sq": start.mean_square}
            put_back(self._optimizer, self._vector, start.step, kept)
        restore_all(memories, start.state)
        self._began = time.perf_counter() - (start.history[-1]["seconds"] if start.history else 0.0)

    @property
    def done(self) -> bool:
        """Whether there is no step left."""
        return self.progress.stopped is not None or self.progress.step >= self._settings.steps

    def step(self) -> None:
        """Do one step, after which `progress` stands there.

        Raises: AdaptationError if the loss or its gradient is not finite.
        """
        vector, optimizer, settings, progress = self._vector, self._optimizer, self._settings, self.progress
        value, parts = self._loss(vector, progress.step)
        if value.isfinite():
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
        if vector.grad is None or not value.isfinite() or not vector.grad.isfinite().all():
            raise AdaptationError(_diverged(progress, settings, value))
        optimizer.param_groups[0]["lr"] = settings.learning_rate_at(progress.step)
        optimizer.step()
        record: dict[str, Any] = {
            "step": progress.step + 1,
            "loss": value.item(),
            "parts": {name: part.item() for name, part in parts.items()},
            "seconds": time.perf_counter() - self._began,
        }
        kept = moments(optimizer, vector)
        progress = Progress(
            vector.detach().clone(), kept["exp_avg"], kept["exp_avg_sq"], [*progress.history, record]
        )
        if (reason := self._stop(progress)) is not None:
            record["stopped"] = reason
        self.progress = replace(progress, state=states(self._memories))


def _diverged(progress: Progress, settings: AdaptationSettings, value: Tensor) -> str:
    what = "its gradient" if value.isfinite() else f"the loss is {value.item()}, which"
    last = (
        f"the last finite loss was {progress.history[-1]['loss']:.4g}" if progress.step else "none was finite"
    )
    return (
        f"stopped at step {progress.step + 1} of {settings.steps}: {what} is not finite ({last}); try a "
        f"learning rate below {settings.learning_rate:g}"
        + (", or precision float32" if settings.precision != "float32" else "")
    )
