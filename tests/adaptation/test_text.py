"""Adapting to a text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adaptation_toys import ToyEncoder, assert_equal_results, toy_generator

import domainvec as dv
from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED, Guidance

QUICK = {"steps": 6, "batch_size": 2}


def test_loss_falls_on_a_toy_target(generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", steps=30, batch_size=8, style_mixing=0.5)
    history = [record["loss"] for record in result.history]
    assert len(history) == 30
    assert sum(history[-5:]) < 0.7 * sum(history[:5])
    assert result.history[0]["terms"].keys() == {"direction", "in_domain_angle"}
    seconds = [record["seconds"] for record in result.history]
    assert seconds == sorted(seconds) and result.seconds == seconds[-1]


def test_the_first_step_starts_from_no_change(generator, encoder) -> None:
    terms = dv.adapt(generator, encoder, "red", steps=1, batch_size=2).history[0]["terms"]
    assert terms == {"direction": 1.0, "in_domain_angle": 0.0}


def test_bfloat16(generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", steps=20, batch_size=8, precision="bfloat16")
    assert result.domain.vector.dtype == torch.float32
    assert result.history[-1]["loss"] < 0.8 * result.history[0]["loss"]


def test_guidance_and_training_are_those_that_suit_the_encoder() -> None:
    published = dv.Session(toy_generator(), ToyEncoder(), dv.Text("red"))
    assert published.guidance == PUBLISHED and published.preservation == PUBLISHED.preservation
    training = published.training
    assert (training.parameterization, training.batch_size, training.learning_rate) == ("modulation", 4, 0.1)
    assert (training.style_mixing, training.betas, training.resolution) == (0.9, (0.9, 0.999), 16)
    assert training.steps == 300

    robust = dv.adapt(toy_generator(32), ToyEncoder(guidance=FACES), "red", steps=1, learning_rate=0.01)
    training = robust.training
    assert (training.parameterization, training.batch_size, training.style_mixing) == (
        "modulation+rgb",
        8,
        0.0,
    )
    assert (training.learning_rate, training.warmup_steps, training.decay_fraction) == (0.01, 10, 0.4)
    terms = robust.history[0]["terms"]
    assert {"global_text", "edges", "luminance", "pixel_change", "chroma"} < terms.keys()


def test_several_texts_are_averaged_and_kept(generator, encoder) -> None:
    both = dv.adapt(generator, encoder, ["red", "blue"], **QUICK)
    assert both.domain.metadata["targets"][0]["texts"] == ["red", "blue"]
    assert both.domain.metadata["target"] == ["red", "blue"]
    assert not torch.equal(both.domain.vector, dv.adapt(generator, encoder, "red", **QUICK).domain.vector)
    assert_equal_results(
        dv.adapt(generator, encoder, ["red"], **QUICK), dv.adapt(generator, encoder, "red", **QUICK)
    )


def test_the_source_says_where_from(generator, encoder) -> None:
    photo, drawing = (
        dv.adapt(generator, encoder, dv.Text("red", source=source), **QUICK)
        for source in ("a photo", "a drawing")
    )
    assert (photo.domain.metadata["source"], drawing.domain.metadata["source"]) == ("a photo", "a drawing")
    assert not torch.equal(photo.domain.vector, drawing.domain.vector)
    assert_equal_results(photo, dv.adapt(generator, encoder, "red", "a photo", **QUICK))


def test_unknown_words_of_texts_are_said_once(generator, tiny_encoder_folder) -> None:
    encoders = [dv.Encoder.from_pretrained(tiny_encoder_folder) for _ in range(2)]
    text = dv.Text("a xylophone", source="a photo of a marimba", allow_unknown=True)
    with pytest.warns(dv.UnknownWordsWarning) as said:
        dv.adapt(generator, encoders, text, **QUICK)
    assert len(said) == 1
    assert Path(said[0].filename) == Path(__file__)
    assert "no word of the target 'a xylophone'" in str(said[0].message)
    assert "no word of the source 'a photo of a marimba'" in str(said[0].message)


def test_a_text_without_a_known_word_is_refused_unless_that_is_allowed(
    generator, tiny_encoder_folder, tmp_path
) -> None:
    encoder = dv.Encoder.from_pretrained(tiny_encoder_folder)
    for texts in (["a xylophone"], ["a zombie", "a xylophone"]):
        with pytest.raises(InputError, match=r"no word of the target.* 'a xylophone'.*allow_unknown=True"):
            dv.adapt(generator, encoder, texts, checkpoint=tmp_path / "run.ckpt", **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_known_texts_give_no_warning(generator, tiny_encoder_folder) -> None:
    """Not even for words of the templates that an encoder was not taught: warnings are errors here."""
    encoder = dv.Encoder.from_pretrained(tiny_encoder_folder)
    guidance = Guidance(templates=("a photo of {}", "a woodcut of {}"))
    result = dv.adapt(generator, encoder, "a zombie", guidance=guidance, **QUICK)
    assert len(result.history) == QUICK["steps"]


@pytest.mark.parametrize(
    ("texts", "source", "message"),
    [
        (["  "], "a photo", "target is '  ', expected a text"),
        (["red", " "], "a photo", r"target is \('red', ' '\), expected a text"),
        ([], "a photo", r"target is \(\), expected a text"),
        ([3], "a photo", "target is 3, expected a text"),
        (["red"], "", "source is '', expected a text"),
        (["red"], None, "source is None, expected a text"),
    ],
)
def test_what_is_no_text_is_refused(texts, source, message) -> None:
    with pytest.raises(InputError, match=message):
        dv.Text(*texts, source=source)


def test_a_text_needs_an_encoder_and_a_direction(generator, encoder) -> None:
    with pytest.raises(InputError, match="a text needs an encoder; got none"):
        dv.adapt(generator, [], "red", **QUICK)
    for texts, named in (
        (["a photo"], "'a photo'"),
        (["a photo", "the photo"], r"\('a photo', 'the photo'\)"),
    ):
        with pytest.raises(
            InputError, match=f"to the encoder toy-0 the target {named} and the source 'photo' are"
        ):
            dv.adapt(generator, encoder, dv.Text(*texts, source="photo"), **QUICK)


def test_attributes_that_stay_are_read_in_every_view_and_encoder(generator) -> None:
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    plain = dv.adapt(generator, encoders, "red", **QUICK)
    kept = dv.adapt(generator, encoders, "red", keep=["glasses", "a scarf"], **QUICK)
    first, other = (result.history[0] for result in (plain, kept))
    assert other["terms"]["attributes"] > 0 and "attributes" not in first["terms"]
    assert other["loss"] == pytest.approx(first["loss"] + 3 * other["terms"]["attributes"], rel=1e-5)
    assert kept.domain.metadata["preservation"]["keep"] == ["glasses", "a scarf"]
    assert not torch.equal(plain.domain.vector, kept.domain.vector)


def test_attributes_are_read_by_texts(generator, encoder) -> None:
    picture = dv.Picture(torch.zeros(3, 16, 16))
    with pytest.raises(InputError, match=r"keep is \['glasses'\], but attributes are read by texts"):
        dv.adapt(generator, encoder, picture, keep=["glasses"], **QUICK)
