"""Adapting to one picture."""

from __future__ import annotations

import pytest
import torch
from adaptation_toys import Killed, Steps, ToyEncoder, assert_equal_results, kill_at, toy_generator
from PIL import Image

import domainvec as dv
from domainvec.adaptation import Inversion, Training
from domainvec.adaptation.drawing import synthesize, synthesize_batches
from domainvec.adaptation.picture import image_endpoints
from domainvec.adaptation.target import Setting
from domainvec.errors import AdaptationError, InputError, ShapeError
from domainvec.guidance import FACES, FACES_IMAGE, MIND_THE_GAP, PUBLISHED, ImageGuidance, Preservation
from domainvec.guidance.viewing import Needs

QUICK = {"steps": 5, "batch_size": 2}


def target(picture, steps: int = 3, **options) -> dv.Picture:
    return dv.Picture(picture, inversion=Inversion(steps=steps), **options)


def test_the_picture_is_approached(generator, encoder, picture) -> None:
    result = dv.adapt(generator, encoder, target(picture, 5), steps=30, batch_size=4, learning_rate=0.1)
    values = [record["terms"]["reference_pixels"] for record in result.history]
    assert values[-1] < 0.9 * values[0]
    (told,) = result.domain.metadata["targets"]
    assert (told["kind"], told["name"], told["weight"]) == ("picture", "pixels", 1) and len(
        told["digest"]
    ) == 16
    assert ImageGuidance(**told["guidance"]) == MIND_THE_GAP
    assert told["inversion"]["steps"] == 5
    assert "target" not in result.domain.metadata
    assert all(weight.grad is None for weight in generator.parameters())


def test_small_encoders_have_their_own_weights(picture) -> None:
    result = dv.adapt(toy_generator(32), ToyEncoder(guidance=FACES), target(picture), **QUICK)
    guidance = dict(result.domain.metadata["targets"][0]["guidance"])
    assert ImageGuidance(**guidance, preservation=FACES_IMAGE.preservation) == FACES_IMAGE
    assert Preservation(**result.domain.metadata["preservation"]) == FACES_IMAGE.preservation
    terms = result.history[0]["terms"].keys()
    assert {"tokens", "resemblance_direction", "resemblance_global_text", "edges", "in_domain_angle"} <= terms


def test_last_steps_at_full_size_see_the_picture_at_full_size(generator, encoder, picture) -> None:
    options = {**QUICK, "steps": 4, "resolution": 8}
    low = dv.adapt(generator, encoder, target(picture), **options)
    both = dv.adapt(generator, encoder, target(picture), **options, full_size_fraction=0.5)
    assert not any(offset.any() for offset in low.domain.offsets[3:])
    assert all(offset.any() for offset in both.domain.offsets)
    assert low.history[1]["terms"] == both.history[1]["terms"]
    assert low.history[2]["terms"] != both.history[2]["terms"]


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, generator, encoder, picture) -> None:
    options = {**QUICK, "style_mixing": 0.5, "noise": "random", "seed": 2}
    whole = dv.adapt(generator, encoder, target(picture), **options)
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, target(picture), callback=kill_at(2), **options)
    inverted = Steps("inverting")
    resumed = dv.adapt(generator, encoder, target(picture), callback=inverted, **options)
    assert_equal_results(whole, resumed)
    assert not inverted, "the inversion is in the checkpoint"
    with pytest.raises(AdaptationError, match=r"targets\.0\.digest was .*, now "):
        dv.adapt(generator, encoder, target(-picture), **options)


def test_an_inversion_that_is_interrupted_goes_on_where_it_was(tmp_path, generator, encoder, picture) -> None:
    again = dv.Picture(picture, inversion=Inversion(steps=7, features=0.5))
    options = {**QUICK, "checkpoint_every": 3}
    whole = dv.adapt(generator, encoder, again, **options)
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, again, callback=kill_at(4, "inverting"), **options)
    inverted = Steps("inverting")
    resumed = dv.adapt(generator, encoder, again, callback=inverted, **options)
    assert inverted == [5, 6, 7]
    assert_equal_results(whole, resumed)


def test_a_text_beside_the_picture(generator, encoder, picture) -> None:
    both = dv.adapt(generator, encoder, target(picture) + 0.5 * dv.Text("red"), **QUICK)
    for record in both.history:
        terms = dict(record["terms"])
        assert {"picture_clip_across", "picture_clip_within", "picture_reference_tokens"} <= terms.keys()
        expected = 0.5 * PUBLISHED.direction * terms.pop("text_direction")
        expected += sum(
            getattr(MIND_THE_GAP, name.removeprefix("picture_")) * value for name, value in terms.items()
        )
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
    metadata = both.domain.metadata
    assert (metadata["target"], metadata["source"]) == ("red", "a photo")
    assert [(told["kind"], told["weight"]) for told in metadata["targets"]] == [("picture", 1), ("text", 0.5)]
    alone = dv.adapt(generator, encoder, target(picture), **QUICK)
    assert not torch.equal(both.domain.vector, alone.domain.vector)


def test_a_text_and_the_picture_show_encoders_the_same_pixels(generator, picture) -> None:
    """A tenth is seen of what is beyond the range; the text sees it as the picture's guidance has it."""

    class Watching(ToyEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.shown = []

        def encode_images_and_tokens(self, images, depth=0.5):
            self.shown.append(images[: QUICK["batch_size"]].detach().abs().max().item())
            return super().encode_images_and_tokens(images, depth)

    for to_rgb in generator.synthesis.to_rgbs:
        to_rgb.weight.data.mul_(100)
    encoder = Watching()
    guidance = ImageGuidance(resemblance=1, preservation=Preservation(out_of_range=1))
    both = target(picture, guidance=guidance) + dv.Text("red")
    result = dv.adapt(generator, encoder, both, **QUICK)
    assert {"text_direction", "picture_resemblance_direction"} <= result.history[0]["terms"].keys()
    assert len(encoder.shown) == 2 + QUICK["steps"]  # the picture, its inversion, and each batch once
    largest = generator(torch.randn(64, 8)).abs().max().item()
    assert largest > 20 and 1 < max(encoder.shown[2:]) < 0.5 * largest


def test_guidance_that_is_chosen_chooses_the_losses_of_pictures(generator, picture, few) -> None:
    encoders = [ToyEncoder(0, guidance=FACES), ToyEncoder(1, guidance=PUBLISHED)]  # which disagree
    one = dv.Session(generator, encoders, target(picture), guidance=PUBLISHED)
    guidance = dict(one.learnable.template.metadata["targets"][0]["guidance"])
    assert ImageGuidance(**guidance) == MIND_THE_GAP
    assert one.training.parameterization == "modulation"
    several = dv.Pictures(few)
    assert several.few_shot_guidance(PUBLISHED) == dv.guidance.ADVERSARIAL
    assert several.few_shot_guidance(FACES) == dv.guidance.FACES_FEW_SHOT
    assert target(picture).image_guidance(FACES) == FACES_IMAGE
    with pytest.raises(InputError, match="suit different guidance; pass guidance="):
        dv.adapt(generator, encoders, target(picture), **QUICK)


def test_one_image_a_step_is_enough_where_none_are_compared(generator, encoder, picture) -> None:
    # The text's in-domain angle does not count beside a picture.
    result = dv.adapt(generator, encoder, target(picture) + dv.Text("red"), **QUICK | {"batch_size": 1})
    assert result.domain.vector.any()
    with pytest.raises(InputError, match="batch_size is 1, but the in-domain angle and the luminance"):
        dv.adapt(generator, encoder, target(picture, guidance=FACES_IMAGE), **QUICK | {"batch_size": 1})


def test_random_noise_is_that_of_the_sources(generator) -> None:
    training = Training(noise="random").resolve(generator, [])
    first, second = generator.mapping(torch.randn(6, 8)).split([2, 4])
    together = synthesize_batches(generator, training, [first, second], 3, None)
    for drawn, w in zip(together, (first, second), strict=True):
        assert torch.equal(drawn, synthesize(generator, training, w, 3, None))


def test_files_of_all_kinds(tmp_path, generator, encoder) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "grey.png")
    result = dv.adapt(generator, encoder, target(tmp_path / "grey.png"), **QUICK)
    assert result.domain.metadata["targets"][0]["name"] == "grey.png"
    assert target(tmp_path / "grey.png").label == "grey.png"
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
    for name in ("broken.png", "none.png"):
        with pytest.raises(InputError, match=name):
            dv.Picture(tmp_path / name)


def test_pixels_are_those_of_one_square_picture(picture) -> None:
    assert dv.Picture(picture[None]).label == "pixels"
    for pixels in (picture[:, :8], picture[:1], torch.stack([picture, picture])):
        with pytest.raises(ShapeError, match=r"the picture has shape .*; expected a square one, \(3, H, H\)"):
            dv.Picture(pixels)


def test_a_picture_needs_an_encoder(generator, picture) -> None:
    with pytest.raises(InputError, match="a picture needs an encoder; got none"):
        dv.adapt(generator, [], target(picture), **QUICK)


def test_what_is_inverted_already_is_not_inverted_again(generator, encoder, picture) -> None:
    w = dv.invert(generator, picture, settings=Inversion(steps=3))
    inverted, options = Steps("inverting"), {**QUICK, "precision": "float32"}
    known = dv.adapt(generator, encoder, target(picture, inverted=w), callback=inverted, **options)
    assert not inverted
    assert_equal_results(known, dv.adapt(generator, encoder, target(picture), **options))
    with pytest.raises(ShapeError, match=r"inverted latents have shape .*; expected \(1, "):
        dv.adapt(generator, encoder, target(picture, inverted=w[:, :1]), **QUICK)


def test_some_reference_images_take_the_colours_of_other_faces(generator, picture) -> None:
    """From the seventh layer on, and by number: three of four."""
    large, encoder = toy_generator(32), ToyEncoder()
    w = dv.invert(large, picture, settings=Inversion(steps=2))
    for share, count in ((0.0, 0), (0.75, 3), (1.0, 4)):
        guided = target(picture, guidance=ImageGuidance(recoloured=share), inverted=w)
        objective = dv.Session(large, encoder, guided, training=Training()).objective
        first, again, later = (objective.extra_latents(step) for step in (0, 0, 1))
        assert torch.equal(first, again) and torch.equal(first, later) == (count == 0)
        assert first.shape == (4, large.num_ws, 8)
        assert torch.equal(first[:, :6], w[:, :6].expand(4, -1, -1))
        same = [bool(torch.equal(row[6:], w[0, 6:])) for row in first]
        assert same == [False] * count + [True] * (4 - count)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    encoders = [ToyEncoder(0, guidance=FACES), ToyEncoder(1, guidance=FACES)]
    result = dv.adapt(toy_generator(32), encoders, target(picture), **QUICK)
    for record in result.history:
        terms = dict(record["terms"])
        assert len(terms) == 6 + 2 + 6
        expected = 0.4 * (
            1.0 * terms.pop("resemblance_direction") + 9.0 * terms.pop("resemblance_global_text")
        )
        for name, value in terms.items():
            kept = hasattr(FACES_IMAGE.preservation, name)
            expected += getattr(FACES_IMAGE.preservation if kept else FACES_IMAGE, name) * value
        assert record["loss"] == pytest.approx(expected, rel=1e-4)


def test_images_guide_by_their_mean_embedding_as_a_text_does(generator, few) -> None:
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    setting = Setting(generator, encoders, PUBLISHED, Training(), torch.zeros(1))
    drawn = generator(torch.randn(40, 8)).detach()
    found = image_endpoints(setting, few, drawn, Needs(views=True))
    for encoder, ends in zip(encoders, found, strict=True):
        for end, images in zip(ends, (few, drawn), strict=True):
            assert end.shape == (1, 1, 16)
            expected = torch.nn.functional.normalize(encoder.encode_images(images).mean(dim=0), dim=0)
            torch.testing.assert_close(end[0, 0], expected.detach())
    robust = Setting(generator, encoders, FACES, Training(), torch.zeros(1))
    first, again = (image_endpoints(robust, few, drawn, Needs(views=True)) for _ in range(2))
    assert all(
        torch.equal(a, b)
        for one, two in zip(first, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    assert not torch.allclose(first[0][0], found[0][0], atol=1e-3)  # through random views
    with pytest.raises(InputError, match="the target pictures and the source images are the same pictures"):
        image_endpoints(setting, few, few, Needs(views=True))
