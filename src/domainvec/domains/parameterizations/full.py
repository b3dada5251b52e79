"""Full fine-tuning of the synthesis network: 28,268,812 parameters at 1024 px.

As in StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946. The mapping network is not changed; it has the rest
of the generator's 30,370,060 parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def full(generator: Generator) -> Domain:
    """Create a change of every parameter of the synthesis network; noise maps are buffers and stay.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    weights = {
        name: torch.zeros_like(parameter, requires_grad=False)
        for name, parameter in generator.synthesis.named_parameters()
    }
    return Domain(weights=weights).requires_grad_()
