"""The affine layers that map w to styles, alone or together with the kernels of one block.

StyleDomain (Alanov et al. 2023), arXiv:2212.10229, section 4. At 1024 px, affine has 4,662,144 parameters,
affine+ 5,187,968, and affine-light+ of rank 5 has 637,824.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.initialization import low_rank_factors

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_BLOCK = 64  # pixels


def affine(generator: Generator) -> Domain:
    """Create a change of the affine layers of all convolutions and ToRGB layers, weights and biases.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(weights=_affine_changes(generator)).requires_grad_()


def affine_plus(generator: Generator) -> Domain:
    """Create a change of the affine layers and of the kernels of the 64 px block: W_oik + δ_oi.

    Each pair of channels of the block's two convolutions and its ToRGB layer has one parameter, shared by all
    kernel positions. Smaller generators use their last block.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(weights=_affine_changes(generator) | _block_changes(generator)).requires_grad_()


def affine_light_plus(generator: Generator, rank: int = 5) -> Domain:
    """Create a low-rank change of the affine layers' weights, and a change of one block as in affine+.

    Args:
        generator: the generator to adapt.
        rank: of the changes; biases are not changed.

    Returns: parameters that require gradients, float32, on the generator's device. The first factor of each
        pair is zero, the second is random with a fixed seed.
    """
    weights = {
        name: low_rank_factors(name, weight, rank)
        for name, weight in generator.synthesis.named_parameters()
        if name.endswith("affine.weight")
    }
    return Domain(weights={**weights, **_block_changes(generator)}).requires_grad_()


def _affine_changes(generator: Generator) -> dict[str, Tensor]:
    return {
        name: torch.zeros_like(parameter, requires_grad=False)
        for name, parameter in generator.synthesis.named_parameters()
        if ".affine." in name
    }


def _block_changes(generator: Generator) -> dict[str, Tensor]:
    block = min(_BLOCK, generator.resolution).bit_length() - 3  # block 0, of 4 px, has a single convolution
    convs = (2 * block - 1, 2 * block) if block else (0,)
    names = [*(f"convs.{j}.weight" for j in convs), f"to_rgbs.{block}.weight"]
    parameters = [generator.synthesis.get_parameter(name) for name in names]
    return {
        name: parameter.new_zeros(*parameter.shape[:2], 1, 1)
        for name, parameter in zip(names, parameters, strict=True)
    }
