"""The affine layers that make styles of w, alone and with an offset of the kernels of one block.

StyleDomain (Alanov et al. 2023), arXiv:2212.10229, section 4. At 1024 px: affine 4,662,144 numbers, affine+
5,187,968, affine-light+ of rank 5 637,824.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations.factors import factors

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_BLOCK = 64  # pixels


def affine(generator: Generator) -> Domain:
    """Make a change of the affine layers of all convolutions and ToRGB layers, weights and biases.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(weights=_affine_changes(generator)).requires_grad_()


def affine_plus(generator: Generator) -> Domain:
    """Make a change of the affine layers and of the 64 px block: W_oik + δ_oi for its kernels.

    The block's two convolutions and its ToRGB get one number for each pair of channels, whatever the kernel's
    size. A generator of fewer pixels gets them in its last block.

    Returns: zeros that require gradients, float32, on the generator's device.
    """
    return Domain(weights=_affine_changes(generator) | _block_changes(generator)).requires_grad_()


def affine_light_plus(generator: Generator, rank: int = 5) -> Domain:
    """Make a change of low rank of the affine layers' weights, and that of the 64 px block as in affine+.

    Args:
        generator: whose styles and kernels are to change.
        rank: of the changes; their biases stay.

    Returns: a domain that changes nothing yet, its numbers requiring gradients, float32, on the generator's
        device. Of each pair of factors, the second is drawn from a fixed seed.
    """
    weights = {
        name: factors(name, weight, rank)
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
    block = min(_BLOCK, generator.resolution).bit_length() - 3  # 0 is that of 4 px, with one convolution
    convs = (2 * block - 1, 2 * block) if block else (0,)
    names = [*(f"convs.{j}.weight" for j in convs), f"to_rgbs.{block}.weight"]
    parameters = [generator.synthesis.get_parameter(name) for name in names]
    return {
        name: parameter.new_zeros(*parameter.shape[:2], 1, 1)
        for name, parameter in zip(names, parameters, strict=True)
    }
