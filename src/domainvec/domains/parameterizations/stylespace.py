"""A shift of the styles: 6,048 numbers at 1024 px, 9,088 with ToRGB, 1,210 when sparse.

StyleDomain (Alanov et al. 2023), arXiv:2212.10229, section 4. The shift is added to what the affine layers
make of w, so that the demodulation sees it, unlike the offsets of a domain vector.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

KEPT_SHARE = 0.2


def stylespace(generator: Generator) -> Domain:
    """Make a shift of the style of each 3×3 convolution.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    device = next(generator.parameters()).device
    shifts = [torch.zeros(width, device=device) for width in generator.conv_channels]
    return Domain(shifts=shifts).requires_grad_()


def stylespace_rgb(generator: Generator) -> Domain:
    """Make a shift of all styles, those of the ToRGB layers, too.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    device = next(generator.parameters()).device
    return Domain(
        shifts=[torch.zeros(width, device=device) for width in generator.conv_channels],
        rgb_shifts=[torch.zeros(width, device=device) for width in generator.rgb_channels],
    ).requires_grad_()


def keep_largest(domain: Domain, share: float = KEPT_SHARE) -> Domain:
    """Keep a share of a domain's numbers, those of the largest magnitude; the rest becomes zero.

    A fifth of a style shift is enough (StyleDomain, section 4), and its file is that much smaller.

    Args:
        domain: a single domain.
        share: above 0, at most 1.
    """
    vector = domain.vector
    kept = vector.abs().topk(math.ceil(share * domain.size)).indices
    return domain.with_vector(torch.zeros_like(vector).scatter(0, kept, vector[kept]))
