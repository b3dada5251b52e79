"""What every adaptation keeps of the source image."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch
from guidance_toys import LinearEncoder, batch_of, pictures

from domainvec.errors import InputError, ShapeError
from domainvec.guidance import Guidance, Preservation, in_domain_angle_loss
from domainvec.guidance.augmentation import squash
from domainvec.guidance.orientation import orientation_loss
from domainvec.guidance.preservation import (
    chroma_loss,
    edge_loss,
    luminance_loss,
    out_of_range_loss,
    pixel_change_loss,
)


def test_out_of_range_counts_the_excess_only():
    assert out_of_range_loss(pictures()) == 0
    assert out_of_range_loss(torch.full((1, 3, 4, 4), 1.5)) == pytest.approx(0.25)


def test_chroma_penalises_new_colours_only():
    grey = pictures()[:, :1].expand(3, 3, 32, 32)
    assert chroma_loss(pictures(), grey) > 0.1
    assert chroma_loss(grey, pictures()) == 0
    assert chroma_loss(0.5 * grey, grey) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("size", [32, 64, 100])
def test_edges_ignore_colour_and_contrast_but_not_place(size):
    source = torch.zeros(1, 3, size, size)
    source[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    inverted = torch.cat([-0.7 * source[:, :2], 0.4 - 0.3 * source[:, 2:]], dim=1)
    assert edge_loss(source, source) == pytest.approx(0, abs=1e-2)
    assert edge_loss(inverted, source) == pytest.approx(0, abs=2e-2)
    assert edge_loss(source.roll(size // 3, dims=-1), source) > 0.3


def test_luminance_asks_who_is_darker_and_not_how_dark_all_are():
    source = pictures()
    assert luminance_loss(source, source) == pytest.approx(0, abs=1e-3)
    assert luminance_loss(0.4 * source - 0.3 + pictures(seed=9)[:1], source) == pytest.approx(0, abs=1e-2)
    assert luminance_loss(-source, source) == pytest.approx(2, abs=1e-3)
    assert luminance_loss(source.roll(1, dims=0), source) > 0.9
    coloured = source + torch.tensor([0.587, -0.299, 0.0])[:, None, None] * torch.randn(3, 1, 1, 1)
    assert luminance_loss(coloured, source) == pytest.approx(0, abs=1e-3)
    alike = source[:1].repeat(2, 1, 1, 1).requires_grad_(True)
    luminance_loss(alike, source[:2]).backward()
    assert torch.isfinite(alike.grad).all()
    with pytest.raises(ShapeError, match="got one image; the luminance term compares"):
        luminance_loss(source[:1], source[:1])


def test_pixel_change_counts_pixels_and_not_how_far_they_went():
    source = pictures()
    assert pixel_change_loss(source, source) == pytest.approx(0, abs=1e-6)
    half = source.clone()
    half[..., : half.shape[-1] // 2] += 0.8
    assert pixel_change_loss(half, source) == pytest.approx(0.5, abs=1e-2)
    assert pixel_change_loss(source + 4, source) == pytest.approx(1, abs=1e-3)
    tinted = source.clone()
    tinted[:, 0] += 0.15
    assert pixel_change_loss(tinted, source) == pytest.approx(1 - math.exp(-1), abs=3e-2)
    same = source.clone().requires_grad_(True)
    pixel_change_loss(same, source).backward()
    assert torch.isfinite(same.grad).all()


def test_edges_of_a_flat_picture_have_finite_gradients():
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)
    edge_loss(flat, pictures()[:1]).backward()
    assert torch.isfinite(flat.grad).all()


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match="expected the same"):
        edge_loss(pictures(size=32), pictures(size=64))
    with pytest.raises(ShapeError, match="needs at least 32"):
        edge_loss(pictures(size=16), pictures(size=16))


LOSSES = {
    "edges": edge_loss,
    "orientation": orientation_loss,
    "luminance": luminance_loss,
    "pixel_change": pixel_change_loss,
    "chroma": chroma_loss,
}


def terms_of(preservation, adapted, source, encoders=()):
    batch = batch_of(encoders, Guidance(preservation=preservation), adapted, source, views=False)
    return {**preservation.pixel_terms(batch), **preservation.embedding_terms(batch)}


def test_each_weight_has_the_term_of_its_name():
    adapted, source = 1.5 * pictures(1), pictures(2)
    assert terms_of(Preservation(), adapted, source) == {}
    for name, loss in LOSSES.items():
        keep = Preservation(**{name: 2.0})
        assert keep.needs_source_images
        ((found, (weight, value)),) = terms_of(keep, adapted, source).items()
        assert (found, weight) == (name, 2.0)
        torch.testing.assert_close(value, loss(adapted, source))
    excess = Preservation(out_of_range=3.0)
    assert not excess.needs_source_images
    torch.testing.assert_close(
        terms_of(excess, adapted, source), {"out_of_range": (3.0, out_of_range_loss(adapted))}
    )


def test_the_angle_is_the_mean_over_the_encoders():
    encoders = [LinearEncoder(seed=0), LinearEncoder(seed=1)]
    keep, images = Preservation(in_domain_angle=0.5), (pictures(1), pictures(2))
    assert not keep.needs_source_images
    ((name, (weight, value)),) = terms_of(keep, *images, encoders).items()
    assert (name, weight) == ("in_domain_angle", 0.5)
    angles = [in_domain_angle_loss(*map(encoder.encode_images, images)) for encoder in encoders]
    torch.testing.assert_close(value, torch.stack(angles).mean())


def test_what_encoders_see_squashed_is_compared_squashed():
    """Where pixels out of range cost something; chroma and the excess itself are those of the images."""
    adapted, source = 3 * pictures(1), pictures(2)
    keep = Preservation(out_of_range=1.0, **dict.fromkeys(LOSSES, 1.0))
    for name, (_, value) in terms_of(keep, adapted, source).items():
        if name == "out_of_range":
            torch.testing.assert_close(value, out_of_range_loss(adapted))
        else:
            seen = adapted if name == "chroma" else squash(adapted)
            torch.testing.assert_close(value, LOSSES[name](seen, source))


WEIGHTS = [field.name for field in fields(Preservation) if field.name not in ("keep", "attributes")]


@pytest.mark.parametrize("name", [*WEIGHTS, "attributes"])
def test_weights_are_checked(name):
    with pytest.raises(InputError, match=f"{name} is -1.0; expected a finite number, 0 or more"):
        Preservation(**{name: -1.0})
    with pytest.raises(InputError, match=f"{name} is nan"):
        Preservation(**{name: float("nan")})
    with pytest.raises(InputError, match=f"{name} is 'much', of the wrong type"):
        Preservation(**{name: "much"})


def test_two_terms_compare_the_images_of_a_batch():
    comparing = {name for name in WEIGHTS if Preservation(**{name: 1.0}).compares_batch}
    assert comparing == {"in_domain_angle", "luminance"}
