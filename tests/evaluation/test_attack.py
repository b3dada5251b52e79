from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec.errors import InputError
from domainvec.evaluation import pgd_attack


@pytest.fixture
def classify(judge):
    return judge.domain_log_probabilities


def test_l2_attacks_stay_within_the_radius_and_increase_the_loss(classify, normal):
    images = 0.5 * normal(6, 3, 16, 16).clamp(-1, 1)
    labels = classify(images).argmax(1)
    moved = pgd_attack(classify, images, labels, l2_radius=2.0)
    length = (moved - images).flatten(1).norm(dim=1)
    assert (length <= 2 + 1e-4).all() and (length > 1).all()
    assert not moved.requires_grad
    before, after = (F.cross_entropy(classify(x), labels, reduction="none") for x in (images, moved))
    assert (after > before).all()


def test_linf_attacks_stay_within_the_radius(classify, normal):
    images = normal(6, 3, 16, 16).clamp(-1, 1)
    labels = classify(images).argmax(1)
    moved = pgd_attack(classify, images, labels, linf_radius=8 / 255)
    assert (moved - images).abs().max() <= 8 / 255 + 1e-6
    assert moved.abs().max() <= 1
    before, after = (F.cross_entropy(classify(x), labels) for x in (images, moved))
    assert after > before


def test_l2_attacks_on_a_linear_classifier_are_optimal():
    """The loss increases along one direction only, so the perturbation must be the full radius along it."""
    weight = torch.zeros(2, 3, 2, 2)
    weight[1, 0, 0, 0] = 1
    images = torch.zeros(1, 3, 2, 2)
    moved = pgd_attack(lambda x: x.flatten(1) @ weight.flatten(1).T, images, torch.tensor([0]), l2_radius=0.5)
    torch.testing.assert_close(moved, 0.5 * weight[1:])


def test_images_are_attacked_independently(classify, normal):
    images = normal(4, 3, 16, 16).clamp(-1, 1)
    labels = torch.tensor([0, 1, 2, 3])
    together = pgd_attack(classify, images, labels, l2_radius=1.0)
    alone = torch.cat(
        [pgd_attack(classify, images[i : i + 1], labels[i : i + 1], l2_radius=1.0) for i in range(4)]
    )
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


def test_attacks_work_under_no_grad(classify, normal):
    with torch.no_grad():
        moved = pgd_attack(classify, normal(2, 3, 16, 16), torch.tensor([0, 1]), linf_radius=0.1, steps=1)
    assert moved.isfinite().all()


@pytest.mark.parametrize("bounds", [{}, {"l2_radius": 1.0, "linf_radius": 1.0}])
def test_exactly_one_radius_is_required(classify, images, bounds):
    with pytest.raises(InputError, match="exactly one of them"):
        pgd_attack(classify, images, torch.zeros(5, dtype=torch.long), **bounds)
