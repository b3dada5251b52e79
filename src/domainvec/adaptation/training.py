"""The training loop: Adam on one vector, from wherever a run stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from domainvec.adaptation.settings import AdaptationSettings
from domainvec.errors import AdaptationError

Loss = Callable[[Tensor, int], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a number of steps: all that is needed to go on.

    Args:
        vector: the numbers, (P,).
        mean: Adam's running mean of their gradients, (P,).
        mean_square: Adam's running mean of the gradients' squares, (P,).
        history: for each step done a record of `step` (from 1), `loss`, `parts` (the losses before weighting)
            and `seconds` since the start.
    """

    vector: Tensor
    mean: Tensor
    mean_square: Tensor
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, vector: Tensor) -> Progress:
        """Stand before the first step."""
        vector = vector.detach().clone()
        return cls(vector, torch.zeros_like(vector), torch.zeros_like(vector))

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.history)


def train(
    loss: Loss, settings: AdaptationSettings, start: Progress, on_step: Callable[[Progress], object]
) -> Progress:
    """Minimize a loss of one vector with Adam (Kingma & Ba 2015, arXiv:1412.6980).

    Args:
        loss: takes the vector (P,), which requires gradients, and the step, counted from 0; gives a scalar
            and its parts.
        settings: number of steps, learning rate and betas.
        start: where to begin or to go on.
        on_step: called after each step with where the run stands then; what it raises ends the run.

    Returns: where the run stands in the end.

    Raises: AdaptationError if the loss or its gradient is not finite.
    """
    progress = start
    vector = start.vector.clone().requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=settings.learning_rate, betas=settings.betas)
    if start.step:
        optimizer.state[vector] = {
            "step": torch.tensor(float(start.step)),
            "exp_avg": start.mean.clone(),
            "exp_avg_sq": start.mean_square.clone(),
        }
    began = time.perf_counter() - (start.history[-1]["seconds"] if start.history else 0.0)
    for step in range(start.step, settings.steps):
        value, parts = loss(vector, step)
        if value.isfinite():
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
        if vector.grad is None or not value.isfinite() or not vector.grad.isfinite().all():
            raise AdaptationError(_diverged(progress, settings, value))
        optimizer.param_groups[0]["lr"] = settings.learning_rate_at(step)
        optimizer.step()
        record = {
            "step": step + 1,
            "loss": value.item(),
            "parts": {name: part.item() for name, part in parts.items()},
            "seconds": time.perf_counter() - began,
        }
        state = optimizer.state[vector]
        progress = Progress(
            vector.detach().clone(),
            state["exp_avg"].clone(),
            state["exp_avg_sq"].clone(),
            [*progress.history, record],
        )
        on_step(progress)
    return progress


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
