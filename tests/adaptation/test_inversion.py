"""From pictures to the latents of the nearest source images."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch.nn.functional import cosine_similarity

import domainvec as dv
from domainvec.adaptation import Inversion
from domainvec.adaptation.inversion import InversionStep, Inverter
from domainvec.errors import InputError, ShapeError


def test_inversion_approaches_and_the_prior_holds_back(generator, encoder) -> None:
    wanted = generator(torch.randn(1, 8, generator=torch.Generator().manual_seed(1))).detach().clamp(-1, 1)

    def found(prior: float) -> tuple[torch.Tensor, list[InversionStep]]:
        told = []
        settings = Inversion(steps=40, prior=prior)
        return dv.invert(generator, wanted, encoder, settings=settings, callback=told.append), told

    w, told = found(prior=0.0)
    assert w.shape == (1, generator.num_ws, generator.w_dim)
    assert [(each.step, each.total) for each in told] == [(step, 40) for step in range(1, 41)]
    assert told[-1].loss < 0.8 * told[0].loss
    assert torch.equal(w, found(prior=0.0)[0])
    average = generator.mapping(torch.randn(2000, 8)).mean(0)
    held = found(prior=100.0)[0]
    assert (held - average).norm() < 0.5 * (w - average).norm()


def test_inversion_in_half_precision_finds_the_same(generator, picture) -> None:
    a, b = (
        Inverter(generator, [], picture[None], Inversion(steps=20), dtype=dtype).latents()
        for dtype in (None, torch.bfloat16)
    )
    average = generator.mapping(torch.randn(2000, 8)).mean(0)
    assert 0 < (a - b).norm() < 0.1 * (a - average).norm()


def test_inversion_looks_past_colours(generator) -> None:
    shape = generator(torch.randn(1, 8, generator=torch.Generator().manual_seed(1))).detach().clamp(-1, 1)
    negative = -0.5 * shape + 0.2

    def distance(**settings: float) -> torch.Tensor:
        chosen = Inversion(steps=60, prior=0.01, **settings)
        found = generator.synthesis(dv.invert(generator, negative, settings=chosen))
        colours = [
            images.flatten(2)[0] - images.flatten(2)[0].mean(1, keepdim=True) for images in (found, shape)
        ]
        return 1 - cosine_similarity(*(each.flatten() for each in colours), dim=0)

    assert distance() < 0.5 * distance(recoloured=0.0, pixels=1.0)


def test_features_are_those_of_the_encoders(generator, encoder, picture) -> None:
    def similarity(weight: float) -> float:
        settings = Inversion(steps=30, recoloured=0, edges=0, pixels=0.01, prior=0, features=weight)
        w = dv.invert(generator, picture, encoder, settings=settings)
        seen = encoder.encode_images(torch.cat([generator.synthesis(w), picture[None]]))
        return (seen[0] @ seen[1]).item()

    assert similarity(1.0) > similarity(0.0) + 0.1


def test_an_inversion_goes_on_through_a_domain_from_where_it_is(generator, encoder) -> None:
    rng = torch.Generator().manual_seed(1)
    true = generator.mapping(torch.randn(5, 8, generator=rng)).detach()
    domain = dv.Domain([0.5 * torch.randn(width, generator=rng) for width in generator.conv_channels])
    pictures = generator.synthesis(true, domain).detach()
    known = true + 0.3 * torch.randn(true.shape, generator=rng)  # which no principal components span
    inverter = Inverter(generator, [encoder], pictures, Inversion(), known=known)
    assert inverter.done and torch.equal(inverter.latents(), known)

    def distance(latents: torch.Tensor) -> float:
        return (generator.synthesis(latents, domain) - pictures).abs().mean().item()

    still = inverter.again(domain, Inversion(steps=1, learning_rate=1e-9))
    torch.testing.assert_close(still.latents(), known)
    settings = Inversion(steps=60, learning_rate=0.1, recoloured=0, pixels=1, prior=0)
    refined = inverter.again(domain, settings).latents()
    assert distance(refined) < 0.5 * distance(known)
    assert torch.equal(inverter.latents(), known)  # Until whoever asked takes them over.


@pytest.mark.parametrize("stop", [2, 5, 9])
def test_an_inversion_goes_on_from_its_state(generator, encoder, few, stop) -> None:
    """Four of six pictures, then two: in the first, at the start of and in the second group."""
    settings = Inversion(steps=5, features=0.5)

    def make() -> Inverter:
        return Inverter(generator, [encoder], few, settings)

    whole = make()
    losses = [progress.loss for progress in whole.run()]
    assert len(losses) == 10
    first = make()
    for progress in first.run():
        if progress.step == stop:
            break
    second = make()
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    rest = list(second.run())
    assert [progress.step for progress in rest] == list(range(stop + 1, 11))
    assert [progress.loss for progress in rest] == losses[stop:]
    assert torch.equal(second.found, whole.found) and second.done


def test_each_picture_is_inverted_by_itself(generator, few) -> None:
    settings = Inversion(steps=5)
    together = dv.invert(generator, few, settings=settings)
    assert together.shape == (6, generator.num_ws, 8)
    alone = torch.cat([dv.invert(generator, each, settings=settings) for each in few])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


def test_files_and_folders_are_inverted(tmp_path, generator) -> None:
    for shade in (30, 200):
        Image.new("RGB", (20, 30), (shade, 0, 90)).save(tmp_path / f"{shade}.png")
    settings = Inversion(steps=2)
    both = dv.invert(generator, tmp_path, settings=settings)
    one = dv.invert(generator, str(tmp_path / "200.png"), settings=settings)
    assert len(both) == 2 and len(one) == 1
    torch.testing.assert_close(both[:1], one, rtol=1e-3, atol=1e-3)
    (tmp_path / "200.png").unlink()
    assert len(dv.invert(generator, tmp_path, settings=settings)) == 1
    with pytest.raises(InputError, match=r"none\.png"):
        dv.invert(generator, tmp_path / "none.png")
    with pytest.raises(ShapeError, match=r"pictures have shape \(2, 3, 8, 8\); expected \(M, 3, 16, 16\)"):
        dv.invert(generator, torch.zeros(2, 3, 8, 8))


def test_known_latents_must_fit_the_pictures(generator, few) -> None:
    w = torch.zeros(6, generator.num_ws, 8)
    assert Inverter(generator, [], few, Inversion(), known=w).done
    for wrong in (w[:5], w[:, :1], w[..., :3]):
        with pytest.raises(
            ShapeError, match=r"inverted latents have shape .*; expected \(6, 6, 8\), as invert"
        ):
            Inverter(generator, [], few, Inversion(), known=wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prior": -1}, "prior is -1; expected a finite number, 0 or more"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"steps": 0}, "the inversion's steps are 0; expected a whole number from 1"),
        ({"steps": 2.5}, "the inversion's steps are 2.5"),
    ],
)
def test_settings_are_checked(values, message) -> None:
    with pytest.raises(InputError, match=message):
        Inversion(**values)
