"""Bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from domainvec.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval from `low` to `high`."""

    value: float
    low: float
    high: float

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(
    statistic: Callable[..., float | Tensor],
    *samples: Tensor,
    n: int = 200,
    seed: int = 0,
    paired: bool = False,
) -> Estimate:
    """Compute a statistic and its bootstrap confidence interval (Efron 1979).

    The interval is that of the resampled values, centred on the statistic. It reflects sampling noise only,
    not the bias that distances between distributions have for small samples.

    Args:
        statistic: function of the samples.
        samples: tensors whose rows are independent observations.
        n: number of resamples.
        seed: of the resampling.
        paired: whether row i of each sample belongs to row i of the others, so that they are drawn together.

    Returns:
        the statistic with its 95 % interval.

    Raises:
        InputError: if there are no samples or empty ones, paired samples differ in length, or n is below 2.
    """
    lengths = [len(sample) for sample in samples]
    if not lengths or min(lengths) < 1 or (paired and len(set(lengths)) > 1):
        raise InputError(
            f"the samples have {lengths} rows; expected at least one sample of at least one row, "
            f"and equal numbers of rows where they are paired"
        )
    if n < 2:
        raise InputError(f"n is {n}; expected at least 2 resamples")
    rng = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(n):
        rows = [torch.randint(length, (length,), generator=rng) for length in lengths]
        drawn = [sample[rows[0] if paired else row] for sample, row in zip(samples, rows, strict=True)]
        values.append(float(statistic(*drawn)))
    value = float(statistic(*samples))
    drawn_values = torch.tensor(values, dtype=torch.float64)
    noise = (drawn_values - drawn_values.mean()).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    return Estimate(value, value + min(0.0, noise[0].item()), value + max(0.0, noise[1].item()))


def mean_estimate(values: Tensor) -> Estimate:
    """Compute the mean of numbers or booleans (N,), with its interval."""
    return bootstrap(torch.mean, values.double(), n=1000)
