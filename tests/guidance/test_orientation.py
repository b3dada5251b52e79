from __future__ import annotations

import pytest
import torch

from domainvec.errors import ShapeError
from domainvec.guidance.orientation import orientation_loss


def mouth(bend: float, ink: float = -1.0, ground: float = 1.0, size: int = 64) -> torch.Tensor:
    """A curve, up at its ends for a positive bend."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    near = (-((y + bend * x.square()) / 0.08).square()).exp() * (x.abs() < 0.6)
    return (ground + (ink - ground) * near).expand(1, 3, -1, -1).clone()


def test_nothing_moved():
    assert orientation_loss(mouth(0.5), mouth(0.5)).item() == pytest.approx(0, abs=1e-5)


def test_light_may_turn_dark_but_a_smile_may_not_turn_down():
    smile = mouth(0.8)
    inverted = orientation_loss(mouth(0.8, ink=1.0, ground=-1.0), smile)
    paler = orientation_loss(mouth(0.8, ink=0.0), smile)
    sad = orientation_loss(mouth(-0.8), smile)
    assert inverted < 0.01 and paler < 0.05 < 0.5 < sad


def test_other_sizes_are_compared_at_the_same_scale():
    big = orientation_loss(mouth(-0.8, size=128), mouth(0.8, size=128))
    torch.testing.assert_close(big, orientation_loss(mouth(-0.8), mouth(0.8)), atol=0.1, rtol=0)


def test_each_picture_counts_alike(normal):
    target, source = normal(3, 3, 32, 32), normal(3, 3, 32, 32, seed=1)
    each = torch.stack([orientation_loss(target[i : i + 1], source[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(orientation_loss(target, source), each.mean())


def test_flat_pictures_have_finite_gradients():
    flat = torch.zeros(2, 3, 64, 64, requires_grad=True)
    orientation_loss(flat, torch.cat([mouth(0.5), mouth(0.5)])).backward()
    assert flat.grad.isfinite().all()


def test_shapes_are_checked(normal):
    with pytest.raises(ShapeError, match="expects the same"):
        orientation_loss(normal(2, 3, 32, 32), normal(3, 3, 32, 32))
    with pytest.raises(ShapeError, match="at least 32 px on a side"):
        orientation_loss(normal(2, 3, 16, 16), normal(2, 3, 16, 16))
