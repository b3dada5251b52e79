"""Calls of torch-fidelity, which is replaced by a stub."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import pytest
import torch

from domainvec.errors import InputError
from domainvec.evaluation.perceptual import inception_features, lpips_distance

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Inception(torch.nn.Module):
    def __init__(self, name, features_list):
        super().__init__()
        assert features_list == ["2048"] and os.environ[FORCE] == "1"

    def forward(self, pictures):
        assert pictures.dtype == torch.uint8
        return (pictures.flatten(1)[:, :5].double(),)


class Lpips(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        assert os.environ[FORCE] == "1"

    def forward(self, first, second):
        assert first.dtype == second.dtype == torch.uint8
        return (first.float() - second.float()).abs().mean((1, 2, 3))


@pytest.fixture
def library(monkeypatch):
    monkeypatch.delenv(FORCE, raising=False)
    modules = {
        "torch_fidelity": {},
        "torch_fidelity.feature_extractor_inceptionv3": {"FeatureExtractorInceptionV3": Inception},
        "torch_fidelity.sample_similarity_lpips": {"SampleSimilarityLPIPS": Lpips},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return sys.modules


def test_inception_gives_features_of_bytes(library):
    found = inception_features()(torch.full((2, 3, 4, 4), 7, dtype=torch.uint8))
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.full((2, 5), 7.0))
    assert FORCE not in os.environ


def test_lpips_gives_a_distance_for_each_pair(library):
    black, grey = (torch.full((3, 3, 4, 4), shade, dtype=torch.uint8) for shade in (0, 9))
    assert lpips_distance()(black, grey).tolist() == [9, 9, 9]


def test_the_environment_is_restored(library, monkeypatch):
    monkeypatch.setenv(FORCE, "0")
    inception_features()
    assert os.environ[FORCE] == "0"


@pytest.mark.parametrize("load", [inception_features, lpips_distance])
def test_a_missing_library_is_explained(load, monkeypatch):
    for name in ("feature_extractor_inceptionv3", "sample_similarity_lpips"):
        monkeypatch.setitem(sys.modules, f"torch_fidelity.{name}", None)
    with pytest.raises(InputError, match=r"pip install 'domainvec\[metrics\]'"):
        load()


def test_failed_downloads_are_explained(library, monkeypatch):
    def fail(*arguments):
        raise OSError("no route to host")

    module = library["torch_fidelity.feature_extractor_inceptionv3"]
    monkeypatch.setattr(module, "FeatureExtractorInceptionV3", fail)
    with pytest.raises(InputError, match=r"weights of inception.*no route to host"):
        inception_features()
    assert FORCE not in os.environ
