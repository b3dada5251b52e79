"""Layers of a domain: which of its numbers act where.

A layer is a row of w, counted from 0: convolution j takes row j, ToRGB k takes row 2k + 1, and the constant
that synthesis starts from goes with row 0. As in StyleGAN (Karras et al. 2019), arXiv:1812.04948, the coarse
layers 0-3 (4 and 8 px) say pose and shape, the middle ones 4-7 (16 and 32 px) features, the fine ones from 8
on (64 px and above) colours and texture. They are counted from the smallest side in any generator: a feature
map of 8 px is as coarse in a picture of 64 px as in one of 1024 px.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.errors import InputError

_NAMED = {"coarse": range(0, 4), "middle": range(4, 8), "fine": range(8, 100)}


def parse_layers(text: str, num_ws: int) -> set[int]:
    """Read layers such as "coarse", "0-7" or "middle,fine" or "0,2-5".

    Args:
        text: names (coarse, middle, fine), numbers and ranges, with commas between them.
        num_ws: how many layers the generator has.

    Raises: InputError if the text is anything else, or names a layer that the generator does not have.
    """
    layers: set[int] = set()
    for item in (item.strip() for item in text.split(",")):
        match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", item)
        if item in _NAMED:
            found = {layer for layer in _NAMED[item] if layer < num_ws}
        elif match:
            found = set(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            raise InputError(f"layers {text!r}: {item!r} is none of coarse, middle, fine, 3, 0-7")
        if not found or max(found) >= num_ws:
            raise InputError(f"layers {text!r}: this generator has the layers 0-{num_ws - 1}, not {item!r}")
        layers |= found
    return layers


def layer_mask(domain: Domain, layers: str, num_ws: int) -> Tensor:
    """Tell the numbers of some layers from the rest, in the order of `Domain.vector`.

    Args:
        domain: any domain of the generator.
        layers: as `parse_layers` reads them.
        num_ws: how many layers the generator has.

    Returns: ones where a number belongs to one of the layers, else zeros, (size,), like the domain's numbers.

    Raises: InputError if the layers are not those of the generator, or the domain has no numbers there.
    """
    wanted = parse_layers(layers, num_ws)
    named = domain.named_tensors()
    mask = torch.cat(
        [torch.full_like(tensor, _layer(name) in wanted).reshape(-1) for name, tensor in named.items()]
    )
    if not mask.any():
        raise InputError(f"layers {layers!r}: this parameterization has no numbers there")
    return mask


def _layer(name: str) -> int:
    """The layer of a tensor by its name in the domain file."""
    if name.startswith("weights.constant"):
        return 0
    match = re.match(r"(?:weights\.)?(\w+?)\.([0-9]+)", name)
    assert match, name
    index = int(match[2])
    return 2 * index + 1 if match[1] in ("to_rgbs", "rgb_offsets", "rgb_bias", "rgb_shifts") else index
