from __future__ import annotations

import pytest
import torch

from domainvec.errors import InputError
from domainvec.guidance import Augmentation
from domainvec.guidance.augmentation import augment, squash

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
