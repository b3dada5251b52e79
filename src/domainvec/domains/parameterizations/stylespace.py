"""Shifts of the styles: 6,048 parameters at 1024 px, 9,088 with ToRGB layers, 1,210 when sparse.

StyleDomain (Alanov et al. 2023), arXiv:2212.10229, section 4. A shift is added to the output of an affine
layer, so demodulation sees it, unlike the offsets of a domain vector.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.initialization import zeros

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def stylespace(generator: Generator) -> Domain:
    """Create a shift of the style of each 3×3 convolution.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(shifts=zeros(generator, generator.conv_channels)).requires_grad_()


def stylespace_rgb(generator: Generator) -> Domain:
    """Create a shift of all styles, including those of the ToRGB layers.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(
        shifts=zeros(generator, generator.conv_channels),
        rgb_shifts=zeros(generator, generator.rgb_channels),
    ).requires_grad_()


def keep_largest(domain: Domain, share: float = 0.2) -> Domain:
    """Prune a domain: keep the given share of its parameters, by magnitude, and set the rest to zero.

    A fifth of a style shift suffices (StyleDomain, section 4), and makes for a much smaller file.

    Args:
        domain: a single domain.
        share: above 0, at most 1.
    """
    vector = domain.vector
    kept = vector.abs().topk(math.ceil(share * domain.size)).indices
    return domain.with_vector(torch.zeros_like(vector).scatter(0, kept, vector[kept]))
