"""LoRA of the 3×3 convolutions: 240,000 parameters at 1024 px for rank 4.

Hu et al. 2022, arXiv:2106.09685, applied to convolutions; included for comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.initialization import low_rank_factors

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def lora(generator: Generator, rank: int = 4) -> Domain:
    """Create a low-rank change of the kernels of all 3×3 convolutions: (o, r) times (r, i, 3, 3).

    Args:
        generator: the generator to adapt.
        rank: of the changes, r.

    Returns: parameters that require gradients, float32, on the generator's device. The first factor of each
        pair is zero, the second is random with a fixed seed.
    """
    weights = {
        f"convs.{j}.weight": low_rank_factors(f"convs.{j}.weight", conv.get_parameter("weight"), rank)
        for j, conv in enumerate(generator.synthesis.convs)
    }
    return Domain(weights=weights).requires_grad_()
