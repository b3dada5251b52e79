"""The domain vector, with and without ToRGB layers: 9,115 and 6,048 parameters at 1024 px (FFHQ, config-f).

HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.initialization import zeros

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def modulation(generator: Generator) -> Domain:
    """Create the domain vector of the paper: an offset for each input channel of each 3×3 convolution.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(zeros(generator, generator.conv_channels)).requires_grad_()


def modulation_rgb(generator: Generator) -> Domain:
    """Create the domain vector extended by offsets of the ToRGB layers and of their biases.

    These let a domain change colours directly, not only through the features.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(
        zeros(generator, generator.conv_channels),
        rgb_offsets=zeros(generator, generator.rgb_channels),
        rgb_bias=zeros(generator, [3] * len(generator.rgb_channels)),
    ).requires_grad_()
