"""Metrics of two sets of features: Fréchet and kernel distance, precision and recall."""

from __future__ import annotations

import pytest
import torch

from domainvec.errors import InputError, ShapeError
from domainvec.evaluation import bootstrap, frechet_distance, kernel_distance, precision_recall


def test_frechet_distance_of_a_set_to_itself_is_zero(normal):
    rows = normal(100, 5)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_normal_distributions(normal):
    """For diagonal covariances it is the squared distance of means and standard deviations."""
    rows = normal(60_000, 3).double()
    scale, shift = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.5, 0.0, -1.0])
    expected = (shift.square() + (scale - 1).square()).sum().item()
    assert frechet_distance(rows, normal(60_000, 3, seed=1) * scale + shift) == pytest.approx(
        expected, rel=0.02
    )
    assert frechet_distance(rows, rows + shift) == pytest.approx(shift.square().sum().item(), rel=1e-6)


def test_frechet_distance_against_the_matrix_square_root(normal):
    a, b = normal(50, 4).double(), (normal(60, 4, seed=1) @ normal(4, 4, seed=2)).double()
    product = torch.cov(a.T) @ torch.cov(b.T)
    root = torch.linalg.eigvals(product).sqrt().real.sum()
    expected = (a.mean(0) - b.mean(0)).square().sum() + (torch.cov(a.T) + torch.cov(b.T)).trace() - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_frechet_distance_of_fewer_rows_than_columns(normal):
    assert frechet_distance(normal(5, 20), normal(5, 20, seed=1)) > 0


def test_kernel_distance_by_its_definition(normal):
    a, b = normal(4, 3).double(), normal(5, 3, seed=1).double()

    def kernel(x, y):
        return (float(x @ y) / 3 + 1) ** 3

    within = [
        sum(kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j)
        / (len(s) * (len(s) - 1))
        for s in (a, b)
    ]
    between = sum(kernel(x, y) for x in a for y in b) / 20
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * between)


def test_kernel_distance_is_unbiased(normal):
    distances = [kernel_distance(normal(20, 4, seed=s), normal(20, 4, seed=1000 + s)) for s in range(200)]
    mean, error = torch.tensor(distances).mean(), torch.tensor(distances).std() / 200**0.5
    assert abs(mean) < 3 * error
    assert kernel_distance(normal(200, 4), normal(200, 4, seed=1) + 1) > 0.5


def test_precision_and_recall_separate_quality_from_coverage(normal):
    real = normal(400, 2)
    narrow = 0.2 * normal(400, 2, seed=1)
    far = normal(400, 2, seed=2) + 20
    good, one_sided, wrong = (precision_recall(real, fake) for fake in (normal(400, 2, seed=3), narrow, far))
    assert good.precision.value > 0.8 and good.recall.value > 0.8
    assert one_sided.precision.value > 0.9 and one_sided.recall.value < 0.4
    assert wrong.precision.value == wrong.recall.value == 0
    assert good.precision.low <= good.precision.value <= good.precision.high


def test_precision_by_hand():
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[-0.5], [1.5], [4.5], [5.5]])
    # With k = 1 the balls of the real reach 1, 1 and 2; those of the fake 2, 2, 1 and 1.
    measured = precision_recall(real, fake, k=1)
    assert measured.precision.value == pytest.approx(3 / 4)
    assert measured.recall.value == pytest.approx(3 / 3)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, precision_recall])
def test_features_are_checked(measure, normal):
    with pytest.raises(ShapeError, match=r"\(9, 3\) and \(9, 4\); expected \(N, D\) and \(M, D\)"):
        measure(normal(9, 3), normal(9, 4))
    with pytest.raises(ShapeError, match="expected"):
        measure(normal(9), normal(9))
    with pytest.raises(InputError, match=r"\(1, 3\) and \(9, 3\); expected at least [24] rows"):
        measure(normal(1, 3), normal(9, 3))
    with pytest.raises(InputError, match="not finite"):
        measure(normal(9, 3), normal(9, 3) / 0)


def test_neighbours_are_checked(normal):
    with pytest.raises(InputError, match="k is 0"):
        precision_recall(normal(9, 3), normal(9, 3), k=0)
    with pytest.raises(InputError, match="at least 10 rows"):
        precision_recall(normal(9, 3), normal(9, 3), k=9)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_distances_have_intervals(measure, normal):
    estimate = bootstrap(measure, normal(60, 3), normal(60, 3, seed=1) + 1, n=50)
    assert estimate.low < estimate.value < estimate.high
