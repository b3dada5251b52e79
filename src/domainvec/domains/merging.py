"""Merging: a domain folded into the weights of a plain generator, which other tools can draw.

What is added to weights, styles or colours has its place there, and ToRGB layers, which are not demodulated,
take factors into their affine layers. The domain vector's offsets have no such place: for any w, a plain
convolution has kernels of length one, Σ_ik (demod_o · W_oik · s_i)² = 1, whereas (1 + d_i) changes these
lengths (HyperDomainNet, arXiv:2210.08884, section 3). Only those of the first convolution merge, into the
constant.
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
    """Make a plain generator that draws in a domain.

    Args:
        generator: the one that the domain was made for; it is not changed.
        domain: a single domain.
        nearest: if the domain has offsets, fold them as well as it can be done: each convolution then has the
            lengths that its kernels have on average over w, and noise of its average strength.

    Returns: a generator whose pictures are those of `generator.synthesis(w, domain)`, but for rounding;
        only near them if the domain has offsets.

    Raises: DomainError if the domain is a stack, does not fit, or has offsets and `nearest` is not asked for.
    """
    if domain.batch_size is not None:
        raise DomainError(f"one domain can be merged, not a stack of {domain.batch_size}: take a row of it")
    domain.check(generator, allow_mismatch=True)
    bends = any(bool(offset.any()) for offset in domain.offsets[1:])
    if bends and not nearest:
        raise DomainError(
            "offsets, those of modulation and modulation+rgb, cannot be merged: the demodulation of a plain "
            "convolution sees all that scales its input, and would undo part of them. Domains of the other "
            "parameterizations can be merged; of this one only the nearest plain generator can be had "
            "(nearest=True, --nearest)"
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
    if bends:
        _fold_offsets(merged, domain.offsets)
    return merged


@torch.no_grad()
def merging_error(
    generator: Generator, domain: Domain, merged: Generator, seeds: Sequence[int] = range(4)
) -> float:
    """Compare the pictures of a merged generator with those of the live domain.

    Returns: the mean absolute difference; pictures range over about 2.
    """
    total = 0.0
    for seed in seeds:
        z = latents([seed], generator.z_dim).to(domain.vector.device)
        live = generator.synthesis(generator.mapping(z), domain)
        total += (merged(z) - live).abs().mean().item()
    return total / len(seeds)


def _fold_offsets(generator: Generator, offsets: Sequence[Tensor]) -> None:
    """Fold the offsets of all convolutions but the first into the weights, on average over w.

    Let x = r · x' be what a convolution is given, x' in the merged network. With the style s' = s (1 + d) r
    its demodulation takes out the lengths q_o = √(Σ (W s')² / Σ (W s)²) that the domain's convolution keeps.
    They are put back after the activation, which is linear in positive factors: with bias and noise over q,
    the next layers' r is the mean of q.
    """
    convs, to_rgbs = _layers(generator)
    device = generator.synthesis.constant.device
    w = generator.mapping(latents(range(_SAMPLES), generator.z_dim).to(device))[:, 0]
    lengths = torch.ones_like(offsets[0])
    for j, (conv, offset) in enumerate(zip(convs, offsets, strict=True)):
        if j:
            energy = conv.weight.square().sum((2, 3)).T
            before = conv.affine(w).square() @ energy + EPSILON
            _scale(conv.affine, (1 + offset) * lengths)
            after = conv.affine(w).square() @ energy + EPSILON
            lengths = (after / before).sqrt().mean(0)
            conv.bias.div_(lengths)
            conv.noise_strength.mul_((1 / lengths).mean())
        if j % 2 == 0:
            _scale(to_rgbs[j // 2].affine, lengths)


def _layers(generator: Generator) -> tuple[list[ModulatedConv], list[ToRGB]]:
    synthesis = generator.synthesis
    return cast(list[ModulatedConv], list(synthesis.convs)), cast(list[ToRGB], list(synthesis.to_rgbs))


def _shift(affine: Linear, shift: Tensor) -> None:
    affine.bias.add_(shift / affine.bias_gain)


def _scale(affine: Linear, factor: Tensor) -> None:
    affine.weight.mul_(factor[:, None])
    affine.bias.mul_(factor)
