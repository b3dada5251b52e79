from __future__ import annotations

import json

import pytest
import torch

from domainvec.domains import Domain
from domainvec.errors import InputError
from domainvec.evaluation import (
    FacePairs,
    evaluate_domain,
    identity,
    nearest_neighbor_accuracy,
    paired_distance,
)
from domainvec.seeds import latents


@pytest.fixture(scope="module")
def domain(tiny_generator):
    rng = torch.Generator().manual_seed(5)
    return Domain([0.3 * torch.randn(width, generator=rng) for width in tiny_generator.conv_channels])


@pytest.fixture(scope="module")
def pairs(tiny_generator):
    z = latents(range(24), 64)
    return FacePairs(tiny_generator.mapping(z[:, :8]), z)


@pytest.fixture(scope="module")
def renderer(tiny_generator, domain):
    """A renderer whose sketches equal the images of the domain."""

    def draw(z, name, resolution):
        adapted = domain if name == "sketch" else None
        with torch.no_grad():
            return tiny_generator.synthesis(tiny_generator.mapping(z[:, :8]), adapted).clamp(-1, 1)

    return draw


@pytest.fixture(scope="module")
def perfect(tiny_generator, domain, judge, pairs, renderer):
    return evaluate_domain(
        tiny_generator, domain, "sketch", judge, count=24, seed=3, pairs=pairs, renderer=renderer
    )


def test_a_perfect_adaptation_reaches_the_bounds(perfect):
    assert perfect.frechet.value == pytest.approx(perfect.frechet_floor)
    assert perfect.frechet_floor > 0  # the drawings compared with are of other faces
    assert perfect.kernel.value == pytest.approx(perfect.kernel_floor)
    assert perfect.accuracy.value == perfect.accuracy_on_truth
    assert perfect.identity.agreement.value == pytest.approx(perfect.identity_ceiling)
    assert perfect.diversity.value == pytest.approx(perfect.diversity_of_truth)
    assert perfect.paired_distance.value == 0
    assert perfect.own_truth_nearest.value == 1


def test_no_adaptation(tiny_generator, judge, pairs, renderer, perfect):
    report = evaluate_domain(
        tiny_generator, None, "sketch", judge, count=24, seed=3, pairs=pairs, renderer=renderer
    )
    assert report.paired_distance.value == 1
    assert report.diversity.value == pytest.approx(1)
    assert report.identity.agreement.value == 1
    assert report.accuracy.value == report.accuracy_before == perfect.accuracy_before
    assert report.own_truth_nearest.value == report.own_truth_nearest_before
    assert report.frechet.value > report.frechet_floor


def test_values_match_the_metrics(tiny_generator, domain, judge, pairs, renderer):
    half = 0.5 * domain
    report = evaluate_domain(
        tiny_generator, half, "sketch", judge, count=16, seed=3, pairs=pairs, renderer=renderer
    )
    before, adapted = (tiny_generator.synthesis(pairs.w[:16], d).clamp(-1, 1) for d in (None, half))
    truth = renderer(pairs.z[:16], "sketch", 16)
    assert report.paired_distance == paired_distance(adapted, truth, before)
    assert report.own_truth_nearest == nearest_neighbor_accuracy(adapted, truth)
    assert report.identity == identity(judge, before, adapted)


def test_reports_are_json_serializable(perfect):
    plain = json.loads(json.dumps(perfect.to_dict()))
    assert plain["name"] == "sketch" and plain["count"] == 24 and plain["seed"] == 3
    assert set(plain["frechet"]) == {"value", "low", "high"}
    assert set(plain["identity"]) == {"agreement", "by_question", "chance"}


def test_arguments_are_checked(tiny_generator, domain, judge, pairs, renderer):
    def evaluate(name="sketch", **options):
        evaluate_domain(tiny_generator, domain, name, judge, renderer=renderer, **options)

    with pytest.raises(InputError, match="knows no domain 'vampire'"):
        evaluate("vampire", count=8, pairs=pairs)
    with pytest.raises(InputError, match="count is 4; expected at least 8"):
        evaluate(count=4)
    with pytest.raises(InputError, match="count is 30 with 24 pairs"):
        evaluate(count=30, pairs=pairs)


def test_the_largest_seeds_are_compared_with_other_faces(
    tiny_generator, domain, judge, pairs, renderer, perfect
):
    seed = 2**32 - 24
    report = evaluate_domain(
        tiny_generator, domain, "sketch", judge, count=24, seed=seed, pairs=pairs, renderer=renderer
    )
    assert report.frechet_floor > 0 and report.frechet_floor != perfect.frechet_floor
