from __future__ import annotations

import dataclasses
import json

import pytest

from domainvec.adaptation import AdaptationSettings
from domainvec.adaptation.randomness import step_rng
from domainvec.guidance import PUBLISHED

SETTINGS = AdaptationSettings(
    target="a",
    source="b",
    guidance=PUBLISHED,
    parameterization="modulation",
    steps=100,
    batch_size=4,
    learning_rate=0.1,
    resolution=64,
)


def test_learning_rate_is_level_without_warmup_and_decay() -> None:
    assert {SETTINGS.learning_rate_at(step) for step in range(100)} == {0.1}


def test_learning_rate_rises_and_falls() -> None:
    settings = dataclasses.replace(SETTINGS, warmup_steps=10, decay_fraction=0.4)
    rates = [settings.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.01) and rates[4] == pytest.approx(0.05)
    assert rates[9:60] == [0.1] * 51
    assert rates[80] == pytest.approx(0.05)
    assert rates[99] == pytest.approx(0.005)
    assert rates[60:] == sorted(rates[60:], reverse=True)


def test_settings_are_json() -> None:
    assert json.loads(json.dumps(SETTINGS.to_dict())) == SETTINGS.to_dict()


def test_several_targets_are_json_too() -> None:
    settings = dataclasses.replace(SETTINGS, target=["a", "c"])
    assert settings.target == settings.targets == ("a", "c")
    told = json.loads(json.dumps(settings.to_dict()))
    assert told["target"] == ["a", "c"]
    assert dataclasses.replace(settings, target=told["target"]) == settings
    assert dataclasses.replace(settings, target=["a"]) == SETTINGS


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SETTINGS.steps = 3


def test_random_numbers_depend_on_seed_step_and_purpose_alone() -> None:
    import torch

    def draw(*key: object) -> float:
        return torch.rand((), generator=step_rng(*key)).item()

    assert draw(0, 1, "views") == draw(0, 1, "views")
    assert (
        len({draw(seed, step, use) for seed in (0, 1) for step in (0, 11) for use in ("views", "noise")}) == 8
    )
