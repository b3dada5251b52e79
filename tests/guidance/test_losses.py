"""The losses against the published implementations, and their properties."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec import guidance
from domainvec.errors import ShapeError


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["", "_per_sample"])
def test_direction_equals_reference(reference, kind):
    loss = guidance.direction_loss(
        reference["in.target"],
        reference["in.source"],
        reference[f"in.text_target{kind}"],
        reference[f"in.text_source{kind}"],
    )
    close(loss, reference[f"out.direction{kind}"])


def test_global_equals_reference(reference):
    close(guidance.global_loss(reference["in.target"], reference["in.text_target"]), reference["out.global"])


def test_in_domain_angle_equals_reference(reference):
    loss = guidance.in_domain_angle_loss(reference["in.target"], reference["in.source"])
    close(loss, reference["out.indomain_angle"])


def test_target_target_direction_equals_reference(reference):
    loss = guidance.target_target_direction_loss(
        reference["in.target"], reference["in.text_target_per_sample"]
    )
    close(loss, reference["out.target_target_direction"])


def test_clip_within_equals_reference(reference):
    loss = guidance.clip_within_loss(
        reference["in.target"],
        reference["in.source"],
        reference["in.ref_target"],
        reference["in.ref_source"],
    )
    close(loss, reference["out.clip_within"])


def test_convex_hull_equals_reference(reference):
    hull = guidance.convex_hull(reference["in.text_target_per_sample"], reference["alphas"])
    close(hull, reference["out.convex_hull"])


def test_direction_follows_the_text():
    source, text_source, text_target = unit(4, 8), unit(1, 3, 8, seed=1), unit(1, 3, 8, seed=2)
    shift = (text_target - text_source).mean(dim=1)
    close(guidance.direction_loss(source + shift, source, text_target, text_source), torch.tensor(0.0))
    close(guidance.direction_loss(source - shift, source, text_target, text_source), torch.tensor(2.0))


def test_shortest_shift_bounds_the_first_gradient_only():
    source, texts = unit(4, 8), (unit(1, 3, 8, seed=1), unit(1, 3, 8, seed=2))
    start = source.clone().requires_grad_(True)
    guidance.direction_loss(start, source, *texts, shortest_shift=0.05).backward()
    assert 0 < start.grad.norm(dim=1).max() <= 1 / 0.05
    far = unit(4, 8, seed=3)
    assert guidance.direction_loss(far, source, *texts, shortest_shift=0.05) == guidance.direction_loss(
        far, source, *texts
    )


def test_angles_are_kept_by_a_rotation():
    source = unit(5, 8)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0]
    close(guidance.in_domain_angle_loss(source @ rotation, source), torch.tensor(0.0))
    assert guidance.in_domain_angle_loss(unit(1, 8, seed=1).expand(5, 8), source) > 0.1


def test_losses_do_not_round_under_autocast(reference):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = guidance.in_domain_angle_loss(reference["in.target"], reference["in.source"])
        tokens = guidance.token_loss(reference["in.target"][None], reference["in.source"][None])
    close(loss, reference["out.indomain_angle"])
    close(tokens, guidance.token_loss(reference["in.target"][None], reference["in.source"][None]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: guidance.direction_loss(unit(4, 8), unit(3, 8), unit(1, 2, 8), unit(1, 2, 8)),
            r"source has shape \(3, 8\)",
        ),
        (
            lambda: guidance.direction_loss(unit(4, 8), unit(4, 8), unit(1, 2, 7), unit(1, 2, 7)),
            r"text_target has shape \(1, 2, 7\); expected \(1 or 4, templates, 8\)",
        ),
        (
            lambda: guidance.direction_loss(unit(4, 8), unit(4, 8), unit(1, 2, 8), unit(1, 3, 8)),
            "2 templates but text_source has 3",
        ),
        (lambda: guidance.global_loss(unit(8), unit(1, 2, 8)), r"target has shape \(8,\)"),
        (lambda: guidance.in_domain_angle_loss(unit(1, 8), unit(1, 8)), "at least 2 samples"),
        (
            lambda: guidance.target_target_direction_loss(unit(4, 8), unit(1, 2, 8)),
            "a text for each of the 4 samples",
        ),
        (
            lambda: guidance.clip_within_loss(unit(4, 8), unit(4, 8), unit(2, 8), unit(1, 8)),
            "reference_target has shape",
        ),
        (lambda: guidance.convex_hull(unit(3, 2, 8), torch.ones(4, 2)), r"expected \(N, M\) and \(M, T, D\)"),
    ],
)
def test_wrong_shapes_are_named(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
