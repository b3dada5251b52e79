"""What is trained: the numbers of one domain, all of them or those of some layers."""

from __future__ import annotations

import pytest
import torch

import domainvec as dv
from domainvec.adaptation.learnable import DomainVector
from domainvec.errors import AdaptationError

QUICK = {"steps": 6, "batch_size": 2}


@pytest.mark.parametrize(
    ("layers", "convs", "colours"),
    [
        ("coarse", [True] * 4 + [False], [True, True, False]),
        ("middle", [False] * 4 + [True], [False, False, True]),
        ("0-1, 4", [True, True, False, False, True], [True, False, False]),
    ],
)
def test_only_the_numbers_of_some_layers_are_learned(generator, encoder, layers, convs, colours) -> None:
    result = dv.adapt(generator, encoder, "red", layers=layers, parameterization="modulation+rgb", **QUICK)
    assert [bool(offset.any()) for offset in result.domain.offsets] == convs
    assert [bool(offset.any()) for offset in result.domain.rgb_offsets] == colours
    assert [bool(bias.any()) for bias in result.domain.rgb_bias] == colours
    assert result.domain.metadata["training"]["layers"] == layers


def test_sparse_keeps_a_fifth(generator, encoder) -> None:
    domain = dv.adapt(generator, encoder, "red", parameterization="stylespace-sparse", **QUICK).domain
    dense = dv.adapt(generator, encoder, "red", parameterization="stylespace", **QUICK).domain
    assert (domain.num_nonzero, dense.num_nonzero) == (8, 40)
    kept = domain.vector != 0
    assert torch.equal(domain.vector[kept], dense.vector[kept])
    assert domain.vector[kept].abs().min() >= dense.vector[~kept].abs().max()


def test_the_numbers_of_the_result_fit_half_precision(generator) -> None:
    learnable = DomainVector(generator, dv.Training(), {})
    domain = learnable.finish(torch.full_like(learnable.start, 0.1))
    assert domain.vector.dtype == torch.float32
    assert torch.equal(domain.vector, torch.full_like(learnable.start, 0.1).half().float())
    large = torch.full_like(learnable.start, 1e6)  # which half precision cannot hold
    assert torch.equal(learnable.finish(large).vector, large)
    with pytest.raises(
        AdaptationError, match="the domain changes nothing and is not kept; train for a number"
    ):
        learnable.finish(learnable.start.clone())


@pytest.mark.parametrize("layers", [None, "coarse"])
def test_a_domain_is_differentiable_and_keeps_its_numbers_when_they_are_trained(generator, layers) -> None:
    learnable = DomainVector(generator, dv.Training(layers=layers), {"a": 1})
    (vector,) = learnable.parameters()
    domain = learnable.domain(0)
    (domain.vector.sum() + learnable.l2()).backward()
    assert vector.grad.sum() == (40 if layers is None else 32)
    with torch.no_grad():
        vector += 1
    assert not domain.vector.any() and learnable.domain(0).vector.any()
    assert learnable.l2().item() == pytest.approx(1 if layers is None else 0.8)
    assert domain.metadata == {"a": 1}


def test_its_state_is_put_back(generator) -> None:
    first, second = (DomainVector(generator, dv.Training(parameterization="lora:2"), {}) for _ in range(2))
    with torch.no_grad():
        first.vector += torch.randn(first.vector.shape)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.domain(0).vector, second.domain(3).vector)
    assert first.l2() == second.l2() > 0
