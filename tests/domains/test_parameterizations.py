from __future__ import annotations

import pytest
import torch

from domainvec.domains import PARAMETERIZATIONS, Domain, create_domain, find_parameterization
from domainvec.domains.parameterizations import keep_largest, lora
from domainvec.errors import DomainError, InputError, ShapeError
from domainvec.stylegan2 import Generator, GeneratorConfig

NAMES = list(PARAMETERIZATIONS)
OF_CHANNELS = ["modulation", "modulation+rgb", "stylespace", "stylespace+rgb", "stylespace-sparse"]
OF_WEIGHTS = [name for name in NAMES if name not in OF_CHANNELS]


@pytest.mark.parametrize("name", NAMES)
def test_the_initial_domain_reproduces_the_generator_exactly(name, bent_generator, bent_latents) -> None:
    zero = create_domain(name, bent_generator)
    assert torch.equal(bent_generator.synthesis(bent_latents, zero), bent_generator.synthesis(bent_latents))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [None, 8])
def test_only_the_parameters_get_gradients(name, resolution, bent_generator, bent_latents) -> None:
    domain = create_domain(name, bent_generator)
    vector = domain.detach().vector.requires_grad_()
    images = bent_generator.synthesis(bent_latents, domain.with_vector(vector), resolution=resolution)
    images.square().sum().backward()
    assert vector.grad.isfinite().all() and vector.grad.any()
    assert all(parameter.grad is None for parameter in bent_generator.parameters())
    if resolution is None:
        for tensor_name, gradient in domain.with_vector(vector.grad).named_tensors().items():
            # While one factor is zero, the other has no say.
            assert gradient.any() != tensor_name.endswith(".down"), tensor_name


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_changes_the_picture(name, bent_generator, bent_latents, random_domain) -> None:
    domain, base = random_domain(name), bent_generator.synthesis(bent_latents)
    start = 0
    for tensor_name, tensor in domain.named_tensors().items():
        one = torch.zeros(domain.size)
        numbers = slice(start, start + tensor.numel())
        one[numbers] = domain.vector[numbers]
        start += tensor.numel()
        if tensor_name.endswith((".up", ".down")):
            continue
        changed = bent_generator.synthesis(bent_latents, domain.with_vector(one))
        assert (changed - base).abs().max() > 1e-4, tensor_name


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_weights_of_the_generator_are_not_modified(name, bent_generator, bent_latents, random_domain) -> None:
    before = bent_generator.fingerprint
    plain = bent_generator.synthesis(bent_latents)
    changed = bent_generator.synthesis(bent_latents, random_domain(name))
    assert not torch.equal(changed, plain)
    assert torch.equal(bent_generator.synthesis(bent_latents), plain)
    assert bent_generator.fingerprint == before


@pytest.mark.parametrize("name", NAMES)
def test_save_and_load_round_trip(name, bent_generator, random_domain, tmp_path) -> None:
    domain = random_domain(name, generator_fingerprint=bent_generator.fingerprint, parameterization=name)
    domain.save(tmp_path / "x.safetensors")
    again = Domain.load(tmp_path / "x.safetensors", bent_generator)
    assert list(again.named_tensors()) == list(domain.named_tensors())
    assert torch.equal(again.vector, domain.vector)
    assert again.metadata == domain.metadata and again.size == domain.size


@pytest.mark.parametrize("name", NAMES)
def test_strength_and_mixing(name, bent_generator, bent_latents, random_domain) -> None:
    a, b = random_domain(name, 1), random_domain(name, 2)
    synthesis = bent_generator.synthesis
    torch.testing.assert_close(synthesis(bent_latents, 0 * a), synthesis(bent_latents))
    mixed = 0.75 * a - 0.5 * b
    for weight, change in mixed.weight_changes.items():
        expected = 0.75 * a.weight_changes[weight] - 0.5 * b.weight_changes[weight]
        torch.testing.assert_close(change, expected)
    if name in OF_CHANNELS:
        torch.testing.assert_close(mixed.vector, 0.75 * a.vector - 0.5 * b.vector)
    torch.testing.assert_close(
        synthesis(bent_latents, mixed), synthesis(bent_latents, -0.5 * b + 0.75 * a), atol=1e-4, rtol=1e-4
    )


def test_parameterizations_mix_with_each_other(bent_generator, bent_latents, random_domain) -> None:
    total = random_domain("modulation") + random_domain("stylespace+rgb") + random_domain("affine")
    assert total.size == sum(random_domain(name).size for name in ("modulation", "stylespace+rgb", "affine"))
    both = random_domain("lora") + random_domain("full")
    expected = random_domain("lora").weight_changes["convs.1.weight"]
    expected = expected + random_domain("full").weight_changes["convs.1.weight"]
    torch.testing.assert_close(both.weight_changes["convs.1.weight"], expected)
    assert bent_generator.synthesis(bent_latents, total + both).isfinite().all()


@pytest.mark.parametrize("name", OF_CHANNELS)
def test_a_stack_equals_its_domains_one_by_one(name, bent_generator, bent_latents, random_domain) -> None:
    domains = [random_domain(name, seed) for seed in range(3)]
    together = bent_generator.synthesis(bent_latents, Domain.stack(domains))
    for k, domain in enumerate(domains):
        alone = bent_generator.synthesis(bent_latents[k : k + 1], domain)[0]
        torch.testing.assert_close(together[k], alone)


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_weight_changes_cannot_be_stacked(name, random_domain) -> None:
    domain, channels = random_domain(name), random_domain("modulation")
    for impossible in (
        lambda: Domain.stack([channels, domain]),
        lambda: Domain.stack([channels, channels]) + domain,
        lambda: domain.with_vector(domain.vector.expand(2, -1)),
    ):
        with pytest.raises(DomainError, match="one convolution serves the whole batch"):
            impossible()


def test_demodulation_sees_style_shifts(bent_generator, bent_latents) -> None:
    """Unlike an offset, a shift that doubles the style is undone by demodulation."""
    conv, w = bent_generator.synthesis.convs[0], bent_latents[:1, 0]
    x = torch.randn(1, 12, 4, 4)
    plain, shifted = conv(x, w, None, None), conv(x, w, None, None, conv.affine(w)[0])
    torch.testing.assert_close(shifted, plain)
    assert not torch.allclose(conv(x, w, torch.ones(12), None), plain)


def test_sizes_match_the_papers() -> None:
    channels = tuple(min(32768 // resolution, 512) for resolution in (4 << k for k in range(9)))
    with torch.device("meta"):
        full = Generator(GeneratorConfig(1024, 512, 512, 8, channels))
        sizes = {name: create_domain(name, full).size for name in NAMES}
        assert lora(full, rank=8).size == 2 * sizes["lora"]
    assert sizes == {
        "modulation": 6_048,
        "modulation+rgb": 9_115,
        "stylespace": 6_048,
        "stylespace+rgb": 9_088,
        "stylespace-sparse": 6_048,
        "affine": 4_662_144,
        "affine+": 5_187_968,
        "affine-light+": 637_824,
        "lora": 240_000,
        "full": 28_268_812,
    }
    assert keep_largest(Domain(shifts=[torch.randn(6_048)])).num_nonzero == 1_210


def test_affine_plus_shares_a_parameter_between_kernel_positions(bent_generator, random_domain) -> None:
    changes = random_domain("affine+").weights
    shapes = {name: tuple(change.shape) for name, change in changes.items() if "affine" not in name}
    convs = {"convs.3.weight": (8, 8, 1, 1), "convs.4.weight": (8, 8, 1, 1)}
    assert shapes == convs | {"to_rgbs.2.weight": (3, 8, 1, 1)}


def test_ranks_can_be_chosen(bent_generator) -> None:
    domain = create_domain("lora:3", bent_generator)
    up, down = domain.weights["convs.0.weight"]
    assert (tuple(up.shape), tuple(down.shape)) == ((12, 3), (3, 12, 3, 3))
    assert torch.equal(down, create_domain("lora:3", bent_generator).weights["convs.0.weight"][1])
    assert not torch.equal(down, domain.weights["convs.1.weight"][1])
    up, _ = create_domain("affine-light+:500", bent_generator).weights["convs.0.affine.weight"]
    assert up.shape[1] == 8, "no more than the weight can have"
    for name, message in [
        ("lora:0", "expected 1 to 512"),
        ("lora:", "the rank is ''"),
        ("full:2", "full has no rank"),
        ("low", "unknown parameterization 'low'"),
    ]:
        with pytest.raises(InputError, match=message):
            find_parameterization(name)


def test_domains_of_another_generator_are_refused(bent_generator, bent_latents, tmp_path) -> None:
    for weights, message in [
        ({"convs.9.weight": torch.ones(1, 1, 1, 1)}, "convs.9.weight, which this generator does not have"),
        ({"convs.0.weight": torch.ones(5, 12, 3, 3)}, r"shape \(5, 12, 3, 3\).*takes \(12, 12, 3, 3\)"),
        ({"convs.0.weight": torch.ones(1)}, r"shape \(1,\)"),
        ({"convs.0.bias": (torch.ones(12, 1), torch.ones(1, 12))}, r"shape \(12, 12\); .* takes \(12,\)"),
    ]:
        domain = Domain(weights=weights)
        with pytest.raises(ShapeError, match=message):
            bent_generator.synthesis(bent_latents, domain)
        domain.save(tmp_path / "x.safetensors")
        with pytest.raises(DomainError, match=message):
            Domain.load(tmp_path / "x.safetensors", bent_generator, allow_mismatch=True)
    with pytest.raises(DomainError, match=r"shifts has the widths \[3\]"):
        Domain(shifts=[torch.ones(3)]).check(bent_generator)


def test_incompatible_factors() -> None:
    with pytest.raises(DomainError, match=r"factors of shapes \(4, 2\) and \(3, 4\)"):
        Domain(weights={"convs.0.affine.weight": (torch.zeros(4, 2), torch.zeros(3, 4))})


def test_repr_names_the_parts(random_domain) -> None:
    assert repr(random_domain("stylespace+rgb")).endswith("shifts+rgb_shifts)")
    assert repr(random_domain("affine") + random_domain("modulation")).endswith("offsets+weights)")
