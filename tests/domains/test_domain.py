from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from domainvec.domains import Domain, create_domain, modulation, modulation_rgb
from domainvec.errors import DomainError, InputError
from domainvec.stylegan2 import Generator, GeneratorConfig

WIDTHS = (12, 12, 8, 8, 8)
RGB_WIDTHS = (12, 8, 8)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(resolution=16, z_dim=6, w_dim=8, mapping_layers=2, channels=RGB_WIDTHS)
    return Generator(config).eval()


@pytest.fixture(scope="module")
def latents(generator: Generator) -> torch.Tensor:
    with torch.no_grad():
        return generator.mapping(torch.randn(3, 6, generator=torch.Generator().manual_seed(1)))


def make(seed: int, *, rgb: bool = False, rows: int | None = None, **metadata: object) -> Domain:
    rng = torch.Generator().manual_seed(seed)

    def draw(width: int) -> torch.Tensor:
        return torch.randn(*(() if rows is None else (rows,)), width, generator=rng) * 0.2

    return Domain(
        [draw(width) for width in WIDTHS],
        metadata,
        rgb_offsets=[draw(width) for width in RGB_WIDTHS] if rgb else None,
        rgb_bias=[draw(3) for _ in RGB_WIDTHS] if rgb else None,
    )


def test_size_and_batch_size() -> None:
    assert make(0).size == sum(WIDTHS)
    assert make(0, rgb=True).size == sum(WIDTHS) + sum(RGB_WIDTHS) + 9
    assert make(0, rgb=True, rows=4).size == make(0, rgb=True).size
    assert make(0).batch_size is None
    assert make(0, rows=4).batch_size == 4


@pytest.mark.parametrize("name", ["modulation", "modulation+rgb"])
def test_the_zero_domain_reproduces_the_generator_exactly(name, generator, latents) -> None:
    with torch.no_grad():
        plain = generator.synthesis(latents)
        adapted = generator.synthesis(latents, create_domain(name, generator))
    assert torch.equal(plain, adapted)


@pytest.mark.parametrize("resolution", [None, 8])
def test_only_the_domain_gets_finite_gradients(generator, latents, resolution) -> None:
    frozen = copy.deepcopy(generator).requires_grad_(False)
    domain = modulation_rgb(frozen)
    frozen.synthesis(latents, domain, resolution=resolution).square().sum().backward()
    assert all(parameter.grad is None for parameter in frozen.parameters())
    used = len(domain.offsets) if resolution is None else 3
    for index, offset in enumerate(domain.offsets):
        assert (offset.grad is not None) == (index < used)
        if index < used:
            assert offset.grad.isfinite().all() and offset.grad.abs().max() > 0


def test_sizes_at_1024_px_match_the_papers() -> None:
    channels = tuple(min(32768 // resolution, 512) for resolution in (4 << k for k in range(9)))
    with torch.device("meta"):
        full = Generator(
            GeneratorConfig(resolution=1024, z_dim=512, w_dim=512, mapping_layers=8, channels=channels)
        )
        assert modulation(full).size == 6048
        assert modulation_rgb(full).size == 9115


def test_unknown_parameterizations_list_the_known_ones(generator) -> None:
    with pytest.raises(InputError, match=r"'mapping'.*modulation, modulation\+rgb"):
        create_domain("mapping", generator)


def test_mixing_is_linear(generator, latents) -> None:
    a, b = make(1), make(2, rgb=True)
    mixed = 0.25 * a + b / 2 - (-a) * 0.5
    assert torch.allclose(mixed.vector[: a.size], 0.75 * a.vector + 0.5 * b.vector[: a.size])
    assert torch.allclose(mixed.vector[a.size :], 0.5 * b.vector[a.size :])
    assert torch.equal((a + b).vector, (b + a).vector)
    assert torch.equal((a - a).vector, torch.zeros(a.size))
    assert torch.equal(sum([a, b]).vector, (a + b).vector)


def test_numpy_scalars_multiply_from_both_sides() -> None:
    a = make(1)
    for half in (0.5, np.float64(0.5), np.float32(0.5)):
        assert isinstance(half * a, Domain)
        assert torch.equal((half * a).vector, (a * half).vector)


def test_mixing_is_differentiable() -> None:
    a, b = make(1).requires_grad_(), make(2)
    (2 * a + b).vector.sum().backward()
    assert all(torch.equal(offset.grad, torch.full_like(offset, 2.0)) for offset in a.offsets)


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (lambda a: a * float("nan"), InputError, "finite number, not nan"),
        (lambda a: a / 0, InputError, "divided by zero"),
        (lambda a: a + Domain([torch.zeros(4)]), DomainError, "offsets of .* and "),
        (lambda a: Domain.stack([a, Domain([torch.zeros(4)])]), DomainError, "different widths"),
        (lambda a: Domain.stack([]), DomainError, "at least one"),
        (lambda a: Domain.stack([Domain.stack([a, a])]), DomainError, "not a stack of 2"),
        (lambda a: Domain.stack([a, a]) + Domain.stack([a] * 3), DomainError, "2 domains and one of 3"),
        (lambda a: a[0], DomainError, "only a stack"),
        (lambda a: a.with_vector(torch.zeros(3)), DomainError, r"\(3,\) does not fit"),
    ],
)
def test_invalid_operations(operation, error, message) -> None:
    with pytest.raises(error, match=message):
        operation(make(1))


@pytest.mark.parametrize("operation", [lambda a: a + 1, lambda a: a * a, lambda a: a * "2", lambda a: 1 - a])
def test_unsupported_operations(operation) -> None:
    with pytest.raises(TypeError):
        operation(make(1))


def test_stacks_are_iterable() -> None:
    stack = Domain.stack([make(1), make(2)])
    assert [row.batch_size for row in stack] == [None, None]
    assert torch.equal(stack[-1].vector, make(2).vector)
    with pytest.raises(IndexError, match="row 2 of a stack of 2"):
        stack[2]


def test_a_stack_equals_its_domains_one_by_one(generator, latents) -> None:
    domains = [make(1), make(2, rgb=True), make(3)]
    with torch.no_grad():
        together = generator.synthesis(latents, Domain.stack(domains))
        single = [generator.synthesis(latents[i : i + 1], domain) for i, domain in enumerate(domains)]
    torch.testing.assert_close(together, torch.cat(single), rtol=1e-5, atol=1e-5)


def test_single_domain_is_added_to_each_row_of_a_stack() -> None:
    a, b, c = make(1, target="a"), make(2, target="b"), make(3, target="c")
    total = Domain.stack([a, b]) * 0.5 + c
    assert torch.equal(total[1].vector, (0.5 * b + c).vector)
    assert total[1].metadata == (0.5 * b + c).metadata


def test_vector_round_trip() -> None:
    for domain in (make(1), make(1, rgb=True), make(1, rgb=True, rows=2)):
        again = domain.with_vector(domain.vector)
        assert torch.equal(again.vector, domain.vector)
        assert [o.shape for o in again.offsets] == [o.shape for o in domain.offsets]


def test_to_and_detach() -> None:
    domain = make(1, rgb=True, target="t").requires_grad_()
    half = domain.to(torch.float16)
    assert {tensor.dtype for tensor in (*half.offsets, *half.rgb_offsets, *half.rgb_bias)} == {torch.float16}
    assert half.metadata == {"target": "t"}
    assert not domain.detach().vector.requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"offsets": []}, "got none"),
        ({"offsets": [[1.0, 2.0]]}, "must be a tensor, not a list"),
        ({"offsets": [torch.zeros(3, dtype=torch.int64)]}, "torch.int64"),
        ({"offsets": [torch.zeros(2, 3, 4)]}, r"\(2, 3, 4\)"),
        ({"offsets": [torch.zeros(0)]}, r"\(0,\)"),
        ({"offsets": [torch.zeros(3), torch.zeros(2, 3)]}, "one N"),
        ({"offsets": [torch.zeros(2, 3), torch.zeros(3, 3)]}, "one N"),
        ({"offsets": [torch.zeros(3), torch.zeros(3, dtype=torch.float64)]}, "one type"),
        ({"offsets": [torch.zeros(3)], "rgb_bias": [torch.zeros(4)]}, r"expected \(3,\)"),
        (
            {"offsets": [torch.zeros(3)], "rgb_bias": [torch.zeros(3)], "rgb_offsets": [torch.zeros(3)] * 2},
            "2 rgb_offsets but 1 rgb_bias",
        ),
        ({"offsets": [torch.zeros(3)], "metadata": {"x": float("nan")}}, "JSON"),
        ({"offsets": [torch.zeros(3)], "metadata": {"x": object()}}, "JSON"),
        ({"offsets": [torch.zeros(3)], "metadata": {"mix": 3}}, '"mix" must be a list'),
        ({"offsets": [torch.zeros(3)], "metadata": {"mix": [{"weight": 1}]}}, '"mix" must be {"weight"'),
        ({"offsets": [torch.zeros(3)], "metadata": {"stack": [1]}}, '"stack" must be an object'),
    ],
)
def test_invalid_domains(arguments, message) -> None:
    with pytest.raises(DomainError, match=message):
        Domain(**arguments)


def test_metadata_is_copied_as_json() -> None:
    metadata = {"target": "ein Gemälde", "widths": (1, 2)}
    domain = Domain([torch.zeros(3)], metadata)
    metadata["target"] = "changed"
    assert domain.metadata == {"target": "ein Gemälde", "widths": [1, 2]}


def test_metadata_of_a_mix_names_parts_and_weights() -> None:
    a = make(1, target="a", generator_fingerprint="f", license="L1")
    b = make(2, target="b", generator_fingerprint="f", license="L2")
    assert (0.5 * a - b).metadata == {
        "generator_fingerprint": "f",
        "license": ["L1", "L2"],
        "mix": [{"weight": 0.5, "domain": a.metadata}, {"weight": -1.0, "domain": b.metadata}],
    }
    assert (1 * a).metadata == a.metadata
    assert (a * 2 / 2).metadata == a.metadata
    assert Domain.stack([a, 0.5 * b])[1].metadata == (0.5 * b).metadata


def test_check_of_widths_and_fingerprint(generator) -> None:
    make(1, rgb=True).check(generator)
    make(1, generator_fingerprint=generator.fingerprint).check(generator)
    stranger = make(1, generator_fingerprint="0123456789abcdef")
    with pytest.raises(DomainError, match=f"0123456789abcdef.*{generator.fingerprint}"):
        stranger.check(generator)
    stranger.check(generator, allow_mismatch=True)
    with pytest.raises(DomainError, match=r"\[4\].*\[12, 12, 8, 8, 8\]"):
        Domain([torch.zeros(4)]).check(generator, allow_mismatch=True)


def test_a_domain_fits_its_generator_with_and_without_the_clamp(generator) -> None:
    clamped = Generator(dataclasses.replace(generator.config, conv_clamp=256.0))
    clamped.load_state_dict(generator.state_dict())
    # What files of a clamped generator carry since, and carried when the clamp was part of the fingerprint.
    for fingerprint in (clamped.fingerprint, clamped._fingerprint(256.0)):
        for either in (clamped, generator):
            make(1, generator_fingerprint=fingerprint).check(either)
    both = make(1, generator_fingerprint=clamped.fingerprint) + make(
        2, generator_fingerprint=clamped._fingerprint(256.0)
    )
    both.check(clamped)


def test_a_mix_of_two_generators_needs_allow_mismatch(generator) -> None:
    mix = make(1, generator_fingerprint=generator.fingerprint) + make(2, generator_fingerprint="other")
    with pytest.raises(DomainError, match=f"{generator.fingerprint} and other"):
        mix.check(generator)
    mix.check(generator, allow_mismatch=True)


def test_repr() -> None:
    assert repr(make(1, target="a sketch")) == "Domain('a sketch', 48 parameters, offsets)"
    assert "2 × 85 parameters, offsets+rgb_offsets+rgb_bias" in repr(make(1, rgb=True, rows=2))


def test_a_slice_of_a_stack_is_a_stack() -> None:
    stack = Domain.stack([make(1, target="a"), make(2, target="b"), make(3, target="c")])
    part = stack[1:]
    assert part.batch_size == 2 and torch.equal(part[0].vector, make(2).vector)
    assert part[1].metadata["target"] == "c"


def test_names_that_are_no_text_do_not_cost_the_domain(tmp_path) -> None:
    """File names that are not UTF-8 have lone surrogates."""
    domain = make(1, target="a sketch", picture="p\udcff.png")
    domain.save(tmp_path / "x.safetensors")
    assert Domain.load(tmp_path / "x.safetensors").metadata["picture"] == "p?.png"
