"""Distances of sets of pictures that need no network: patches, colours, edges."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.evaluation import color_distance, edge_distance, sliced_wasserstein_distance
from domainvec.evaluation.wasserstein import _laplacian_pyramid, _sliced, oklab


def patch_distance(first, second):
    return sum(sliced_wasserstein_distance(first, second, patches=32, projections=64).values())


MEASURES = [patch_distance, color_distance, edge_distance]


def drawings(count: int = 24, seed: int = 0, side: int = 32):
    """Discs of random places, sizes and colours on random grounds."""
    random = torch.Generator().manual_seed(seed)
    numbers = torch.rand(count, 9, 1, 1, generator=random)
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    radius = 0.15 + 0.3 * numbers[:, 2:3]
    inside = (x - numbers[:, :1]) ** 2 + (y - numbers[:, 1:2]) ** 2 < radius**2
    return torch.where(inside, numbers[:, 3:6], numbers[:, 6:9]) * 1.2 - 0.6


def noise(images, seed: int = 1):
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("measure", MEASURES)
def test_equal_sets_are_at_zero_and_others_are_as_far_one_way_as_the_other(measure) -> None:
    first, second = drawings(), drawings(seed=1)
    assert measure(first, first) == 0
    assert measure(first, second) == measure(second, first) > 0
    assert (
        measure(first, first.repeat(2, 1, 1, 1)) < measure(first, second) / 2
    )  # of other numbers of pictures


@pytest.mark.parametrize("measure", MEASURES)
def test_the_distance_falls_with_the_noise(measure) -> None:
    images = drawings()
    far = [measure(images, images + amount * noise(images)) for amount in (0.4, 0.2, 0.1, 0.05)]
    assert far == sorted(far, reverse=True) and far[-1] < far[0] / 3


def test_each_sees_what_it_is_for() -> None:
    images, others = drawings(64, side=64), drawings(64, seed=1, side=64)
    redder = images + torch.tensor([0.3, 0.0, -0.3])[:, None, None]
    blurred = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, 1)
    shuffled = images.flatten(2)[:, :, torch.randperm(64 * 64)].unflatten(2, (64, 64))
    floor = {measure: measure(images, others) for measure in (color_distance, edge_distance)}
    cases = {"redder": redder, "blurred": blurred, "shuffled": shuffled}
    colors, edges = (
        {name: measure(images, changed) / floor[measure] for name, changed in cases.items()}
        for measure in (color_distance, edge_distance)
    )
    assert colors["redder"] > 2 and max(colors["blurred"], colors["shuffled"]) < 1
    assert min(edges["blurred"], edges["shuffled"]) > 2 and edges["redder"] < 1.5
    few = {"patches": 16, "projections": 64}
    fine = [sliced_wasserstein_distance(images, each, **few)[64] for each in (blurred, shuffled, others)]
    assert min(fine[:2]) > 2 * fine[2]


def test_edges_that_run_another_way() -> None:
    stripes = torch.sin(torch.arange(32) * 0.8).mul(0.5).expand(4, 3, 32, 32)
    assert edge_distance(stripes, stripes.transpose(2, 3)) > 0.05
    assert edge_distance(stripes, stripes.flip(3)) < 0.02
    ramp = torch.linspace(-1, 1, 32).expand(2, 3, 32, 32)
    steepness = (oklab(ramp)[0, 0, 0, 2:] - oklab(ramp)[0, 0, 0, :-2]).mean() / 2
    flat = torch.zeros(2, 3, 32, 32)
    assert edge_distance(ramp, flat) == pytest.approx(steepness.item(), rel=0.05)


def test_scales_of_patches() -> None:
    images = drawings(8, side=64)
    assert list(sliced_wasserstein_distance(images, images)) == [64, 32, 16]
    checks = 0.2 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2 - 1)
    fine = sliced_wasserstein_distance(images, images + checks)
    assert fine[64] > 5 * max(fine[32], fine[16])
    shifted = sliced_wasserstein_distance(images, images + 0.3)
    assert shifted[16] > 100 * max(shifted[64], shifted[32])
    again = sliced_wasserstein_distance(images, images + checks)
    assert again == fine != sliced_wasserstein_distance(images, images + checks, seed=1)


@pytest.mark.parametrize("side", [32, 35])
def test_the_pyramid_holds_the_picture(side) -> None:
    """A constant has no detail, and only its coarsest level is not zero."""
    fine, coarse = _laplacian_pyramid(torch.full((1, 3, side, side), 0.7))
    assert fine.shape[2:] == (side, side) and coarse.shape[2:] == ((side + 1) // 2,) * 2
    torch.testing.assert_close(fine, torch.zeros_like(fine), atol=1e-6, rtol=0)
    torch.testing.assert_close(coarse, torch.full_like(coarse, 0.7))


def test_sliced_distance_by_hand(normal) -> None:
    axes = torch.eye(2)
    first = torch.tensor([[0.0, 5.0], [1.0, 5.0]])
    assert _sliced(first, torch.tensor([[3.0, 5.0], [2.0, 5.0]]), axes) == pytest.approx((2 + 0) / 2)
    assert _sliced(first, torch.tensor([[3.0, 5.0]]), axes) == pytest.approx((2.5 + 0) / 2)
    stats = pytest.importorskip("scipy.stats")
    a, b = normal(40, 1), normal(120, 1, seed=1) * 2 + 0.3
    expected = stats.wasserstein_distance(a[:, 0].numpy(), b[:, 0].numpy())
    assert _sliced(a, b, torch.ones(1, 1)) == pytest.approx(expected, rel=1e-5)


def test_oklab_of_known_colours() -> None:
    colours = torch.tensor([[1.0, 1, 1], [-1, -1, -1], [1, -1, -1], [-1, -1, 1]]).T[None, :, None]
    known = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0.62796, 0.22486, 0.12585], [0.45201, -0.03246, -0.31153]])
    torch.testing.assert_close(oklab(colours)[0, :, 0].T, known, atol=1e-4, rtol=0)


def test_a_move_of_all_colours_is_as_long_as_it_is() -> None:
    grey, lighter = torch.zeros(3, 3, 8, 8), torch.full((3, 3, 8, 8), 0.4)
    move = (oklab(lighter) - oklab(grey))[0, 0, 0, 0].item()
    assert color_distance(grey, lighter) == pytest.approx(move, rel=0.1)


@pytest.mark.parametrize("measure", MEASURES)
def test_pictures_are_checked(measure) -> None:
    images = drawings(2)
    for wrong in (images[:, :1], images[0], images[..., :31], images[:0]):
        with pytest.raises(ShapeError, match=r"pictures have shapes .*; expected \(N, 3, H, W\) and \(M, 3"):
            measure(images, wrong)
    with pytest.raises(InputError, match="not finite"):
        measure(images, images / 0)


def test_small_pictures_and_numbers_are_refused() -> None:
    with pytest.raises(ShapeError, match="H and W at least 16"):
        sliced_wasserstein_distance(drawings(2, side=15), drawings(2, side=15))
    with pytest.raises(ShapeError, match="H and W at least 3"):
        edge_distance(drawings(2, side=2), drawings(2, side=2))
    with pytest.raises(InputError, match="patches is 0 and projections 512; expected 1 or more"):
        sliced_wasserstein_distance(drawings(2), drawings(2), patches=0)
