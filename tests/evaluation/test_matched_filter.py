"""Rings around everybody's eyes, read by a matched filter."""

from __future__ import annotations

import pytest
import torch

from domainvec.errors import InputError, ShapeError
from domainvec.evaluation import matched_reading

HAVING = torch.tensor([True, True, False, False, False, False])
EYES = (0.25, 0.5)


@pytest.fixture
def ring():
    """A thing between rows 4 and 8 of 16."""
    ring = torch.zeros(3, 16, 16)
    ring[:, 5:7, 4:12] = -0.5
    return ring


@pytest.fixture
def truth(normal, ring):
    return 0.1 * normal(6, 3, 16, 16) + HAVING[:, None, None, None] * ring


def test_the_truth_reads_nothing_false_and_all_kept(truth):
    assert matched_reading(truth, truth, HAVING, rows=EYES) == pytest.approx((0, 1), abs=1e-6)


def test_a_ring_on_everybody_is_false(truth, ring):
    false, kept = matched_reading(truth + ring, truth, HAVING, rows=EYES)
    assert false == pytest.approx(1, abs=0.1) and kept == pytest.approx(1)


def test_a_ring_on_nobody_is_lost(truth, ring):
    without = truth - HAVING[:, None, None, None] * ring
    false, kept = matched_reading(without, truth, HAVING, rows=EYES)
    assert false == pytest.approx(0, abs=1e-6) and abs(kept) < 0.1


def test_a_tint_and_what_is_elsewhere_read_nothing(truth, ring):
    elsewhere = truth + 0.3 + ring.roll(6, 1)
    assert matched_reading(elsewhere, truth, HAVING, rows=EYES) == pytest.approx((0, 1), abs=1e-5)


def test_faces_that_nobody_can_say_it_of_are_left_out(truth, ring):
    unsure = torch.tensor([False, False, True, False, False, False])
    changed = truth + unsure[:, None, None, None] * ring
    assert matched_reading(changed, truth, HAVING, rows=EYES).false > 0.2
    bare = ~HAVING & ~unsure
    assert matched_reading(changed, truth, HAVING, lacking=bare, rows=EYES).false == pytest.approx(0, abs=0.2)


def test_arguments_are_checked(truth):
    with pytest.raises(InputError, match="0 faces have it and 6 have it not"):
        matched_reading(truth, truth, torch.zeros(6, dtype=torch.bool), rows=EYES)
    with pytest.raises(InputError, match=r"rows are \(0.5, 0.2\)"):
        matched_reading(truth, truth, HAVING, rows=(0.5, 0.2))
    with pytest.raises(ShapeError, match="expected the same"):
        matched_reading(truth, truth[:3], HAVING, rows=EYES)
