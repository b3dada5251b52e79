"""Frozen weights take a shorter way through a convolution, with the same results."""

from __future__ import annotations

import copy

import pytest
import torch

from domainvec.domains import Domain
from domainvec.stylegan2 import Generator, GeneratorConfig
from domainvec.stylegan2.modulation import modulated_conv


def random_arguments(up: bool, noise: bool, dtype: torch.dtype = torch.float64) -> list[torch.Tensor | None]:
    torch.manual_seed(0)
    size = 6 if up else 3
    shapes = [
        (2, 3, 3, 3),
        (2, 3, 1, 1),
        (4, 3, 3, 3),
        (2, 4, 1, 1),
        (size, size) if noise else None,
        (4, 1, 1),
    ]
    return [None if shape is None else torch.randn(shape).to(dtype) for shape in shapes]


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("clamp", [None, 2.0])
def test_first_and_second_derivatives(up: bool, noise: bool, clamp: float | None) -> None:
    x, style, *rest = random_arguments(up, noise)
    x.requires_grad_()
    style.requires_grad_()

    def layer(x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        return modulated_conv(x, style, *rest, up=up, clamp=clamp)

    assert torch.autograd.gradcheck(layer, (x, style))
    assert torch.autograd.gradgradcheck(layer, (x, style))


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_place_equals_the_plain_way_bit_for_bit(up: bool, dtype: torch.dtype) -> None:
    arguments = random_arguments(up, True, dtype)
    x, style, kernel, *_ = arguments
    x.requires_grad_()
    style.requires_grad_()
    frozen = modulated_conv(*arguments, up=up, clamp=None)
    kernel.requires_grad_()
    trained = modulated_conv(*arguments, up=up, clamp=None)
    assert torch.equal(frozen, trained)
    seed = torch.randn_like(frozen)
    tolerance = {"rtol": 0, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.1, "atol": 0.3}
    for one, other in zip(
        torch.autograd.grad(frozen, (x, style), seed),
        torch.autograd.grad(trained, (x, style), seed),
        strict=True,
    ):
        torch.testing.assert_close(one, other, **tolerance)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorConfig(16, 6, 6, 2, (6, 5, 4))).requires_grad_(False)


def test_held_weights_change_nothing_and_end_with_the_block(generator: Generator) -> None:
    w = generator.mapping(torch.randn(2, 6))
    names = generator.state_dict().keys()
    plain = generator.synthesis(w)
    with generator.synthesis.weights_held():
        assert torch.equal(generator.synthesis(w), plain)
        assert torch.equal(generator.synthesis(w), plain)
        half = generator.synthesis(w, dtype=torch.bfloat16)
        assert torch.equal(generator.synthesis(w), plain)
        assert generator.state_dict().keys() == names
        assert torch.equal(copy.deepcopy(generator).synthesis(w), plain)
    assert torch.equal(generator.synthesis(w, dtype=torch.bfloat16), half)
    generator.synthesis.convs[0].weight.mul_(2).add_(1)
    assert not torch.equal(generator.synthesis(w), plain)


def test_weights_that_a_domain_changes_are_never_the_held_ones(generator: Generator) -> None:
    w = generator.mapping(torch.randn(2, 6))
    name = "convs.1.weight"
    changes = [torch.randn_like(generator.synthesis.get_parameter(name)) for _ in range(2)]
    expected = [generator.synthesis(w, Domain(weights={name: change})) for change in changes]
    plain = generator.synthesis(w)
    with generator.synthesis.weights_held():
        for change, images in zip(changes, expected, strict=True):
            assert torch.equal(generator.synthesis(w), plain)
            assert torch.equal(generator.synthesis(w, Domain(weights={name: change})), images)
            trained = change.clone().requires_grad_()
            changed = generator.synthesis(w, Domain(weights={name: trained}))
            assert torch.equal(changed, images)
            changed.sum().backward()
            assert trained.grad is not None and trained.grad.any()
    generator.requires_grad_(True)
    with generator.synthesis.weights_held():
        generator.synthesis(w).sum().backward()
        generator.synthesis(w).sum().backward()
