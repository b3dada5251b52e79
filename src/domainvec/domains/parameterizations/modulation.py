"""The domain vector, alone, with colours, and with channels mixed: 6,048, 9,115 and 9,750 numbers at 1024 px.

HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, section 3. The sizes are those of FFHQ's config-f.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.factors import factors

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


_MIXED = (16, 32, 64)  # pixels
MIXING_KEPT_SHARE = 0.8


def modulation(generator: Generator) -> Domain:
    """Make the domain vector of the paper: an offset for each input channel of each 3×3 convolution.

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


def modulation_mixing(generator: Generator) -> Domain:
    """Make the domain vector with colours, and mix channels at rank one at 16, 32 and 64 px.

    Factors change a channel everywhere in the picture or nowhere. Where W_oik + u_o · v_i takes the place of
    W_oik, for all taps k of a kernel, what one combination of channels sees is added to all others: a skin
    may change and the ground behind it stay. The second convolution of each of the three blocks has one such
    pair (u, v).

    Returns: a domain that changes nothing yet, its numbers requiring gradients, float32, on the generator's
        device; v is drawn from a fixed seed. A fifth of the numbers, the smallest, is to be dropped after
        training.
    """
    domain = modulation_rgb(generator)
    weights = {}
    for side in _MIXED:
        name = f"convs.{2 * side.bit_length() - 6}.weight"
        if side <= generator.resolution:
            weights[name] = factors(name, generator.synthesis.get_parameter(name)[:, :, :1, :1], rank=1)
    return Domain(
        domain.offsets, rgb_offsets=domain.rgb_offsets, rgb_bias=domain.rgb_bias, weights=weights
    ).requires_grad_()
