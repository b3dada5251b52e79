"""Merging a domain into the weights of a plain generator, for use with other tools.

Changes of weights, style shifts and RGB biases can be merged exactly, and so can the offsets of ToRGB layers,
which are not demodulated. The offsets of a domain vector cannot: demodulated kernels have unit norm for any
w, Σ_ik (demod_o · W_oik · s_i)² = 1, whereas factors (1 + d_i) change their norms (HyperDomainNet,
arXiv:2210.08884, section 3). An exception is the first convolution, whose offsets merge into the constant
input.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.errors import DomainError
from domainvec.seeds import latents
from domainvec.stylegan2.layers import EPSILON, Linear, ModulatedConv, ToRGB
from domainvec.stylegan2.network import Generator

_SAMPLES = 256


@torch.no_grad()
def merge(generator: Generator, domain: Domain, *, nearest: bool = False) -> Generator:
    """Merge a domain into a copy of a generator.

    Args:
        generator: the generator that the domain was trained for; it is not changed.
        domain: a single domain.
        nearest: if the domain has offsets, merge them approximately: the kernels of each convolution get the
            norms that they have on average over w.

    Returns: a generator whose images equal those of `generator.synthesis(w, domain)` up to rounding, or
        approximate them if the domain has offsets.

    Raises: DomainError if the domain is a stack, does not fit the generator, or has offsets while `nearest`
        is false.
    """
    if domain.batch_size is not None:
        raise DomainError(
            f"expected a single domain, not a stack of {domain.batch_size}; select one with domain[0]"
        )
    domain.check(generator, allow_mismatch=True)
    has_offsets = any(bool(offset.any()) for offset in domain.offsets[1:])
    if has_offsets and not nearest:
        raise DomainError(
            "the offsets of modulation and modulation+rgb cannot be merged: the demodulation of a plain "
            "convolution would undo part of them. Domains of all other parameterizations can be merged; for "
            "this one, merge approximately with nearest=True or --nearest"
        )
    merged = copy.deepcopy(generator)
    synthesis = merged.synthesis
    convs, to_rgbs = _layers(merged)
    for name, weight in synthesis.changed_weights(domain.weight_changes).items():
        synthesis.get_parameter(name).copy_(weight)
    for conv, shift in zip(convs, domain.shifts or (), strict=False):
        _shift(conv.affine, shift)
    for to_rgb, shift in zip(to_rgbs, domain.rgb_shifts or (), strict=False):
        _shift(to_rgb.affine, shift)
    for to_rgb, offset in zip(to_rgbs, domain.rgb_offsets or (), strict=False):
        _scale(to_rgb.affine, 1 + offset)
    for to_rgb, bias in zip(to_rgbs, domain.rgb_bias or (), strict=False):
        to_rgb.bias.add_(bias)
    if domain.offsets:
        synthesis.constant.mul_((1 + domain.offsets[0])[:, None, None])
    if has_offsets:
        _fold_offsets(merged, domain.offsets)
    return merged


@torch.no_grad()
def merging_error(
    generator: Generator, domain: Domain, merged: Generator, seeds: Sequence[int] = range(4)
) -> float:
    """Compare the images of a merged generator with those of the generator and the domain.

    Returns: mean absolute difference of pixels, which are about in [-1, 1].
    """
    total = 0.0
    for seed in seeds:
        z = latents([seed], generator.z_dim).to(domain.vector.device)
        live = generator.synthesis(generator.mapping(z), domain)
        total += (merged(z) - live).abs().mean().item()
    return total / len(seeds)


def _fold_offsets(generator: Generator, offsets: Sequence[Tensor]) -> None:
    """Merge the offsets of all convolutions but the first, approximately.

    Let x = r · x' be the input of a convolution, where x' is its input in the merged network. With the style
    s' = s (1 + d) r, demodulation divides by norms q_o = √(Σ (W s')² / Σ (W s)²) that the domain keeps. They
    are restored after the activation, which is positively homogeneous: bias and noise are divided by q, and
    the r of the next layers is the mean of q over w.
    """
    convs, to_rgbs = _layers(generator)
    device = generator.synthesis.constant.device
    w = generator.mapping(latents(range(_SAMPLES), generator.z_dim).to(device))[:, 0]
    norms = torch.ones_like(offsets[0])
    for j, (conv, offset) in enumerate(zip(convs, offsets, strict=True)):
        if j:
            energy = conv.weight.square().sum((2, 3)).T
            before = conv.affine(w).square() @ energy + EPSILON
            _scale(conv.affine, (1 + offset) * norms)
            after = conv.affine(w).square() @ energy + EPSILON
            norms = (after / before).sqrt().mean(0)
            conv.bias.div_(norms)
            conv.noise_strength.mul_((1 / norms).mean())
        if j % 2 == 0:
            _scale(to_rgbs[j // 2].affine, norms)


def _layers(generator: Generator) -> tuple[list[ModulatedConv], list[ToRGB]]:
    synthesis = generator.synthesis
    return cast(list[ModulatedConv], list(synthesis.convs)), cast(list[ToRGB], list(synthesis.to_rgbs))


def _shift(affine: Linear, shift: Tensor) -> None:
    affine.bias.add_(shift / affine.bias_gain)


def _scale(affine: Linear, factor: Tensor) -> None:
    affine.weight.mul_(factor[:, None])
    affine.bias.mul_(factor)
