from __future__ import annotations

import copy

import pytest
import torch

from domainvec.domains import PARAMETERIZATIONS, Domain
from domainvec.domains.merging import merge, merging_error
from domainvec.errors import DomainError

EXACT = [name for name in PARAMETERIZATIONS if not name.startswith("modulation")]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("noise", ["const", "none"])
def test_merged_generators_reproduce_the_domain(name, noise, bent_generator, bent_latents, random_domain):
    domain = 0.7 * random_domain(name)
    before = copy.deepcopy(bent_generator.state_dict())
    merged = merge(bent_generator, domain)
    live = bent_generator.synthesis(bent_latents, domain, noise=noise)
    torch.testing.assert_close(merged.synthesis(bent_latents, noise=noise), live, atol=1e-4, rtol=1e-4)
    assert merging_error(bent_generator, domain, merged) < 1e-5
    assert merged.fingerprint != bent_generator.fingerprint
    assert all(torch.equal(before[key], value) for key, value in bent_generator.state_dict().items())


def test_rgb_parts_and_the_first_convolution_merge_exactly(bent_generator, bent_latents, random_domain):
    drawn = random_domain("modulation+rgb") + random_domain("stylespace+rgb")
    domain = Domain(
        [drawn.offsets[0], *map(torch.zeros_like, drawn.offsets[1:])],
        rgb_offsets=drawn.rgb_offsets,
        rgb_bias=drawn.rgb_bias,
        rgb_shifts=drawn.rgb_shifts,
    )
    live = bent_generator.synthesis(bent_latents, domain)
    merged = merge(bent_generator, domain).synthesis(bent_latents)
    torch.testing.assert_close(merged, live, atol=1e-4, rtol=1e-4)


def test_offsets_change_kernel_norms_which_demodulation_fixes(bent_generator, bent_latents, random_domain):
    """Demodulated kernels have unit norm for any w; with a domain vector their norms depend on w."""
    conv, offset = bent_generator.synthesis.convs[1], random_domain("modulation").offsets[1]
    style = conv.affine(bent_latents[:, 1])[:, None, :, None, None]
    demodulation = (conv.weight * style).square().sum((2, 3, 4), keepdim=True).rsqrt()
    plain = conv.weight * style * demodulation
    live = plain * (1 + offset)[:, None, None]

    def lengths(kernels):
        return kernels.square().sum((2, 3, 4)).sqrt()

    torch.testing.assert_close(lengths(plain), torch.ones(3, 8))
    assert (lengths(live) - 1).abs().max() > 0.05
    assert lengths(live).std(dim=0).max() > 0.005, "no number for each output channel makes up for it"


@pytest.mark.parametrize("name", ["modulation", "modulation+rgb"])
def test_offsets_merge_only_approximately(name, bent_generator, random_domain):
    domain = random_domain(name)
    with pytest.raises(DomainError, match=r"cannot be merged: the demodulation .* --nearest"):
        merge(bent_generator, domain)
    folded = copy.deepcopy(bent_generator)
    for conv, offset in zip(folded.synthesis.convs, domain.offsets, strict=True):
        conv.affine.weight.mul_(1 + offset[:, None])
        conv.affine.bias.mul_(1 + offset)
    nearest = merge(bent_generator, domain, nearest=True)
    error = merging_error(bent_generator, domain, nearest)
    assert 0 < error < 0.3 * merging_error(bent_generator, domain, bent_generator)
    assert error < 0.5 * merging_error(bent_generator, domain, folded)


def test_invalid_merges(bent_generator, random_domain):
    with pytest.raises(DomainError, match="not a stack of 2"):
        merge(bent_generator, Domain.stack([random_domain("stylespace")] * 2))
    with pytest.raises(DomainError, match="widths"):
        merge(bent_generator, Domain(shifts=[torch.ones(3)]))
