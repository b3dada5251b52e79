from __future__ import annotations

import dataclasses
import json

import pytest
from adaptation_toys import ToyEncoder, toy_generator

import domainvec as dv
from domainvec.adaptation import PUBLISHED_TRAINING, ROBUST_TRAINING, Plateau, Training
from domainvec.adaptation.training import PUBLISHED_FEW_SHOT_TRAINING, PUBLISHED_IMAGE_TRAINING
from domainvec.domains import PARAMETERIZATIONS
from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED

TRAINING = Training(steps=100, learning_rate=0.1, resolution=64)
PRESETS = [PUBLISHED_TRAINING, PUBLISHED_IMAGE_TRAINING, PUBLISHED_FEW_SHOT_TRAINING, ROBUST_TRAINING]


def test_learning_rate_is_level_without_warmup_and_decay() -> None:
    assert {TRAINING.learning_rate_at(step) for step in range(100)} == {0.1}


def test_learning_rate_rises_and_falls() -> None:
    training = TRAINING.replace(warmup_steps=10, decay_fraction=0.4)
    rates = [training.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.01) and rates[4] == pytest.approx(0.05)
    assert rates[9:60] == [0.1] * 51
    assert rates[80] == pytest.approx(0.05)
    assert rates[99] == pytest.approx(0.005)
    assert rates[60:] == sorted(rates[60:], reverse=True)


def test_last_steps_are_drawn_at_full_size() -> None:
    assert {TRAINING.resolution_at(step) for step in range(100)} == {64}
    at_the_end = TRAINING.replace(full_size_fraction=0.25)
    assert [at_the_end.resolution_at(step) for step in (0, 74, 75, 99)] == [64, 64, None, None]


@pytest.mark.parametrize("training", [*PRESETS, TRAINING.replace(plateau=Plateau(every=2, patience=1))])
def test_plain_values_build_the_same_training(training) -> None:
    plain = training.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert Training.from_dict(json.loads(json.dumps(plain))) == training
    with pytest.raises(InputError, match=r"training has no speed; it has parameterization, layers, steps"):
        Training.from_dict({**plain, "speed": 3})


def test_a_training_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TRAINING.steps = 3


def test_replacing_leaves_the_rest() -> None:
    changed = TRAINING.replace(batch_size=7)
    assert changed.batch_size == 7 and TRAINING.batch_size == 4
    assert changed.replace(batch_size=4) == TRAINING
    with pytest.raises(InputError, match="training has no batchsize; it has parameterization, layers, steps"):
        TRAINING.replace(batchsize=7)


def test_automatic_steps_are_twice_as_many_until_the_plateau_at_a_level_rate() -> None:
    automatic = ROBUST_TRAINING.replace(steps="auto")
    assert automatic.plateau == Plateau()
    assert (automatic.steps, automatic.decay_fraction) == (480, 0.0)
    chosen = ROBUST_TRAINING.replace(steps="auto", plateau=Plateau(every=2), decay_fraction=0.1)
    assert (chosen.plateau, chosen.decay_fraction) == (Plateau(every=2), 0.1)
    assert TRAINING.plateau is None and automatic.replace(plateau=None, steps=9).steps == 9
    with pytest.raises(InputError, match="steps is 'many', expected a number or 'auto'"):
        TRAINING.replace(steps="many")
    for changes in (
        {"steps": "auto", "full_size_fraction": 0.25},
        {"plateau": Plateau(), "full_size_fraction": 1},
    ):
        with pytest.raises(InputError, match="full_size_fraction needs a last step, but steps is 'auto'"):
            TRAINING.replace(**changes)


def test_random_noise_goes_without_a_pool_unless_one_is_asked_for() -> None:
    assert ROBUST_TRAINING.source_pool == 256
    assert ROBUST_TRAINING.replace(noise="random").source_pool == 0
    with pytest.raises(InputError, match="source_pool keeps images, but noise is 'random'"):
        TRAINING.replace(noise="random", source_pool=4)


def test_training_suits_encoders_and_target(picture, few) -> None:
    published, robust = ToyEncoder(), ToyEncoder(guidance=FACES)
    targets = {
        None: PUBLISHED_TRAINING,
        dv.Text("red"): PUBLISHED_TRAINING,
        dv.Picture(picture): PUBLISHED_IMAGE_TRAINING,
        dv.Pictures(few): PUBLISHED_FEW_SHOT_TRAINING,
        dv.Text("red") + dv.Picture(picture): PUBLISHED_IMAGE_TRAINING,
        dv.Pictures(few) + dv.Text("red") + dv.Picture(picture): PUBLISHED_FEW_SHOT_TRAINING,
    }
    for target, expected in targets.items():
        assert Training.for_encoder(published, target) == expected
        assert Training.for_encoder([robust, robust], target) == ROBUST_TRAINING
        assert Training.for_encoder(robust, target, PUBLISHED) == expected
    with pytest.raises(InputError, match="suit different guidance; pass guidance="):
        Training.for_encoder([ToyEncoder(0), ToyEncoder(1, guidance=FACES)])


def test_published_and_robust_are_what_the_papers_and_the_benchmarks_chose() -> None:
    published, robust = PUBLISHED_TRAINING, ROBUST_TRAINING
    assert (published.parameterization, published.steps, published.batch_size) == ("modulation", 300, 4)
    assert (published.style_mixing, published.betas) == (0.9, (0.9, 0.999))
    assert (published.warmup_steps, published.decay_fraction, published.source_pool) == (0, 0, 0)
    assert (robust.parameterization, robust.steps, robust.batch_size) == ("modulation+rgb", 240, 8)
    assert (robust.style_mixing, robust.warmup_steps, robust.decay_fraction) == (0.0, 10, 0.4)


@pytest.mark.parametrize(
    ("training", "name", "rate"),
    [
        (PUBLISHED_TRAINING, "modulation", 0.1),
        (PUBLISHED_TRAINING, "lora:2", 0.1 * 0.02),
        (PUBLISHED_TRAINING, "stylespace", 0.1 * 0.5),
        (PUBLISHED_TRAINING, "full", 0.002),
        (PUBLISHED_IMAGE_TRAINING, "modulation", 0.01),
        (PUBLISHED_FEW_SHOT_TRAINING, "lora:2", 0.02 * 0.02),
        (ROBUST_TRAINING, "lora:2", 0.01),
        (ROBUST_TRAINING, "stylespace+rgb", 0.25),
        (ROBUST_TRAINING, "full", 0.05 * 0.02),
        (ROBUST_TRAINING, "modulation+rgb", 0.05),
    ],
)
def test_default_learning_rate_is_that_of_the_parameterization(generator, training, name, rate) -> None:
    resolved = training.replace(parameterization=name).resolve(generator, [])
    assert resolved.learning_rate == pytest.approx(rate)
    given = training.replace(parameterization=name, learning_rate=0.7).resolve(generator, [])
    assert given.learning_rate == 0.7


def test_every_parameterization_has_a_default_learning_rate(generator) -> None:
    for name in PARAMETERIZATIONS:
        for training in PRESETS:
            assert training.replace(parameterization=name).resolve(generator, []).learning_rate > 0
    lacking = TRAINING.replace(learning_rate={"full": 0.1, "lora": 0.2})
    with pytest.raises(InputError, match="learning_rate has no rate for 'modulation', only for full, lora"):
        lacking.resolve(generator, [])


@pytest.mark.parametrize(
    ("resolution", "asked", "encoder_sides", "expected"),
    [
        (16, None, [8], 16),
        (16, "full", [8], 16),
        (16, 8, [8], 8),
        (256, None, [336], 256),
        (512, None, [224], 256),
        (512, None, [224, 336], 512),
        (512, "full", [224], 512),
        (512, 64, [224], 64),
        (512, None, [], 256),
    ],
)
def test_resolution_follows_generator_and_encoders(resolution, asked, encoder_sides, expected) -> None:
    generator = toy_generator(resolution)
    encoders = [ToyEncoder(image_size=side) for side in encoder_sides]
    assert TRAINING.replace(resolution=asked).resolve(generator, encoders).resolution == expected


@pytest.mark.parametrize("resolution", [12, 32, "large"])
def test_a_resolution_that_the_generator_does_not_have_is_refused(generator, resolution) -> None:
    expected = rf"resolution is {resolution!r}, expected 'full' or one of \[4, 8, 16\]"
    with pytest.raises(InputError, match=expected):
        TRAINING.replace(resolution=resolution).resolve(generator, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number from 1"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": True}, "steps is True"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"betas": (0.9, 1.0)}, r"betas is \(0.9, 1.0\), expected two numbers in \[0, 1\)"),
        ({"betas": (0.9,)}, r"betas is \(0.9,\)"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"decay_fraction": 1.5}, "decay_fraction is 1.5"),
        ({"full_size_fraction": -1}, "full_size_fraction is -1"),
        ({"style_mixing": -0.1}, "style_mixing is -0.1"),
        ({"truncation_psi": 2}, "truncation_psi is 2"),
        ({"noise": "pink"}, "noise is 'pink', expected one of const, random, none"),
        ({"precision": "int8"}, "precision is 'int8', expected one of float32, bfloat16"),
        ({"parameterization": "mapping"}, r"'mapping': expected one of modulation, modulation\+rgb"),
        ({"parameterization": "affine:2"}, "affine has no rank; lora and affine-light"),
        ({"parameterization": "lora:x"}, "the rank is 'x', expected 1 to 512"),
        ({"source_pool": -1}, "source_pool is -1, expected a whole number from 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
    ],
)
def test_values_out_of_range_are_refused(changes, message) -> None:
    with pytest.raises(InputError, match=message):
        TRAINING.replace(**changes)
