"""Guidance by a few pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.guidance import ADVERSARIAL, FACES_FEW_SHOT, FewShotGuidance, Preservation
from domainvec.guidance.few_shot import distance_consistency_loss


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_distance_consistency() -> None:
    source = unit(5, 8)
    assert distance_consistency_loss(source, source).abs() < 1e-6
    rotation = torch.linalg.qr(unit(8, 8, seed=1))[0]
    assert distance_consistency_loss(source @ rotation, source).abs() < 1e-6
    alike = source[:1].expand(5, -1)
    assert distance_consistency_loss(alike, source) > 0
    for target in (source[:2], source[:4], source[:, :4]):
        with pytest.raises(
            ShapeError, match=r"embeddings have shapes .*; expected the same \(N, D\), N at least 3"
        ):
            distance_consistency_loss(target, source[:2] if len(target) == 2 else source)


def test_distance_consistency_by_hand() -> None:
    target, source = unit(4, 8), unit(4, 8, seed=1)
    expected = torch.zeros(())
    for row in range(4):
        others = [column for column in range(4) if column != row]
        after, before = ((each[row] @ each[others].T).softmax(0) for each in (target, source))
        expected += (before * (before / after).log()).sum() / 4
    torch.testing.assert_close(distance_consistency_loss(target, source), expected)


def test_distances_are_not_rounded_under_autocast() -> None:
    target, source = unit(2, 8, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = distance_consistency_loss(target, source)
    assert torch.equal(rounded, distance_consistency_loss(target, source))


def test_presets_are_what_papers_and_benchmarks_chose() -> None:
    assert FewShotGuidance() == ADVERSARIAL
    assert (ADVERSARIAL.adversarial, ADVERSARIAL.resemblance, ADVERSARIAL.pairs) == (1.0, 0.0, 0.0)
    assert (FACES_FEW_SHOT.adversarial, FACES_FEW_SHOT.resemblance) == (0.0, 1.0)
    values = FACES_FEW_SHOT.to_dict()
    assert (
        FewShotGuidance(**values | {"preservation": Preservation(**values["preservation"])}) == FACES_FEW_SHOT
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"adversarial": -1}, "adversarial is -1; expected a finite number, 0 or more"),
        ({"pairs": float("nan")}, "pairs is nan"),
        ({"copies": 1.5}, "copies is 1.5; expected a number from 0 to 1"),
        ({"nearness": -0.5}, "nearness is -0.5"),
        ({"reinversions": 1.5}, "reinversions is 1.5; expected a whole number from 0"),
        ({"reinversions": -1}, "reinversions is -1"),
        ({"adversarial": 0}, "adversarial, resemblance and pairs are all 0: nothing sees the pictures"),
    ],
)
def test_values_are_checked(values, message) -> None:
    with pytest.raises(InputError, match=message):
        FewShotGuidance(**values)
