"""All weights of the synthesis network: 28,268,812 numbers at 1024 px.

StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946, fine-tunes them. The mapping network is left as it is: it
makes the difference to the 30,370,060 weights of the whole generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def full(generator: Generator) -> Domain:
    """Make a change of every parameter of the synthesis network; the noise maps are none.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    weights = {
        name: torch.zeros_like(parameter, requires_grad=False)
        for name, parameter in generator.synthesis.named_parameters()
    }
    return Domain(weights=weights).requires_grad_()
