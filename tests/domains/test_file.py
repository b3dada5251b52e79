from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from domainvec.domains import Domain
from domainvec.errors import DomainError
from domainvec.stylegan2 import Generator, GeneratorConfig

METADATA = {"target": "a pencil sketch", "settings": {"steps": 3, "betas": [0.9, 0.999]}, "license": None}


def make(**arguments: object) -> Domain:
    torch.manual_seed(0)
    return Domain(
        [torch.randn(4), torch.randn(6)], METADATA, rgb_offsets=[torch.randn(5)], rgb_bias=[torch.randn(3)]
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "sketch.safetensors"


@pytest.mark.parametrize("half", [True, False])
def test_save_and_load_round_trip(path, half) -> None:
    domain = make()
    domain = domain.with_vector(domain.vector.half().float()) if half else domain
    domain.save(path)
    again = Domain.load(path)
    assert torch.equal(again.vector, domain.vector) and again.vector.dtype == torch.float32
    assert again.metadata == domain.metadata
    assert len(again.rgb_bias) == 1 and len(again.rgb_offsets) == 1
    assert not list(path.parent.glob(".*"))


def test_float16_is_used_if_lossless(path) -> None:
    domain = Domain([torch.randn(1000).half().float()])
    domain.save(path)
    small = path.stat().st_size
    domain.save(path, dtype=torch.float32)
    assert path.stat().st_size - small == 2000
    Domain([torch.full((3,), 0.1)]).save(path, dtype=torch.float16)
    assert torch.equal(Domain.load(path).offsets[0], torch.full((3,), 0.1).half().float())


def test_files_are_deterministic(path) -> None:
    make().save(path)
    first = path.read_bytes()
    make().requires_grad_().save(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("domain", "dtype", "message"),
    [
        (Domain([torch.tensor([1.0, float("nan")])]), None, r"offsets\.0 has values that are not finite"),
        (Domain([torch.tensor([1e6])]), torch.float16, "too large for torch.float16"),
        (Domain([torch.zeros(2, 3)]), None, r"not a stack of 2.*domain\[0\]"),
        (Domain([torch.zeros(2)], {"text": "x" * 600_000}), None, "too long"),
    ],
)
def test_failed_saves_leave_no_file(path, domain, dtype, message) -> None:
    with pytest.raises(DomainError, match=message):
        domain.save(path, dtype)
    assert not path.exists()


def test_load_for_a_generator(path) -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(resolution=8, z_dim=4, w_dim=4, mapping_layers=1, channels=(4, 4))
    generator, other = Generator(config), Generator(config)
    offsets = [torch.zeros(4)] * 3
    Domain(offsets, {"generator_fingerprint": other.fingerprint}).save(path)
    with pytest.raises(DomainError, match=f"sketch.*{other.fingerprint}.*{generator.fingerprint}"):
        Domain.load(path, generator)
    Domain.load(path, other)
    Domain.load(path, generator, allow_mismatch=True)
    Domain(offsets[:2]).save(path)
    with pytest.raises(DomainError, match="widths"):
        Domain.load(path, generator, allow_mismatch=True)


def header(path: Path, tensors: dict[str, torch.Tensor], text: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=None if text is None else {"domainvec": text})


GOOD = {"offsets.0": torch.zeros(4), "offsets.1": torch.zeros(6)}


@pytest.mark.parametrize(
    ("tensors", "text", "message"),
    [
        (GOOD, None, "no `domainvec` entry"),
        (GOOD, "{", "not JSON"),
        (GOOD, "[1]", "must be a JSON object"),
        (GOOD, '{"format_version": 1, "x": NaN}', "NaN is not JSON"),
        (GOOD, "[" * 100_000, "not JSON"),
        (GOOD, '{"a":' * 50_000 + "1" + "}" * 50_000, "not JSON"),
        (GOOD, "{}", "format version None"),
        (GOOD, '{"format_version": 2}', "format version 2, expected 1"),
        (GOOD, '{"format_version": 1, "mix": [{"weight": "1", "domain": {}}]}', '"mix"'),
        (GOOD, '{"format_version": 1, "mix": [{"weight": 1e999, "domain": {}}]}', '"mix"'),
        ({}, '{"format_version": 1}', r"missing tensors offsets\.0"),
        (
            {"offsets.0": torch.zeros(4), "offsets.2": torch.zeros(4)},
            '{"format_version": 1}',
            r"missing.*offsets\.1",
        ),
        ({**GOOD, "offsets.00": torch.zeros(4)}, '{"format_version": 1}', r"unexpected.*offsets\.00"),
        ({**GOOD, "weight": torch.zeros(4)}, '{"format_version": 1}', "unexpected.*weight"),
        ({**GOOD, "rgb_bias.1": torch.zeros(3)}, '{"format_version": 1}', r"missing.*rgb_bias\.0"),
        ({**GOOD, "rgb_bias.0": torch.zeros(4)}, '{"format_version": 1}', r"rgb_bias\.0.*c from 1 to 3"),
        ({"offsets.0": torch.zeros(2, 2)}, '{"format_version": 1}', r"\(2, 2\)"),
        ({"offsets.0": torch.zeros(())}, '{"format_version": 1}', r"shape \(\)"),
        ({"offsets.0": torch.zeros(0)}, '{"format_version": 1}', r"shape \(0,\)"),
        ({"offsets.0": torch.zeros(70_000)}, '{"format_version": 1}', "70000"),
        ({"offsets.0": torch.zeros(4, dtype=torch.int64)}, '{"format_version": 1}', "I64"),
        ({"offsets.0": torch.full((4,), 1e300, dtype=torch.float64)}, '{"format_version": 1}', "not finite"),
        ({"offsets.0": torch.full((4,), float("inf"))}, '{"format_version": 1}', "not finite"),
        (
            {
                **GOOD,
                "rgb_offsets.0": torch.zeros(2),
                "rgb_bias.0": torch.zeros(3),
                "rgb_bias.1": torch.zeros(3),
            },
            '{"format_version": 1}',
            "1 rgb_offsets but 2 rgb_bias",
        ),
    ],
)
def test_malicious_files_are_refused(path, tensors, text, message) -> None:
    header(path, tensors, text)
    with pytest.raises(DomainError, match=message) as caught:
        Domain.load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_truncated_and_foreign_files_are_refused(path) -> None:
    make().save(path)
    whole = path.read_bytes()
    for content in (
        b"",
        whole[:4],
        whole[:100],
        whole[:-1],
        b"<!DOCTYPE html><html>",
        b"PK\x03\x04" + bytes(60),
    ):
        path.write_bytes(content)
        with pytest.raises(DomainError, match="not a domain file"):
            Domain.load(path)


def test_claimed_sizes_allocate_no_memory(path) -> None:
    path.parent.mkdir()
    path.write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(DomainError, match="header of 1,099,511,627,776 bytes"):
        Domain.load(path)
    claim = json.dumps({"offsets.0": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(claim)) + claim)
    with pytest.raises(DomainError, match="not a domain file"):
        Domain.load(path)


def test_missing_files_and_folders_are_refused(tmp_path) -> None:
    with pytest.raises(DomainError, match="no such file"):
        Domain.load(tmp_path / "nothing.safetensors")
    with pytest.raises(DomainError, match="not a domain file"):
        Domain.load(tmp_path)


def test_sparse_files_store_nonzero_values_only(path) -> None:
    domain = Domain(shifts=[torch.zeros(3000), torch.zeros(3003)], rgb_bias=[torch.zeros(3)])
    vector = domain.vector
    vector[::5] = torch.arange(1.0, 1203.0)
    sparse = domain.with_vector(vector)
    assert sparse.is_sparse and sparse.num_nonzero == 1202
    sparse.save(path)
    again = Domain.load(path)
    assert torch.equal(again.vector, vector)
    assert [part.shape for part in again.shifts] == [(3000,), (3003,)] and again.offsets == ()
    assert path.stat().st_size < 1202 * 2 + 6006 / 8 + 500
    (0 * sparse).save(path)
    assert not Domain.load(path).vector.any()


def test_dense_files_store_each_tensor(path) -> None:
    domain = Domain([torch.ones(4)], weights={"convs.10.bias": torch.ones(4), "convs.9.bias": torch.ones(2)})
    domain.save(path)
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == {"offsets.0", "weights.convs.9.bias", "weights.convs.10.bias"}
    assert list(Domain.load(path).weights) == ["convs.9.bias", "convs.10.bias"]


SPARSE = {"mask": torch.tensor([0b101], dtype=torch.uint8), "values": torch.ones(2)}


@pytest.mark.parametrize(
    ("tensors", "shapes", "message"),
    [
        (SPARSE, None, "a mask of 1 bytes"),
        (SPARSE, "[1]", "a mask of 1 bytes"),
        (SPARSE, '{"offsets.0": 4}', "a mask of 1 bytes"),
        (SPARSE, '{"offsets.0": [9]}', "a mask of 1 bytes"),
        (SPARSE, '{"offsets.0": [-4]}', "a mask of 1 bytes"),
        (SPARSE, '{"offsets.0": [1e999]}', "a mask of 1 bytes"),
        (SPARSE, '{"offsets.0": [1099511627776]}', "a mask of 1 bytes"),
        (SPARSE, '{"offsets.1": [4]}', r"missing tensors offsets\.0"),
        (SPARSE, '{"offsets.0": [2, 2]}', r"expected .* a shape \(c,\)"),
        (SPARSE | {"values": torch.ones(3)}, '{"offsets.0": [4]}', "3 values for a mask of 2"),
        (SPARSE | {"mask": torch.tensor([0b10000100], dtype=torch.uint8)}, '{"offsets.0": [4]}', "mask of 1"),
        (SPARSE | {"mask": torch.ones(1)}, '{"offsets.0": [4]}', "a mask of 1 bytes"),
        (SPARSE | {"values": torch.full((2,), float("nan"))}, '{"offsets.0": [4]}', "not finite"),
        ({**GOOD, "mask": SPARSE["mask"]}, None, "unexpected tensors mask"),
        ({"weights.convs.0.weight.up": torch.ones(4, 2)}, None, r"missing .*convs\.0\.weight\.down"),
        ({"weights.convs.0.weight.down": torch.ones(4, 2)}, None, r"missing .*convs\.0\.weight\.up"),
        (
            {
                "weights.a": torch.ones(4),
                "weights.a.up": torch.ones(4, 2),
                "weights.a.down": torch.ones(2, 4),
            },
            None,
            r"unexpected tensors weights\.a",
        ),
        ({"weights.A": torch.ones(4)}, None, r"unexpected tensors weights\.A"),
        ({"weights.a": torch.ones(1, 1, 1, 1, 1)}, None, "at most four dimensions"),
        (
            {"weights.a.up": torch.ones(65536, 1), "weights.a.down": torch.ones(1, 65536)},
            None,
            "products have 4,294,967,296 values",
        ),
    ],
)
def test_malicious_sparse_files_and_weights_are_refused(path, tensors, shapes, message) -> None:
    path.parent.mkdir()
    entries = {"domainvec": '{"format_version": 1}'} | (
        {} if shapes is None else {"domainvec.shapes": shapes}
    )
    save_file(tensors, path, metadata=entries)
    with pytest.raises(DomainError, match=message) as caught:
        Domain.load(path)
    assert str(path) in str(caught.value)
