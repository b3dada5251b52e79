from __future__ import annotations

import pytest
import torch
from adaptation_toys import Killed, ToyEncoder, assert_equal_runs, kill_at, toy_generator
from PIL import Image

import domainvec as dv
from domainvec.adaptation import Adversary, Inversion
from domainvec.adaptation.inversion import SourceInversion, invert_into_source
from domainvec.errors import AdaptationError, InputError, ShapeError
from domainvec.guidance import FACES, FACES_IMAGE, MIND_THE_GAP, PUBLISHED, ImageGuidance, Objective

QUICK = {"steps": 5, "batch_size": 2, "inversion": Inversion(steps=3)}


@pytest.fixture
def style():
    return torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_the_picture_is_approached(generator, encoder, style) -> None:
    result = dv.adapt_to_image(
        generator, encoder, style, steps=30, batch_size=4, learning_rate=0.1, inversion=Inversion(steps=5)
    )
    parts = [record["parts"]["reference_pixels"] for record in result.history]
    assert parts[-1] < 0.9 * parts[0]
    assert result.settings.image.guidance == MIND_THE_GAP
    image = result.domain.metadata["image"]
    assert image["name"] == "pixels" and len(image["digest"]) == 16
    assert "target" not in result.domain.metadata and result.domain.metadata["image"]["text_weight"] == 0
    assert all(weight.grad is None for weight in generator.parameters())


def test_small_encoders_have_their_own_weights(style) -> None:
    encoder = ToyEncoder(guidance=FACES)
    result = dv.adapt_to_image(toy_generator(32), encoder, style, **QUICK)
    assert result.settings.image.guidance == FACES_IMAGE
    assert {"tokens", "resemblance"} <= result.history[0]["parts"].keys()


def test_last_steps_at_full_size_see_the_picture_at_full_size(generator, encoder, style) -> None:
    options = {**QUICK, "steps": 4, "resolution": 8}
    low = dv.adapt_to_image(generator, encoder, style, **options)
    both = dv.adapt_to_image(generator, encoder, style, **options, full_size_fraction=0.5)
    assert not any(offset.any() for offset in low.domain.offsets[3:])
    assert all(offset.any() for offset in both.domain.offsets)
    assert low.history[1]["parts"] == both.history[1]["parts"]
    assert low.history[2]["parts"] != both.history[2]["parts"]


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, generator, encoder, style) -> None:
    arguments = {**QUICK, "style_mixing": 0.5, "noise": "random", "seed": 2}
    whole = dv.adapt_to_image(generator, encoder, style, **arguments)
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt_to_image(generator, encoder, style, callback=kill_at(2), **arguments)
    inverted = []
    resumed = dv.adapt_to_image(
        generator, encoder, style, on_inversion=lambda *told: inverted.append(told), **arguments
    )
    assert_equal_runs(whole, resumed)
    assert not inverted, "the inversion is in the checkpoint"
    with pytest.raises(AdaptationError, match=r"settings\.image\.digest"):
        dv.adapt_to_image(generator, encoder, -style, **arguments)


def test_an_inversion_that_is_interrupted_goes_on_where_it_was(tmp_path, generator, encoder, style) -> None:
    arguments = {**QUICK, "inversion": Inversion(steps=7, features=0.5), "checkpoint_every": 3}
    whole = dv.adapt_to_image(generator, encoder, style, **arguments)
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    stop = kill_at(4)
    with pytest.raises(Killed):
        dv.adapt_to_image(generator, encoder, style, on_inversion=stop, **arguments)
    told = []
    resumed = dv.adapt_to_image(
        generator, encoder, style, on_inversion=lambda step, loss: told.append(step), **arguments
    )
    assert told == [5, 6, 7]
    assert_equal_runs(whole, resumed)


def test_a_text_beside_the_picture(generator, encoder, style) -> None:
    both = dv.adapt_to_image(generator, encoder, style, "red", text_weight=0.5, **QUICK)
    for record in both.history:
        parts, weights = record["parts"], both.settings.image.guidance
        assert {"across", "within", "reference_tokens"} <= parts.keys()
        expected = 0.5 * both.settings.guidance.direction * parts["text_direction"]
        expected += sum(
            getattr(weights, name) * part for name, part in parts.items() if name != "text_direction"
        )
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
    assert both.domain.metadata["target"] == "red"
    assert both.domain.metadata["image"]["text_weight"] == 0.5
    alone = dv.adapt_to_image(generator, encoder, style, **QUICK)
    assert not torch.equal(both.domain.vector, alone.domain.vector)


def test_a_text_and_the_picture_show_encoders_the_same_pixels(generator, style, monkeypatch) -> None:
    shown, compare = [], Objective.compare

    def recording(self, images, *arguments, **options):
        shown.append(images.abs().max().item())
        return compare(self, images, *arguments, **options)

    monkeypatch.setattr(Objective, "compare", recording)
    for to_rgb in generator.synthesis.to_rgbs:
        to_rgb.weight.data.mul_(100)
    guidance = ImageGuidance(out_of_range=1, resemblance=1)  # a tenth is seen of what is beyond the range
    dv.adapt_to_image(generator, ToyEncoder(), style, "red", image_guidance=guidance, **QUICK)
    assert shown[0::2] == shown[1::2] and len(shown) == 10
    assert max(shown) < 0.5 * generator(torch.randn(64, 8)).abs().max()


def test_guidance_that_is_chosen_chooses_the_losses_of_pictures(generator, style) -> None:
    encoders = [ToyEncoder(0, guidance=FACES), ToyEncoder(1, guidance=PUBLISHED)]  # which disagree
    result = dv.adapt_to_image(generator, encoders, style, guidance=PUBLISHED, **QUICK)
    assert result.settings.image.guidance == MIND_THE_GAP
    assert result.settings.parameterization == "modulation"
    few = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    several = dv.adapt_to_images(generator, few, encoders, guidance=PUBLISHED, steps=1, batch_size=4)
    assert several.settings.images.adversary == Adversary()
    with pytest.raises(InputError, match="suit different guidance; pass guidance="):
        dv.adapt_to_image(generator, encoders, style, **QUICK)


def test_one_picture_a_step_is_enough_where_none_are_compared(generator, encoder, style) -> None:
    # Its in-domain angle is left out beside a picture.
    result = dv.adapt_to_image(generator, encoder, style, "red", **QUICK | {"batch_size": 1})
    assert result.domain.vector.any()


def test_random_noise_is_that_of_the_sources(generator, style) -> None:
    from domainvec.adaptation.drawing import synthesize, synthesize_batches

    settings = dv.adapt(generator, ToyEncoder(), "red", steps=1, batch_size=2, noise="random").settings
    first, second = generator.mapping(torch.randn(6, 8)).split([2, 4])
    together = synthesize_batches(generator, settings, [first, second], 3, None)
    for drawn, w in zip(together, (first, second), strict=True):
        assert torch.equal(drawn, synthesize(generator, settings, w, 3, None))


def test_files_of_all_kinds(tmp_path, generator, encoder) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "grey.png")
    result = dv.adapt_to_image(generator, encoder, tmp_path / "grey.png", **QUICK)
    assert result.settings.image.name == "grey.png"
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
    for name in ("broken.png", "none.png"):
        with pytest.raises(InputError, match=name):
            dv.adapt_to_image(generator, encoder, tmp_path / name, **QUICK)


def test_values_out_of_range(generator, encoder, style) -> None:
    with pytest.raises(ShapeError, match="square"):
        dv.adapt_to_image(generator, encoder, style[:, :8], **QUICK)
    with pytest.raises(InputError, match="batch_size is 1, but the in-domain angle and the tones"):
        dv.adapt_to_image(generator, encoder, style, image_guidance=FACES_IMAGE, **QUICK | {"batch_size": 1})
    with pytest.raises(InputError, match="text_weight"):
        dv.adapt_to_image(generator, encoder, style, "red", text_weight=-1, **QUICK)
    with pytest.raises(InputError, match="encoder"):
        dv.adapt_to_image(generator, [], style, **QUICK)
    with pytest.raises(InputError, match="prior is -1"):
        Inversion(prior=-1)
    with pytest.raises(InputError, match="steps"):
        Inversion(steps=0)
    with pytest.raises(InputError, match="all weights"):
        ImageGuidance(across=0, within=0, reference_embedding=0, reference_pixels=0, reference_tokens=0)


def test_inversion_approaches_and_the_prior_holds_back(generator, encoder) -> None:
    wanted = generator(torch.randn(1, 8, generator=torch.Generator().manual_seed(1))).detach().clamp(-1, 1)

    def found(**settings):
        losses = []
        chosen = Inversion(steps=40, **settings)
        w = invert_into_source(
            generator, [encoder], wanted, chosen, on_step=lambda step, loss: losses.append(loss)
        )
        return w, losses

    w, losses = found(prior=0.0)
    assert w.shape == (1, generator.num_ws, generator.w_dim)
    assert losses[-1] < 0.8 * losses[0] and len(losses) == 40
    assert torch.equal(w, found(prior=0.0)[0])
    average = generator.mapping(torch.randn(2000, 8)).mean(0)
    held = found(prior=100.0)[0]
    assert (held - average).norm() < 0.5 * (w - average).norm()


def test_what_is_inverted_already_is_not_inverted_again(generator, encoder, style) -> None:
    w = invert_into_source(generator, [encoder], style[None], QUICK["inversion"])
    told = []
    options = {**QUICK, "precision": "float32"}
    known = dv.adapt_to_image(
        generator, encoder, style, inverted=w, on_inversion=lambda *each: told.append(each), **options
    )
    assert not told
    assert_equal_runs(known, dv.adapt_to_image(generator, encoder, style, **options))
    with pytest.raises(ShapeError, match=r"inverted latents have shape .* expected \(1, "):
        dv.adapt_to_image(generator, encoder, style, inverted=w[:, :1], **QUICK)


def test_inversion_in_half_precision_finds_the_same(generator, encoder, style) -> None:
    a, b = (
        invert_into_source(generator, [encoder], style[None], Inversion(steps=20), precision=precision)
        for precision in ("float32", "bfloat16")
    )
    average = generator.mapping(torch.randn(2000, 8)).mean(0)
    assert 0 < (a - b).norm() < 0.1 * (a - average).norm()


def test_inversion_looks_past_colours(generator, encoder) -> None:
    shape = generator(torch.randn(1, 8, generator=torch.Generator().manual_seed(1))).detach().clamp(-1, 1)
    negative = -0.5 * shape + 0.2

    def distance(**settings):
        chosen = Inversion(steps=60, prior=0.01, **settings)
        found = generator.synthesis(invert_into_source(generator, [encoder], negative, chosen))
        colours = [
            images.flatten(2)[0] - images.flatten(2)[0].mean(1, keepdim=True) for images in (found, shape)
        ]
        return 1 - torch.nn.functional.cosine_similarity(*(each.flatten() for each in colours), dim=0)

    assert distance() < 0.5 * distance(recoloured=0.0, pixels=1.0)


def test_an_inversion_goes_on_through_a_domain_from_where_it_is(generator, encoder) -> None:
    rng = torch.Generator().manual_seed(1)
    true = generator.mapping(torch.randn(5, 8, generator=rng)).detach()
    domain = dv.Domain([0.5 * torch.randn(width, generator=rng) for width in generator.conv_channels])
    pictures = generator.synthesis(true, domain).detach()
    known = true + 0.3 * torch.randn(true.shape, generator=rng)  # which no principal components span
    inversion = SourceInversion(generator, [encoder], pictures, Inversion(), known=known)
    assert inversion.done and torch.equal(inversion.latents(), known)

    def distance() -> float:
        return (generator.synthesis(inversion.latents(), domain) - pictures).abs().mean().item()

    before = distance()
    inversion.refine(domain, Inversion(steps=1, learning_rate=1e-9))
    torch.testing.assert_close(inversion.latents(), known)
    inversion.refine(domain, Inversion(steps=60, learning_rate=0.1, recoloured=0, pixels=1, prior=0))
    assert distance() < 0.5 * before
    other = SourceInversion(generator, [encoder], pictures, Inversion(), known=known)
    other.restore(inversion.state())
    assert torch.equal(other.latents(), inversion.latents())
