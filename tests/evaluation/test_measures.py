"""Metrics of images: accuracy, identity, diversity, and comparisons with renderings."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.evaluation import (
    diversity,
    domain_accuracy,
    identity,
    mean_pairwise_distance,
    nearest_neighbor_accuracy,
    paired_distance,
)


@pytest.fixture
def faces(normal):
    """150 images of 16 px, more than one batch."""
    return normal(150, 3, 16, 16).clamp(-1, 1)


@pytest.mark.parametrize("name", ["photo", "sketch", "night"])
def test_accuracy_of_a_single_domain(judge, faces, name):
    likely = judge.domain_log_probabilities(faces)
    column = judge.names.index(name)
    measured = domain_accuracy(judge, faces, name)
    assert measured.accuracy.value == pytest.approx((likely.argmax(1) == column).double().mean().item())
    among_single = likely.exp() / likely.exp().sum(dim=1, keepdim=True)
    assert measured.probability.value == pytest.approx(among_single[:, column].mean().item(), rel=1e-5)
    assert measured.probability.low < measured.probability.value < measured.probability.high


def test_single_domains_partition_the_images(judge, faces):
    measured = [domain_accuracy(judge, faces, name) for name in judge.names]
    assert sum(each.accuracy.value for each in measured) == pytest.approx(1)
    assert sum(each.probability.value for each in measured) == pytest.approx(1)


def test_accuracy_of_a_composition_needs_each_part(judge, faces):
    logits = judge(faces)
    both = (logits["medium"].argmax(1) == 1) & (logits["character"].argmax(1) == 1)
    measured = domain_accuracy(judge, faces, "sketch+zombie")
    assert measured.accuracy.value == pytest.approx(both.double().mean().item())
    expected = judge.domain_log_probabilities(faces, ["sketch+zombie"]).exp().mean().item()
    assert measured.probability.value == pytest.approx(expected, rel=1e-5)


def test_accuracy_checks_its_arguments(judge, faces):
    with pytest.raises(InputError, match="knows no domain 'vampire'"):
        domain_accuracy(judge, faces, "vampire")
    with pytest.raises(InputError, match="no images"):
        domain_accuracy(judge, faces[:0], "photo")


def test_identity_is_agreement(judge, faces):
    other = (faces + 0.4 * faces.roll(1, 0)).clamp(-1, 1)
    measured = identity(judge, faces, other)
    before, after = judge.attributes(faces), judge.attributes(other)
    for question in ("glasses", "smile"):
        same = (before[question].argmax(1) == after[question].argmax(1)).double().mean().item()
        assert measured.by_question[question] == pytest.approx(same)
    assert measured.agreement.value == pytest.approx(sum(measured.by_question.values()) / 2)
    assert measured.agreement.low < measured.agreement.value < measured.agreement.high


def test_identity_of_equal_images_is_one_and_above_chance(judge, faces):
    measured = identity(judge, faces, faces, ["smile"])
    assert list(measured.by_question) == ["smile"]
    assert measured.agreement.value == 1 > measured.chance
    answers = judge.attributes(faces)["smile"].argmax(1)
    assert measured.chance == pytest.approx((answers == answers.roll(1)).double().mean().item())


@pytest.mark.parametrize("questions", [[], ["medium"], ["smile", "shoes"]])
def test_unknown_questions_are_named(judge, faces, questions):
    with pytest.raises(InputError, match="expected some of glasses, smile"):
        identity(judge, faces, faces, questions)


def test_mean_pairwise_distance(normal):
    rows = normal(6, 4)
    distances = [(rows[i] - rows[j]).norm() for i in range(6) for j in range(i)]
    assert mean_pairwise_distance(rows) == pytest.approx((sum(distances) / 15).item())
    images = normal(4, 3, 64, 64)
    assert mean_pairwise_distance(images) == pytest.approx(
        mean_pairwise_distance(F.avg_pool2d(images, 4).flatten(1))
    )


def test_diversity_is_relative_to_the_source(faces, normal):
    adapted = normal(150, 3, 16, 16, seed=1) * 0.3
    measured = diversity(adapted, faces)
    assert measured.value == pytest.approx(
        mean_pairwise_distance(adapted) / mean_pairwise_distance(faces), rel=1e-5
    )
    assert 0 < measured.low < measured.value < measured.high
    assert diversity(0.5 * faces, faces).value == pytest.approx(0.5)
    assert diversity(faces[:1].expand_as(faces), faces).value == pytest.approx(0, abs=1e-6)


def test_diversity_checks_shapes(faces):
    with pytest.raises(ShapeError, match="differ in shape"):
        diversity(faces, faces[:3])
    with pytest.raises(ShapeError, match="at least 2"):
        diversity(faces[:1], faces[:1])


def test_paired_distance_is_relative_to_the_source(faces, normal):
    truth = normal(150, 3, 16, 16, seed=2)
    assert paired_distance(truth, truth, faces).value == 0
    assert paired_distance(faces, truth, faces).value == 1
    nearer = paired_distance(truth.lerp(faces, 0.25), truth, faces)
    assert nearer.value == pytest.approx(0.25)
    expected = (0.5 * faces - truth).abs().mean() / (faces - truth).abs().mean()
    assert paired_distance(0.5 * faces, truth, faces).value == pytest.approx(expected.item())


def test_nearest_neighbor_accuracy(normal):
    truth = normal(20, 3, 64, 64)
    assert nearest_neighbor_accuracy(0.3 * truth - 0.5, truth).value == 1
    assert nearest_neighbor_accuracy(truth.roll(1, 0), truth).value == 0
    half = torch.cat([truth[:10], truth[10:].roll(1, 0)])
    measured = nearest_neighbor_accuracy(half, truth)
    assert measured.value == 0.5 and measured.low < 0.5 < measured.high


@pytest.mark.parametrize("measure", [identity, paired_distance, nearest_neighbor_accuracy])
def test_pairs_are_checked(measure, judge, faces):
    first = {identity: (judge,), paired_distance: (faces,), nearest_neighbor_accuracy: ()}[measure]
    with pytest.raises(ShapeError, match="expected the same"):
        measure(*first, faces, faces[:3])
    one = tuple(part[:1] if isinstance(part, torch.Tensor) else part for part in first)
    with pytest.raises(ShapeError, match="N at least 2"):
        measure(*one, faces[:1], faces[:1])
