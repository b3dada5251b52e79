"""Targets add up and can be weighted."""

from __future__ import annotations

import pytest
import torch
from adaptation_toys import ToyEncoder, assert_equal_results, losses, toy_discriminator
from torch.nn import functional as F

import domainvec as dv
from domainvec.adaptation import DiscriminatorTraining, Inversion, Training
from domainvec.adaptation.target import Setting, WeightedObjectives
from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED, FewShotGuidance, Guidance, Preservation

QUICK = {"steps": 2, "batch_size": 2}


@pytest.fixture
def setting(generator):
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    training = Training(steps=2).resolve(generator, encoders)
    return Setting(generator, encoders, PUBLISHED, training, torch.zeros(40))


def a_picture(pixels: torch.Tensor) -> dv.Picture:
    return dv.Picture(pixels, inversion=Inversion(steps=2))


def a_few_pictures(pixels: torch.Tensor, **guidance: float) -> dv.Pictures:
    return dv.Pictures(
        pixels,
        guidance=FewShotGuidance(**guidance),
        discriminator=toy_discriminator(),
        discriminator_training=DiscriminatorTraining(warmup_steps=1),
        inversion=Inversion(steps=2),
    )


def test_terms_of_a_sum_begin_with_the_kind_of_the_part_and_a_number_if_it_repeats(
    generator, encoder, picture
) -> None:
    red, blue = dv.Text("red"), dv.Text("blue")
    for target, prefixes in [
        (red, {""}),
        (red + a_picture(picture), {"text_", "picture_"}),
        (red + a_picture(picture) + blue, {"text1_", "picture_", "text2_"}),
        (blue + (red + red), {"text1_", "text2_", "text3_"}),
    ]:
        options = {"preservation": Preservation(), **QUICK, "steps": 1}
        terms = dv.adapt(generator, encoder, target, **options).history[0]["terms"]
        assert {prefix for prefix in prefixes for name in terms if name.startswith(prefix)} == prefixes
        assert all(name.startswith(tuple(prefixes)) for name in terms)


def test_weights_multiply_and_the_loss_is_the_weighted_sum(generator, encoder) -> None:
    guidance = Guidance(direction=3.0, global_text=2.0, preservation=Preservation(in_domain_angle=0.25))
    target = 0.5 * (dv.Text("red") + 4 * dv.Text("blue") * 0.1)
    assert [part.weight for part in target.parts] == [0.5, pytest.approx(0.2)]
    result = dv.adapt(generator, encoder, target, guidance=guidance, **QUICK)
    for record in result.history:
        terms = record["terms"]
        assert terms.keys() == {
            "text1_direction", "text1_global_text", "text2_direction", "text2_global_text", "in_domain_angle",
        }  # fmt: skip
        expected = 0.25 * terms["in_domain_angle"]
        for number, weight in ((1, 0.5), (2, 0.2)):
            expected += weight * 3 * terms[f"text{number}_direction"]
            expected += weight * 2 * terms[f"text{number}_global_text"]
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
    assert [told["weight"] for told in result.domain.metadata["targets"]] == [0.5, pytest.approx(0.2)]


def test_a_scaled_target_is_a_copy(picture) -> None:
    text = dv.Text("red")
    assert (2 * text).weight == (text * 2).weight == 2 and text.weight == 1
    both = text + a_picture(picture)
    assert [part.weight for part in (3 * both).parts] == [3, 3]
    assert [part.weight for part in both.parts] == [1, 1]


def test_parts_of_weight_zero_are_left_out(generator, encoder, picture) -> None:
    """Even the losses that keep the source image are then those of the part that counts."""
    alone = dv.adapt(generator, encoder, dv.Text("red"), **QUICK)
    beside = dv.adapt(generator, encoder, dv.Text("red") + 0 * a_picture(picture), **QUICK)
    assert beside.history[0]["terms"].keys() == {"text_direction", "in_domain_angle"}
    assert [record["loss"] for record in beside.history] == [record["loss"] for record in alone.history]
    assert torch.equal(beside.domain.vector, alone.domain.vector)
    assert not (dv.Text("red") + 0 * a_few_pictures(picture.expand(3, -1, -1, -1))).full_size
    for target in (0 * dv.Text("red"), 0 * (dv.Text("red") + a_picture(picture))):
        with pytest.raises(InputError, match="the target's weights are all 0: set one above 0"):
            dv.Session(generator, encoder, target)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight) -> None:
    for target in (dv.Text("red"), dv.Text("red") + dv.Text("blue")):
        with pytest.raises(InputError, match=rf"weight of a target is {weight}, expected a finite number"):
            weight * target


def test_only_numbers_weigh_and_only_targets_add_up() -> None:
    with pytest.raises(TypeError):
        dv.Text("red") * "2"
    with pytest.raises(TypeError):
        dv.Text("red") + "blue"


def test_training_and_preservation_are_those_of_the_part_with_the_highest_precedence(picture, few) -> None:
    text = dv.Text("red")
    keep = dv.guidance.ImageGuidance(preservation=Preservation(edges=2.0))
    one = dv.Picture(picture, guidance=keep)
    several = a_few_pictures(few, preservation=Preservation(l2=3.0))
    assert (text + one).preservation(FACES) == (one + text).preservation(FACES) == Preservation(edges=2.0)
    assert (one + several + text).preservation(FACES) == Preservation(l2=3.0)
    assert (text + text).preservation(FACES) == FACES.preservation
    assert (text + one).published_training == one.published_training
    assert (text + several + one).published_training == several.published_training
    assert (text + several).full_size and not (text + one).full_size


def test_parts_with_latents_of_their_own_see_their_own_images(generator, few) -> None:
    encoder = ToyEncoder()
    options = {"steps": 1, "batch_size": 4, "style_mixing": 0.0, "preservation": Preservation()}
    first, second = a_picture(few[0]), a_few_pictures(few, pairs=5.0)
    alone = [dv.adapt(generator, encoder, target, **options) for target in (first, second)]
    for target in (first + second, second + first):
        terms = dv.adapt(generator, encoder, target, **options).history[0]["terms"]
        for result, prefix in zip(alone, ("picture_", "pictures_"), strict=True):
            own = {
                name: value for name, value in result.history[0]["terms"].items() if prefix + name in terms
            }
            assert {"reference_pixels", "reference_embedding"} <= own.keys() or "pairs" in own
            for name, value in own.items():
                assert terms[prefix + name] == pytest.approx(value, rel=1e-4, abs=1e-5)


def test_a_part_sees_the_same_whatever_else_is_in_the_sum(generator) -> None:
    """The random views, too, which are drawn once for all parts."""
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    guidance = Guidance(augmentation=dv.guidance.Augmentation(), views=2, independent_views=True)
    options = {**QUICK, "steps": 1, "guidance": guidance}
    alone = {text: losses(dv.adapt(generator, encoders, text, **options))[0][2] for text in ("red", "blue")}
    both = dv.adapt(generator, encoders, dv.Text("red") + dv.Text("blue"), **options).history[0]["terms"]
    assert both["text1_direction"] == alone["red"]["direction"]
    assert both["text2_direction"] == alone["blue"]["direction"]
    assert both["in_domain_angle"] == alone["red"]["in_domain_angle"]


def test_each_text_may_have_its_own_guidance(generator, encoder) -> None:
    told = dv.Text("blue", guidance=Guidance(direction=0, global_text=2.0))
    result = dv.adapt(generator, encoder, dv.Text("red") + told, **QUICK)
    terms = result.history[0]["terms"]
    assert terms.keys() == {"text1_direction", "text2_global_text", "in_domain_angle"}
    assert result.domain.metadata["targets"][1]["guidance"]["global_text"] == 2.0


def test_the_embedding_of_a_sum_is_the_weighted_mean_of_its_parts(setting) -> None:
    red, blue = dv.Text("red"), dv.Text("blue")
    found = WeightedObjectives(red + 3 * blue, setting).target_embeddings()
    parts = [WeightedObjectives(each, setting).target_embeddings() for each in (red, blue)]
    for embedding, first, second in zip(found, *parts, strict=True):
        torch.testing.assert_close(embedding, F.normalize(first + 3 * second, dim=0))
        assert embedding.norm() == pytest.approx(1)


def test_the_state_of_a_sum_is_that_of_its_parts(setting, few) -> None:
    target = a_few_pictures(few) + dv.Text("red") + a_few_pictures(-few)
    objective = WeightedObjectives(target, setting)
    state = objective.state_dict()
    assert {name.partition(".")[0] for name in state} == {"pictures1_", "pictures2_"}
    other = WeightedObjectives(target, setting)
    other.load_state_dict({name: value + 1 for name, value in state.items()})
    for name, value in other.state_dict().items():
        torch.testing.assert_close(value, state[name] + 1)
    assert set(objective.stop_rules()) == {"pictures1_copies", "pictures2_copies"}
    assert WeightedObjectives(dv.Text("red"), setting).state_dict() == {}


def test_a_sum_of_one_text_twice_pulls_as_a_text_of_twice_the_weight(generator, encoder) -> None:
    text, options = dv.Text("red"), {**QUICK, "preservation": Preservation()}
    twice, double = (dv.adapt(generator, encoder, each, **options) for each in (text + text, 2 * text))
    for first, second in zip(twice.history, double.history, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-6)
    torch.testing.assert_close(twice.domain.vector, double.domain.vector)
    with pytest.raises(AssertionError):
        assert_equal_results(twice, double)  # The metadata says which was which.


def test_labels_of_all_parts(picture, few) -> None:
    assert dv.Text("red", "crimson").label == "'red / crimson'"
    assert (dv.Text("red") + dv.Picture(picture)).label == "'red' and pixels"
