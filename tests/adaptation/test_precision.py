"""The precision that a machine computes in."""

import pytest
import torch

from domainvec.adaptation import precision


@pytest.mark.parametrize("supported", [False, True])
def test_a_cpu_is_asked(monkeypatch, supported):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    expected = "bfloat16" if supported else "float32"
    assert precision.native_precision(torch.device("cpu")) == expected


def test_an_older_pytorch_that_cannot_say_means_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert precision.native_precision(torch.device("cpu")) == "float32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16")])
def test_a_gpu_is_asked_for_its_generation(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    assert precision.native_precision(torch.device("cuda")) == expected


def test_other_devices_stay_at_float32():
    assert precision.native_precision(torch.device("meta")) == "float32"
