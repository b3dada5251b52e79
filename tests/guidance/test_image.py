"""Guidance by one picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from guidance_toys import pictures, seeded
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.guidance import (
    PUBLISHED,
    ImageGuidance,
    Preservation,
    clip_across_loss,
    clip_within_loss,
    direction_loss,
    pixel_loss,
    token_loss,
)
from domainvec.guidance.image import Reference, image_terms
from domainvec.guidance.viewing import Needs, Viewer


def test_across_is_the_direction_with_pictures_in_place_of_texts(reference):
    names = ("target", "source", "ref_target", "ref_source")
    target, source, style, inversion = (reference[f"in.{name}"] for name in names)
    expected = direction_loss(target, source, style[:, None], inversion[:, None])
    assert clip_across_loss(target, source, style, inversion) == pytest.approx(expected.item(), abs=1e-6)


def test_tokens_that_are_all_met_cost_nothing():
    tokens = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    shuffled = tokens[:, torch.tensor([3, 1, 4, 0, 2])]
    assert token_loss(tokens, shuffled).abs() < 1e-6
    assert token_loss(tokens, -tokens) > 0.1


def test_tokens_by_hand():
    first = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    second = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    # Each token of the first is met at once; of the second, one is a right angle away.
    assert token_loss(first, second) == pytest.approx(0.5)
    assert token_loss(second, first) == pytest.approx(0.5)
    with pytest.raises(ShapeError, match="tokens have shapes"):
        token_loss(first, second[..., :1])


def test_tokens_of_the_inversion_alone_see_the_picture():
    others = {"clip_across": 0, "clip_within": 0, "reference_embedding": 0, "reference_pixels": 0}
    assert ImageGuidance(**others, reference_tokens=1).reference_tokens == 1
    with pytest.raises(InputError, match="all weights that see the picture are 0; set one above 0"):
        ImageGuidance(**others, reference_tokens=0)
    with pytest.raises(InputError, match="all weights that see the picture are 0"):
        ImageGuidance(**others | {"clip_within": 1}, reference_tokens=0)


def test_pixels_of_several_sizes():
    flat = torch.zeros(2, 3, 32, 32)
    assert pixel_loss(flat, flat[:1]) == 0
    assert pixel_loss(flat + 0.5, flat[:1]) == pytest.approx(0.25)
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    assert pixel_loss(checks.expand(1, 3, 32, 32), flat[:1]) == pytest.approx(1 / 3, abs=1e-6)
    with pytest.raises(ShapeError):
        pixel_loss(flat, flat[:, :, :16])


def test_guidance_says_what_is_wrong():
    for values, said in (
        ({"tokens": -1}, "tokens is -1; expected a finite number, 0 or more"),
        ({"clip_across": float("inf")}, "clip_across is inf"),
        ({"recoloured": 2}, "recoloured is 2; expected a number from 0 to 1"),
        ({"token_depth": 1.5}, "token_depth is 1.5"),
    ):
        with pytest.raises(InputError, match=said):
            ImageGuidance(**values)
    given = ImageGuidance(tokens=2.0, recoloured=0.5, preservation=Preservation(edges=3.0))
    values = given.to_dict()
    assert ImageGuidance(**values | {"preservation": Preservation(**values["preservation"])}) == given


class Eye:
    """Sees an image at 4 px; the contrast decides which of two eyes it is."""

    guidance = None

    def __init__(self, contrast: float = 1.0) -> None:
        self.name, self.contrast = f"eye {contrast}", contrast

    def encode_images(self, images):
        return self.encode_images_and_tokens(images)[0]

    def encode_images_and_tokens(self, images, depth=0.5):
        pooled = F.adaptive_avg_pool2d((self.contrast * images).tanh(), 4)
        return F.normalize(pooled.flatten(1), dim=1), pooled.flatten(2).transpose(1, 2)


GUIDANCE = ImageGuidance(
    clip_across=1.5,
    clip_within=0.5,
    reference_embedding=3.0,
    reference_pixels=0.7,
    tokens=2.0,
    reference_tokens=0.3,
)


def terms_of(eyes, guidance, picture, inversion, adapted, source, extra):
    viewer = Viewer(eyes, PUBLISHED, Needs(whole=True, token_depth=0.5))
    batch = viewer.adapted_batch(adapted, viewer.source_batch(source, rng=seeded()), extra=extra)
    references = [
        Reference(*eye.encode_images_and_tokens(picture), eye.encode_images(inversion)) for eye in eyes
    ]
    return image_terms(guidance, picture, references, batch)


def test_each_term_is_its_loss_and_reaches_the_images():
    eye, picture, inversion = Eye(), pictures(1, 1), pictures(2, 1)
    adapted, source = pictures(3).requires_grad_(), pictures(4)
    extra = inversion.repeat(2, 1, 1, 1).mul(0.9).requires_grad_()
    terms = terms_of([eye], GUIDANCE, picture, inversion, adapted, source, extra)
    assert {name: weight for name, (weight, _) in terms.items()} == {
        name: getattr(GUIDANCE, name) for name in terms
    }
    (style, style_tokens), (drawn, drawn_tokens) = map(eye.encode_images_and_tokens, (picture, extra))
    embeddings = *map(eye.encode_images, (adapted, source)), style, eye.encode_images(inversion)
    expected = {
        "reference_pixels": pixel_loss(extra, picture),
        "clip_across": clip_across_loss(*embeddings, shortest_shift=0.05),
        "clip_within": clip_within_loss(*embeddings),
        "reference_embedding": 1 - (drawn @ style.T).mean(),
        "tokens": token_loss(eye.encode_images_and_tokens(adapted)[1], style_tokens),
        "reference_tokens": token_loss(drawn_tokens, style_tokens),
    }
    torch.testing.assert_close({name: value for name, (_, value) in terms.items()}, expected)
    torch.stack([weight * value for weight, value in terms.values()]).sum().backward()
    assert adapted.grad.isfinite().all() and adapted.grad.any()
    assert extra.grad.isfinite().all() and extra.grad.any()


def test_terms_are_means_over_the_encoders_and_those_without_weight_are_left_out():
    images = pictures(1, 1), pictures(2, 1), pictures(3), pictures(4), pictures(5, 2)
    first, second, both = (
        terms_of(eyes, GUIDANCE, *images) for eyes in ([Eye(1)], [Eye(3)], [Eye(1), Eye(3)])
    )
    for name, (_, value) in both.items():
        torch.testing.assert_close(value, (first[name][1] + second[name][1]) / 2)
    assert not torch.allclose(first["tokens"][1], second["tokens"][1])
    less = replace(GUIDANCE, reference_pixels=0, tokens=0)
    assert terms_of([Eye()], less, *images).keys() == both.keys() - {"reference_pixels", "tokens"}


def test_images_that_have_become_the_picture_cost_less():
    picture, inversion, source = pictures(1, 1), pictures(2, 1), pictures(3)
    reached = terms_of([Eye()], GUIDANCE, picture, inversion, source, source, picture.repeat(2, 1, 1, 1))
    for name in ("reference_pixels", "reference_embedding", "reference_tokens"):
        assert reached[name][1] == pytest.approx(0, abs=1e-5)
