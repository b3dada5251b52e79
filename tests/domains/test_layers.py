from __future__ import annotations

import pytest
import torch

from domainvec.domains import create_domain, layer_mask, parse_layers
from domainvec.errors import InputError


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("coarse", range(4)),
        ("middle", range(4, 8)),
        ("fine", range(8, 18)),
        ("coarse,fine", [*range(4), *range(8, 18)]),
        ("0-7", range(8)),
        (" 3 , 5-6,17", [3, 5, 6, 17]),
    ],
)
def test_layers_of_a_generator_of_1024_px(text, layers) -> None:
    assert parse_layers(text, 18) == set(layers)


def test_layers_of_smaller_generators() -> None:
    assert parse_layers("fine", 10) == {8, 9}, "64 px"
    assert parse_layers("middle", 6) == {4, 5}, "16 px"


@pytest.mark.parametrize("text", ["", "rough", "1-", "-1", "a-b", "0-7-9", "18", "3-2", "0-18"])
def test_invalid_layers(text) -> None:
    with pytest.raises(InputError, match="layers"):
        parse_layers(text, 18)


@pytest.mark.parametrize("name", ["modulation+rgb", "stylespace+rgb", "affine", "lora", "full"])
def test_masks_separate_the_layers(name, bent_generator, bent_latents) -> None:
    """Masks of disjoint layers are disjoint, and agree with the layers that use the parameters."""
    zero = create_domain(name, bent_generator).detach()
    everywhere = torch.ones(zero.size)
    parts = [layer_mask(zero, text, bent_generator.num_ws) for text in ("0-2", "3-5")]
    assert torch.equal(sum(parts), everywhere)
    late = zero.with_vector(torch.rand(zero.size) * parts[1])
    at_8 = [bent_generator.synthesis(bent_latents, domain, resolution=4) for domain in (None, late)]
    assert torch.equal(*at_8), "convolution 0 and ToRGB 0 belong to the layers 0 and 1"
    named = zero.with_vector(parts[0]).named_tensors()
    for tensor_name, tensor in named.items():
        colour = tensor_name.startswith(("rgb", "weights.to_rgbs"))
        digits = [part for part in tensor_name.split(".") if part.isdigit()]
        layer = int(digits[0]) * 2 + 1 if colour else int(digits[0]) if digits else 0
        assert bool(tensor.all()) == bool(tensor.any()) == (layer < 3), tensor_name
