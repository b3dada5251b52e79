from __future__ import annotations

import math

import pytest
import torch

from domainvec.errors import InputError, ShapeError
from domainvec.guidance.robust import (
    Augmentation,
    augment,
    changed_loss,
    chroma_loss,
    edge_loss,
    out_of_range_loss,
    squash,
    tone_loss,
)

STILL = Augmentation(crop=(1, 1), rotation=0, flip=0, contrast=0, brightness=0, tint=0, noise=0, blur=0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(size=32, seed=0):
    return torch.rand(3, 3, size, size, generator=seeded(seed)) * 2 - 1


def test_augmenting_depends_on_the_generator_alone():
    first = augment(pictures(), Augmentation(), seeded(1))
    torch.manual_seed(5)
    assert torch.equal(augment(pictures(), Augmentation(), seeded(1)), first)
    assert not torch.equal(augment(pictures(), Augmentation(), seeded(2)), first)


def test_every_row_has_its_own_view():
    same = pictures()[:1].expand(3, 3, 32, 32)
    views = augment(same, Augmentation(), seeded())
    assert not torch.allclose(views[0], views[1], atol=0.1)


def test_without_ranges_pictures_barely_move():
    # A crop of the whole picture may still shift by a twentieth of its half side.
    smooth = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    views = augment(smooth, STILL, seeded())
    assert (views - smooth).abs().max() < 0.2


def test_mirror_is_horizontal():
    ramp = torch.linspace(-1, 1, 32).expand(2, 3, 32, 32)
    views = augment(ramp, Augmentation(**{**vars(STILL), "flip": 1.0}), seeded())
    assert (views[..., 0] > views[..., -1]).all()


def test_augmenting_is_differentiable():
    images = pictures().requires_grad_(True)
    augment(images, Augmentation(), seeded()).square().sum().backward()
    assert torch.isfinite(images.grad).all()
    assert (images.grad.flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": (0.0, 1.0)}, "crop is"),
        ({"crop": (1.0, 0.5)}, "crop is"),
        ({"noise": -1}, "noise is -1; expected a number from 0 to 2"),
        ({"flip": 1.5}, "flip is 1.5"),
    ],
)
def test_ranges_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        Augmentation(**values)


def test_squash_leaves_a_way_back():
    images = torch.tensor([-3.0, -0.5, 0.5, 2.0], requires_grad=True)
    squashed = squash(images)
    torch.testing.assert_close(squashed, torch.tensor([-1.2, -0.5, 0.5, 1.1]))
    squashed.sum().backward()
    torch.testing.assert_close(images.grad, torch.tensor([0.1, 1.0, 1.0, 0.1]))


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


def test_tones_ask_who_is_darker_and_not_how_dark_all_are():
    source = pictures()
    assert tone_loss(source, source) == pytest.approx(0, abs=1e-3)
    assert tone_loss(0.4 * source - 0.3 + pictures(seed=9)[:1], source) == pytest.approx(0, abs=1e-2)
    assert tone_loss(-source, source) == pytest.approx(2, abs=1e-3)
    assert tone_loss(source.roll(1, dims=0), source) > 0.9
    coloured = source + torch.tensor([0.587, -0.299, 0.0])[:, None, None] * torch.randn(3, 1, 1, 1)
    assert tone_loss(coloured, source) == pytest.approx(0, abs=1e-3)
    alike = source[:1].repeat(2, 1, 1, 1).requires_grad_(True)
    tone_loss(alike, source[:2]).backward()
    assert torch.isfinite(alike.grad).all()
    with pytest.raises(ShapeError, match="got one picture; the tone term compares"):
        tone_loss(source[:1], source[:1])


def test_changed_counts_pixels_and_not_how_far_they_went():
    source = pictures()
    assert changed_loss(source, source) == pytest.approx(0, abs=1e-6)
    half = source.clone()
    half[..., : half.shape[-1] // 2] += 0.8
    assert changed_loss(half, source) == pytest.approx(0.5, abs=1e-2)
    assert changed_loss(source + 4, source) == pytest.approx(1, abs=1e-3)
    tinted = source.clone()
    tinted[:, 0] += 0.15
    assert changed_loss(tinted, source) == pytest.approx(1 - math.exp(-1), abs=3e-2)
    same = source.clone().requires_grad_(True)
    changed_loss(same, source).backward()
    assert torch.isfinite(same.grad).all()


def test_edges_of_a_flat_picture_have_finite_gradients():
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)
    edge_loss(flat, pictures()[:1]).backward()
    assert torch.isfinite(flat.grad).all()


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match="expected the same"):
        edge_loss(pictures(32), pictures(64))
    with pytest.raises(ShapeError, match="needs at least 32"):
        edge_loss(pictures(16), pictures(16))
