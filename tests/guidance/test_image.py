from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.guidance import (
    FACES,
    ImageGuidance,
    ImageObjective,
    Viewer,
    clip_across_loss,
    direction_loss,
    pixel_loss,
    token_loss,
)


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
    others = {"across": 0, "within": 0, "reference_embedding": 0, "reference_pixels": 0}
    assert ImageGuidance(**others, reference_tokens=1).reference_tokens == 1
    with pytest.raises(InputError, match="all weights that see the style image are 0"):
        ImageGuidance(**others, reference_tokens=0)


def test_pixels_of_several_sizes():
    flat = torch.zeros(2, 3, 32, 32)
    assert pixel_loss(flat, flat[:1]) == 0
    assert pixel_loss(flat + 0.5, flat[:1]) == pytest.approx(0.25)
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    assert pixel_loss(checks.expand(1, 3, 32, 32), flat[:1]) == pytest.approx(1 / 3, abs=1e-6)
    with pytest.raises(ShapeError):
        pixel_loss(flat, flat[:, :, :16])


def test_guidance_says_what_is_wrong():
    with pytest.raises(InputError, match="tokens is -1"):
        ImageGuidance(tokens=-1)
    with pytest.raises(InputError, match="recoloured is 2"):
        ImageGuidance(recoloured=2)
    given = ImageGuidance(tokens=2.0, recoloured=0.5)
    assert ImageGuidance(**given.to_dict()) == given


class Eye:
    name, guidance = "eye", None

    def encode_images(self, images):
        return self.encode_images_and_tokens(images)[0]

    def encode_images_and_tokens(self, images, depth=0.5):
        pooled = F.adaptive_avg_pool2d(images, 4)
        return F.normalize(pooled.flatten(1), dim=1), pooled.flatten(2).transpose(1, 2)


def test_the_sum_is_that_of_its_terms_and_reaches_the_pictures():
    rng = torch.Generator().manual_seed(0)
    style, inversion = torch.rand(2, 1, 3, 32, 32, generator=rng) * 2 - 1
    adapted, source = torch.rand(2, 3, 3, 32, 32, generator=rng) * 2 - 1
    guidance = ImageGuidance(
        tokens=2.0,
        in_domain_angle=1.0,
        edges=0.5,
        tones=0.7,
        changed=0.4,
        chroma=1.0,
        out_of_range=4.0,
        l2=0.1,
        within=0.5,
        resemblance=0.3,
    )
    views = FACES.of_texts_alone()
    objective = ImageObjective([Eye(), Eye()], guidance, style, inversion, views)
    adapted.requires_grad_()
    references = inversion.repeat(2, 1, 1, 1).requires_grad_()
    seen = Viewer([Eye(), Eye()], views).see(source, generator=rng)
    total, parts = objective(adapted, seen, references, domain_l2=torch.tensor(2.0))
    assert parts.keys() == {name for name in guidance.to_dict() if name not in ("token_depth", "recoloured")}
    expected = sum(getattr(guidance, name) * part.item() for name, part in parts.items())
    assert total.item() == pytest.approx(expected, rel=1e-5)
    total.backward()
    assert adapted.grad.isfinite().all() and adapted.grad.any()
    assert references.grad.isfinite().all() and references.grad.any()
    reached, _ = objective(source, seen, style.repeat(2, 1, 1, 1), domain_l2=torch.tensor(0.0))
    assert reached < total
    with pytest.raises(InputError, match="no encoder"):
        ImageObjective([], guidance, style, inversion, views)
    with pytest.raises(InputError, match="pass of_texts"):
        ImageObjective([Eye()], guidance, style, inversion)
