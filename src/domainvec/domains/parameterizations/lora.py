"""A change of low rank of each 3×3 convolution: 240,000 numbers at 1024 px for rank 4.

LoRA (Hu et al. 2022), arXiv:2106.09685, on convolutions, for comparison: StyleGAN2's papers do not have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.factors import factors

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def lora(generator: Generator, rank: int = 4) -> Domain:
    """Make a change of low rank of the kernels of all 3×3 convolutions: (o, r) times (r, i, 3, 3).

    Args:
        generator: whose kernels are to change.
        rank: of the changes, r.

    Returns: a domain that changes nothing yet, its numbers requiring gradients, float32, on the generator's
        device. Of each pair of factors, the second is drawn from a fixed seed.
    """
    weights = {
        f"convs.{j}.weight": factors(f"convs.{j}.weight", conv.get_parameter("weight"), rank)
        for j, conv in enumerate(generator.synthesis.convs)
    }
    return Domain(weights=weights).requires_grad_()
