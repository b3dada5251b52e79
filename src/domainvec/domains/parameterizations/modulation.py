"""The domain vector, alone and with colours: 6,048 and 9,115 numbers at 1024 px (FFHQ, config-f).

HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


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
