"""Selecting the parameters of a domain by the layers that they act on.

Layers are numbered like the rows of w: convolution j uses row j, ToRGB layer k uses row 2k + 1, and the
constant input belongs to row 0. As in StyleGAN (Karras et al. 2019), arXiv:1812.04948, the coarse layers 0-3
(4 and 8 px) control pose and shape, the middle layers 4-7 (16 and 32 px) facial features, and the fine layers
from 8 on (64 px and above) colours and texture, whatever the resolution of the generator.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.errors import InputError

_NAMED = {"coarse": range(0, 4), "middle": range(4, 8), "fine": range(8, 100)}


def parse_layers(text: str, num_ws: int) -> set[int]:
    """Parse layers such as "coarse", "0-7", "middle,fine" or "0,2-5".

    Args:
        text: names (coarse, middle, fine), numbers and ranges, separated by commas.
        num_ws: number of layers of the generator.

    Raises: InputError if the text is malformed, or names a layer that the generator does not have.
    """
    layers: set[int] = set()
    for item in (item.strip() for item in text.split(",")):
        match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", item)
        if item in _NAMED:
            found = {layer for layer in _NAMED[item] if layer < num_ws}
        elif match:
            found = set(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            raise InputError(
                f"layers {text!r}: {item!r} is invalid; expected coarse, middle, fine, or a range such as 0-7"
            )
        if not found or max(found) >= num_ws:
            raise InputError(f"layers {text!r}: this generator has the layers 0-{num_ws - 1}, not {item!r}")
        layers |= found
    return layers


def layer_mask(domain: Domain, layers: str, num_ws: int) -> Tensor:
    """Return a mask of the parameters that act on some layers.

    Args:
        domain: any domain of the generator.
        layers: as for `parse_layers`.
        num_ws: number of layers of the generator.

    Returns: ones for the parameters of these layers, zeros for all others, (size,), in the order of
        `Domain.vector`, of the domain's dtype and device.

    Raises: InputError if the layers are invalid, or the domain has no parameters in them.
    """
    wanted = parse_layers(layers, num_ws)
    named = domain.named_tensors()
    mask = torch.cat(
        [torch.full_like(tensor, _layer(name) in wanted).reshape(-1) for name, tensor in named.items()]
    )
    if not mask.any():
        raise InputError(f"layers {layers!r}: this parameterization has no parameters in them")
    return mask


def _layer(name: str) -> int:
    """Return the layer of a tensor, given its name in the domain file."""
    if name.startswith("weights.constant"):
        return 0
    match = re.match(r"(?:weights\.)?(\w+?)\.([0-9]+)", name)
    assert match, name
    index = int(match[2])
    return 2 * index + 1 if match[1] in ("to_rgbs", "rgb_offsets", "rgb_bias", "rgb_shifts") else index
