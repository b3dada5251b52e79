"""Properties of the networks; their values are held against references in test_readers."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
import torch

from domainvec.domains import Domain
from domainvec.errors import InputError, ShapeError
from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig

CONFIG = GeneratorConfig(resolution=32, z_dim=12, w_dim=10, mapping_layers=3, channels=(14, 12, 10, 8))


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    generator = Generator(CONFIG).requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.add_(0.1 * torch.randn_like(parameter))
    generator.mapping.w_avg.normal_()
    return generator


@pytest.fixture(scope="module")
def w(generator: Generator) -> torch.Tensor:
    return generator.mapping(torch.randn(3, 12, generator=torch.Generator().manual_seed(1)))


def random_domain(generator: Generator, seed: int) -> Domain:
    rng = torch.Generator().manual_seed(seed)
    return Domain(
        [0.5 * torch.randn(c, generator=rng) for c in generator.conv_channels],
        rgb_offsets=[0.5 * torch.randn(c, generator=rng) for c in generator.rgb_channels],
        rgb_bias=[0.5 * torch.randn(3, generator=rng) for _ in generator.rgb_channels],
    )


def test_shapes_that_the_public_contract_names(generator: Generator, w: torch.Tensor) -> None:
    assert (generator.resolution, generator.z_dim, generator.w_dim, generator.num_ws) == (32, 12, 10, 8)
    assert generator.conv_channels == (14, 14, 12, 12, 10, 10, 8)
    assert generator.rgb_channels == (14, 12, 10, 8)
    assert w.shape == (3, 8, 10)
    assert generator.synthesis(w).shape == (3, 3, 32, 32)


def test_ffhq_widths_give_the_published_size_of_a_domain_vector() -> None:
    channels = tuple(min(32768 // (4 << k), 512) for k in range(9))
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(1024, 512, 512, 8, channels))
    assert sum(generator.conv_channels) == 6048
    assert sum(generator.conv_channels) + sum(generator.rgb_channels) + 3 * 9 == 9115
    assert sum(p.numel() for p in generator.parameters()) == 30_370_060


@pytest.mark.parametrize("resolution", [4, 8, 16, 32])
def test_stopping_early_gives_a_smaller_picture(
    generator: Generator, w: torch.Tensor, resolution: int
) -> None:
    assert generator.synthesis(w, resolution=resolution).shape == (3, 3, resolution, resolution)


def test_a_network_of_one_resolution_runs() -> None:
    generator = Generator(GeneratorConfig(4, 5, 6, 1, (7,)))
    assert generator.num_ws == 2
    assert generator(torch.randn(2, 5)).shape == (2, 3, 4, 4)


def test_zero_domain_is_the_base_generator_bit_for_bit(generator: Generator, w: torch.Tensor) -> None:
    zero = 0.0 * random_domain(generator, 0)
    assert torch.equal(generator.synthesis(w, zero), generator.synthesis(w))


def test_every_part_of_a_domain_changes_the_picture(generator: Generator, w: torch.Tensor) -> None:
    domain, base = random_domain(generator, 0), generator.synthesis(w)
    zeros = [torch.zeros_like(t) for t in domain.offsets]
    for parts in (
        Domain(domain.offsets),
        Domain(zeros, rgb_offsets=domain.rgb_offsets),
        Domain(zeros, rgb_bias=domain.rgb_bias),
    ):
        assert (generator.synthesis(w, parts) - base).abs().max() > 0.05


def test_a_batch_of_domains_equals_one_by_one(generator: Generator, w: torch.Tensor) -> None:
    domains = [random_domain(generator, seed) for seed in range(3)]
    together = generator.synthesis(w, Domain.stack(domains))
    for k, domain in enumerate(domains):
        torch.testing.assert_close(together[k], generator.synthesis(w[k : k + 1], domain)[0])


def test_demodulation_does_not_see_the_domain(generator: Generator, w: torch.Tensor) -> None:
    """Doubling every input channel of a convolution doubles its output, which demodulation would undo."""
    conv = generator.synthesis.convs[0]
    x = torch.randn(3, 14, 4, 4)
    with torch.no_grad():
        without_bias = Generator(CONFIG).synthesis.convs[0]
        without_bias.load_state_dict(conv.state_dict())
        without_bias.bias.zero_()
        plain = without_bias(x, w[:, 0], None, None)
        doubled = without_bias(x, w[:, 0], torch.ones(14), None)
    torch.testing.assert_close(doubled, 2 * plain)


def test_truncation(generator: Generator, w: torch.Tensor) -> None:
    z = torch.randn(3, 12, generator=torch.Generator().manual_seed(1))
    average = generator.mapping.w_avg
    torch.testing.assert_close(generator.mapping(z, 0.0), average.expand(3, 8, 10))
    half = generator.mapping(z, 0.5, truncation_cutoff=3)
    torch.testing.assert_close(half[:, :3], (average + w[:, :3]) / 2)
    assert torch.equal(half[:, 3:], w[:, 3:])


def test_style_mixing_takes_each_layer_from_its_own_w(generator: Generator, w: torch.Tensor) -> None:
    mixed = w[:1].clone()
    mixed[:, 6:] = w[1:2, 6:]
    at_16 = [generator.synthesis(x, resolution=16) for x in (w[:1], mixed)]
    at_32 = [generator.synthesis(x) for x in (w[:1], mixed)]
    assert torch.equal(*at_16)
    assert not torch.equal(*at_32)


def test_noise(generator: Generator, w: torch.Tensor) -> None:
    def draw(seed: int) -> torch.Tensor:
        return generator.synthesis(w, noise="random", rng=torch.Generator().manual_seed(seed))

    assert torch.equal(generator.synthesis(w), generator.synthesis(w))
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert not torch.equal(generator.synthesis(w, noise="none"), generator.synthesis(w))
    with pytest.raises(InputError, match=r"noise is 'constant'; expected 'const', 'random' or 'none'"):
        generator.synthesis(w, noise="constant")


def test_gradients_reach_the_domain_alone(generator: Generator, w: torch.Tensor) -> None:
    domain = random_domain(generator, 0)
    parts = [t.requires_grad_() for t in (*domain.offsets, *domain.rgb_offsets, *domain.rgb_bias)]
    generator.synthesis(w, domain).square().mean().backward()
    assert all(t.grad is not None and t.grad.isfinite().all() and t.grad.any() for t in parts)
    assert all(p.grad is None for p in generator.parameters())


def test_half_precision_stays_close(generator: Generator, w: torch.Tensor) -> None:
    full, half = generator.synthesis(w), generator.synthesis(w, dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    assert (full - half).abs().mean() < 0.02 * full.abs().mean()


def test_fingerprint_survives_half_precision_and_rescaled_kernels(generator: Generator) -> None:
    same, other = Generator(CONFIG), Generator(CONFIG)
    state = {name: tensor.half().float() for name, tensor in generator.state_dict().items()}
    for name in state:
        if name.startswith("synthesis.convs") and state[name].ndim == 4:
            state[name] = state[name] / 3
        if "w_avg" in name or name.endswith(".noise"):
            state[name] = torch.zeros_like(state[name])
    same.load_state_dict(state)
    assert same.fingerprint == generator.fingerprint
    assert len(generator.fingerprint) == 16
    assert other.fingerprint != generator.fingerprint


def test_fingerprint_is_that_of_the_network_without_its_clamp(generator: Generator) -> None:
    earlier = {clamp: _fingerprint_with_clamp(generator, clamp) for clamp in (None, 256.0, 100.0)}
    assert generator.fingerprint == earlier[None]
    twins = {clamp: Generator(dataclasses.replace(CONFIG, conv_clamp=clamp)) for clamp in earlier}
    for clamp, twin in twins.items():
        twin.load_state_dict(generator.state_dict())
        assert twin.fingerprint == generator.fingerprint
        assert twin.has_fingerprint(generator.fingerprint)
        assert twin.has_fingerprint(earlier[clamp])  # of files that were made when the clamp was in it
        assert twin.has_fingerprint(earlier[256.0])  # also where the clamp was dropped since
        assert not twin.has_fingerprint("0" * 16) and not twin.has_fingerprint(None)
    assert not generator.has_fingerprint(earlier[100.0])


def _fingerprint_with_clamp(generator: Generator, clamp: float | None) -> str:
    """What the property gave when the whole shape entered into it."""
    config = dataclasses.asdict(generator.config) | {"conv_clamp": clamp}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, parameter in sorted(generator.named_parameters()):
        is_kernel = name.startswith("synthesis.convs.") and parameter.ndim == 4
        values = torch.signbit(parameter) if is_kernel else parameter.half()
        digest.update(name.encode() + values.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g, w: g.mapping(torch.randn(2, 13)), r"z has shape \(2, 13\); expected \(N, 12\)"),
        (lambda g, w: g.synthesis(w[:, 0]), r"w has shape \(3, 10\); expected \(N, 8, 10\)"),
        (
            lambda g, w: g.synthesis(w, resolution=64),
            r"resolution is 64; expected a power of two from 4 to 32",
        ),
        (lambda g, w: g.synthesis(w, resolution=12), r"resolution is 12; expected a power of two"),
        (
            lambda g, w: g.synthesis(w, Domain([torch.zeros(14)])),
            r"the domain's offsets have shapes \[\(14,\)\]; this generator takes widths \[14, 14, 12",
        ),
        (
            lambda g, w: g.synthesis(w[:2], Domain.stack([random_domain(g, 0)] * 3)),
            r"leading batch dimension of 2",
        ),
    ],
)
def test_wrong_shapes_are_refused(generator: Generator, w: torch.Tensor, call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ShapeError, match=message):
        call(generator, w)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, "resolution is 48"),
        ({"channels": (4, 4)}, "expected 4 positive widths, for 4 px to 32 px"),
        ({"w_dim": 0}, "w_dim is 0"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        dataclasses.replace(CONFIG, **changes)


def test_discriminator() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(DiscriminatorConfig(resolution=16, channels=(12, 10, 8)))
    images = torch.randn(4, 3, 16, 16)
    assert discriminator(images).shape == (4, 1)
    assert discriminator(images[:1]).shape == (1, 1)
    with pytest.raises(ShapeError, match=r"expected \(N, 3, 16, 16\)"):
        discriminator(images[:, :, :8])
    with pytest.raises(ShapeError, match="multiple of the group size 4"):
        discriminator(torch.randn(6, 3, 16, 16))


def test_images_are_drawn_in_batches_within_their_range(tiny_generator) -> None:
    w = tiny_generator.mapping(
        torch.randn(5, tiny_generator.z_dim, generator=torch.Generator().manual_seed(1))
    )
    one = Domain([torch.full((width,), 0.5) for width in tiny_generator.conv_channels])
    stack = Domain.stack([k / 2 * one for k in range(5)])
    for domain in (None, one, stack):
        expected = tiny_generator.synthesis(w, domain).clamp(-1, 1)
        images = tiny_generator.draw(w, domain, batch_size=2)
        torch.testing.assert_close(images, expected)
        assert not images.requires_grad and images.dtype == torch.float32
    assert tiny_generator.draw(w, resolution=8).shape == (5, 3, 8, 8)
    assert tiny_generator.draw(w[:0]).shape == (0, 3, tiny_generator.resolution, tiny_generator.resolution)
    with pytest.raises(ShapeError):
        tiny_generator.draw(w, Domain([torch.zeros(4)]))
