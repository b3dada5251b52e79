"""One call from a target to a domain."""

from __future__ import annotations

import dataclasses
import inspect

import pytest
import torch
from adaptation_toys import ToyEncoder, assert_equal_results, losses

import domainvec as dv
from domainvec.adaptation import Training
from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED, Preservation

QUICK = {"steps": 6, "batch_size": 2}


def test_it_is_a_session_run_to_its_end(generator, encoder) -> None:
    session = dv.Session(
        generator,
        encoder,
        dv.Text("red", source="a drawing"),
        training=Training.for_encoder(encoder).replace(seed=3, noise="random", **QUICK),
        preservation=Preservation(l2=0.1),
        metadata={"license": "CC0-1.0"},
    )
    for _ in session:
        pass
    options = {"preservation": Preservation(l2=0.1), "metadata": {"license": "CC0-1.0"}}
    called = dv.adapt(generator, encoder, "red", "a drawing", seed=3, noise="random", **options, **QUICK)
    assert_equal_results(session.result(), called)


def test_it_takes_every_setting_of_a_training_but_those_of_recipes() -> None:
    taken = inspect.signature(dv.adapt).parameters.keys()
    left = {field.name for field in dataclasses.fields(Training)} - taken
    assert left == {"betas", "plateau", "shared_draws", "forget_first_gradient"}


def test_every_setting_reaches_the_training(generator, encoder) -> None:
    chosen = {
        "steps": 2,
        "seed": 5,
        "parameterization": "stylespace",
        "layers": "coarse",
        "learning_rate": 0.03,
        "batch_size": 3,
        "warmup_steps": 1,
        "decay_fraction": 0.5,
        "style_mixing": 0.25,
        "truncation_psi": 0.8,
        "noise": "none",
        "resolution": 8,
        "full_size_fraction": 0.5,
        "precision": "bfloat16",
        "source_pool": 4,
    }
    training = dv.adapt(generator, encoder, "red", **chosen).training
    assert training == Training.for_encoder(encoder).replace(**chosen)


def test_the_callback_is_told_of_each_step(generator, encoder) -> None:
    told = []
    result = dv.adapt(generator, encoder, "red", callback=told.append, **QUICK)
    assert [(progress.step, progress.loss, progress.terms) for progress in told] == losses(result)
    assert {(progress.phase, progress.total) for progress in told} == {("training", 6)}
    last = told[-1].domain
    assert last.metadata["target"] == "red" and not last.vector.requires_grad
    assert torch.equal(last.vector.half().float(), result.domain.vector)
    assert not torch.equal(told[0].domain.vector, last.vector)


def test_guidance_that_is_chosen_chooses_training_and_losses(generator, picture) -> None:
    encoders = [ToyEncoder(0, guidance=FACES), ToyEncoder(1, guidance=PUBLISHED)]  # which disagree
    result = dv.adapt(generator, encoders, "red", guidance=PUBLISHED, **QUICK)
    assert result.training.parameterization == "modulation"
    with pytest.raises(InputError, match="suit different guidance; pass guidance="):
        dv.adapt(generator, encoders, "red", **QUICK)


def test_preservation_that_is_given_replaces_that_of_the_guidance(generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", preservation=Preservation(out_of_range=2.0), **QUICK)
    assert result.history[0]["terms"].keys() == {"direction", "out_of_range"}
    assert result.domain.metadata["preservation"]["out_of_range"] == 2.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": "many"}, "steps is 'many', expected a number or 'auto'"),
        ({"steps": "auto", "full_size_fraction": 0.25}, "full_size_fraction needs a last step"),
        ({"batch_size": 1}, "batch_size is 1, but the in-domain angle and the luminance term compare"),
        ({"layers": "fine"}, "this generator has the layers 0-5, not 'fine'"),
        ({"layers": "4-9"}, "this generator has the layers 0-5, not '4-9'"),
        ({"layers": "5-2"}, "not '5-2'"),
        ({"layers": "rough"}, "'rough' is invalid; expected coarse, middle, fine, or a range"),
        ({"layers": "5"}, "this parameterization has no parameters in them"),
        ({"resolution": 12}, r"resolution is 12, expected 'full' or one of \[4, 8, 16\]"),
        ({"resolution": 32}, "resolution is 32"),
        ({"source_pool": 4, "noise": "random"}, "source_pool keeps images, but noise is 'random'"),
        ({"target": []}, r"target is \(\), expected a text"),
        ({"target": ["red", " "]}, r"target is \('red', ' '\), expected a text"),
        (
            {"target": dv.Text("red"), "source": "a photo"},
            "source is 'a photo' beside a Text: give it as Text",
        ),
        ({"encoder": []}, "a text needs an encoder; got none"),
        ({"encoder": "faces-clip"}, r"'faces-clip': load it with Encoder.from_pretrained"),
        ({"resume": True}, "checkpoint="),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(generator, encoder, changes, message) -> None:
    def never(progress: object) -> None:
        raise AssertionError

    arguments = {"encoder": encoder, "target": "red", **QUICK, "callback": never, **changes}
    with pytest.raises(InputError, match=message):
        dv.adapt(generator, **arguments)
