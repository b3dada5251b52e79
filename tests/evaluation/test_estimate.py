from __future__ import annotations

import pytest
import torch

from domainvec.errors import InputError
from domainvec.evaluation import Estimate, bootstrap
from domainvec.evaluation.estimate import mean_estimate


def test_interval_of_a_mean_is_the_normal_one(normal):
    values = normal(400)
    estimate = bootstrap(torch.mean, values, n=1000)
    error = 1.96 * values.std().item() / 20
    assert estimate.value == pytest.approx(values.mean().item())
    assert estimate.high - estimate.value == pytest.approx(error, rel=0.15)
    assert estimate.value - estimate.low == pytest.approx(error, rel=0.15)


def test_interval_has_about_its_nominal_coverage(normal):
    covered = 0
    for seed in range(100):
        estimate = bootstrap(torch.mean, normal(60, seed=seed), n=200, seed=seed)
        covered += estimate.low <= 0 <= estimate.high
    assert 88 <= covered <= 100


def test_intervals_are_deterministic(normal):
    first, again, other = (bootstrap(torch.mean, normal(50), seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_paired_samples_stay_together(normal):
    values = normal(50)
    assert bootstrap(lambda a, b: (a - b).abs().max(), values, values, paired=True).high == 0
    assert bootstrap(lambda a, b: (a - b).abs().max(), values, values).high > 0


def test_interval_contains_the_value_despite_bias(normal):
    """Duplicate rows make the smallest distance 0, yet the interval contains the value."""
    estimate = bootstrap(lambda rows: torch.pdist(rows).min(), normal(20, 3))
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.value > 0


def test_estimates_convert_to_float_and_text():
    estimate = Estimate(0.5, 0.25, 0.75)
    assert float(estimate) == 0.5
    assert str(estimate) == "0.500 (0.250 to 0.750)"


def test_mean_of_booleans():
    estimate = mean_estimate(torch.tensor([True, False, True, True]))
    assert estimate.value == 0.75 and estimate.low >= 0
    assert mean_estimate(torch.ones(9, dtype=torch.bool)) == Estimate(1, 1, 1)


@pytest.mark.parametrize(
    ("samples", "arguments"),
    [((), {}), ((torch.zeros(0),), {}), ((torch.zeros(2), torch.zeros(3)), {"paired": True})],
)
def test_samples_are_checked(samples, arguments):
    with pytest.raises(InputError, match="expected at least one sample of at least one row"):
        bootstrap(lambda *_: 0.0, *samples, **arguments)


def test_number_of_resamples_is_checked():
    with pytest.raises(InputError, match="n is 1; expected at least 2"):
        bootstrap(torch.mean, torch.zeros(3), n=1)
