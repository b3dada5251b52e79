from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainvec.errors import CheckpointError, InputError, ShapeError
from domainvec.evaluation import Judge

NAMES = ("photo", "sketch", "zombie")


@pytest.fixture(scope="module")
def judge():
    torch.manual_seed(0)
    judge = Judge(NAMES, widths=(4, 6, 8), resolution=16)
    for _ in range(3):  # so that the running statistics are not the initial ones
        judge(torch.randn(8, 3, 16, 16))
    return judge.eval().requires_grad_(False)


@pytest.fixture
def folder(judge, tmp_path):
    judge.save_pretrained(tmp_path / "judge")
    return tmp_path / "judge"


def test_shapes(judge):
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert judge(images).shape == (2, 3)
    assert judge.features(images).shape == (2, 8)
    assert judge(torch.rand(2, 3, 40, 40)).shape == (2, 3)
    torch.testing.assert_close(judge.classifier(judge.features(images)), judge(images))


def test_default_is_small():
    assert 3e5 < sum(parameter.numel() for parameter in Judge(NAMES).parameters()) < 5e5


def test_saving_and_loading(judge, folder):
    loaded = Judge.from_pretrained(folder)
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(loaded(images), judge(images), rtol=0, atol=1e-2)
    assert loaded.names == NAMES and not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    weights = load_file(folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16, torch.int64}


@pytest.mark.parametrize("names", [("photo",), ("photo", "photo")])
def test_names_are_checked(names):
    with pytest.raises(InputError, match="at least two, all different"):
        Judge(names)


def test_wrong_shapes_are_named(judge):
    with pytest.raises(ShapeError, match=r"images have shape \(3, 16, 16\)"):
        judge(torch.zeros(3, 16, 16))


def test_unknown_judges_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="no judge 'nobody': expected 'faces-judge' or a folder"):
        Judge.from_pretrained("nobody")
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        Judge.from_pretrained(tmp_path)


def without_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.bias"]
    save_file(weights, folder / "model.safetensors")


def without_names(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["names"]
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "does not hold a judge"),
        (lambda folder: (folder / "config.json").write_text("<html>"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"<html>"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors is missing"),
        (without_a_weight, r"do not fit each other:.*classifier\.bias"),
        (without_names, "do not fit each other: 'names'"),
    ],
)
def test_broken_folders_are_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        Judge.from_pretrained(folder)
