"""What is trained: domains of zeros for a generator, one function for each set of numbers.

For the 1024 px FFHQ network (config-f) `modulation` has 6,048 numbers and `modulation+rgb` 9,115.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain
from domainvec.errors import InputError

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def modulation(generator: Generator) -> Domain:
    """Make the domain vector of the paper: an offset for each input channel of each 3×3 convolution.

    HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, section 3.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    device = next(generator.parameters()).device
    return Domain([torch.zeros(width, device=device) for width in generator.conv_channels]).requires_grad_()


def modulation_rgb(generator: Generator) -> Domain:
    """Make the domain vector with offsets for the ToRGB layers, too, and an addition to their bias.

    The colours of a domain are then reached directly, not through the last features.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    device = next(generator.parameters()).device
    return Domain(
        [torch.zeros(width, device=device) for width in generator.conv_channels],
        rgb_offsets=[torch.zeros(width, device=device) for width in generator.rgb_channels],
        rgb_bias=[torch.zeros(3, device=device) for _ in generator.rgb_channels],
    ).requires_grad_()


PARAMETERIZATIONS: dict[str, Callable[[Generator], Domain]] = {
    "modulation": modulation,
    "modulation+rgb": modulation_rgb,
}


def create_domain(name: str, generator: Generator) -> Domain:
    """Make the zero domain of a parameterization by its name.

    Raises: InputError if the name is unknown; it lists the known ones.
    """
    if name not in PARAMETERIZATIONS:
        raise InputError(f"unknown parameterization {name!r}: expected one of {', '.join(PARAMETERIZATIONS)}")
    return PARAMETERIZATIONS[name](generator)
