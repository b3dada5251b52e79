from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainvec.errors import CheckpointError, InputError, ShapeError
from domainvec.evaluation import Judge

NAMES = ("photo", "sketch", "neon", "zombie", "sepia", "night")


@pytest.fixture(scope="module")
def heads(judge):
    return judge.heads


@pytest.fixture
def folder(judge, tmp_path):
    judge.save_pretrained(tmp_path / "judge")
    return tmp_path / "judge"


def test_shapes(judge, images, heads):
    logits = judge(images)
    assert {head: tuple(part.shape) for head, part in logits.items()} == {
        head: (5, len(answers)) for head, answers in heads.items()
    }
    assert list(logits) == list(heads)
    assert judge.features(images).shape == (5, 8)
    assert judge(torch.rand(2, 3, 40, 40))["medium"].shape == (2, 3)


def test_default_is_small(heads):
    assert 5e5 < sum(parameter.numel() for parameter in Judge(heads).parameters()) < 3e6


def test_odd_resolutions_work(heads):
    assert Judge(heads, widths=(4, 6, 8), resolution=18)(torch.rand(2, 3, 18, 18))["mood"].shape == (2, 3)


def test_names_are_the_single_domains(judge):
    assert judge.names == NAMES


def test_a_domain_is_the_product_of_its_heads(judge, images):
    shares = {head: logits.log_softmax(1) for head, logits in judge(images).items()}
    expected = torch.stack(
        [
            shares["medium"][:, 0] + shares["character"][:, 1] + shares["mood"][:, 0],
            shares["medium"][:, 1] + shares["character"][:, 1] + shares["mood"][:, 2],
            shares["medium"][:, 0] + shares["character"][:, 0] + shares["mood"][:, 0],
        ],
        1,
    )
    names = ["zombie", "sketch+zombie+night", "photo"]
    torch.testing.assert_close(judge.domain_log_probabilities(images, names), expected)
    singles = judge.domain_log_probabilities(images)
    torch.testing.assert_close(singles, judge.domain_log_probabilities(images, NAMES))


def test_all_compositions_add_up_to_one(judge, images, heads):
    parts = [("", *heads[head][1:]) for head in ("medium", "character", "mood")]
    names = [
        "+".join(filter(None, (medium, character, mood))) or "photo"
        for medium in parts[0]
        for character in parts[1]
        for mood in parts[2]
    ]
    total = judge.domain_log_probabilities(images, names).exp().sum(1)
    torch.testing.assert_close(total, torch.ones(5))


def test_attributes_are_the_other_heads(judge, images):
    attributes = judge.attributes(images)
    assert list(attributes) == ["glasses", "smile"]
    torch.testing.assert_close(attributes["glasses"].exp().sum(1), torch.ones(5))
    torch.testing.assert_close(attributes["smile"], judge(images)["smile"].log_softmax(1))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vampire", "knows no domain 'vampire'; it knows photo, sketch"),
        ("sketch+vampire", "knows no domain 'vampire'"),
        ("photo+zombie", "knows no domain 'photo'"),
        ("human", "knows no domain 'human'"),
        ("", "knows no domain ''"),
        ("sketch+neon", "'sketch\\+neon' has two parts of one family"),
        ("zombie+zombie", "has two parts of one family"),
    ],
)
def test_unknown_domains_are_named(judge, images, name, message):
    with pytest.raises(InputError, match=message):
        judge.domain_log_probabilities(images, [name])


def test_saving_and_loading(judge, images, folder, heads):
    loaded = Judge.from_pretrained(folder)
    torch.testing.assert_close(loaded(images), judge(images), rtol=0, atol=1e-2)
    assert loaded.heads == heads and loaded.names == NAMES and not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    weights = load_file(folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16, torch.int64}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"glasses": ("none",)}, "classes of 'glasses' are \\['none'\\]; expected at least two"),
        ({"mood": ("none", "sepia", "sepia")}, "classes of 'mood' .* all different"),
        ({"mood": ("none", "zombie")}, "expected each once"),
        ({"mood": ("none", "a+b")}, "no '\\+' in a name"),
    ],
)
def test_heads_are_checked(changes, message, heads):
    with pytest.raises(InputError, match=message):
        Judge(heads | changes)


def test_domain_heads_are_needed():
    with pytest.raises(InputError, match="expected medium, character, mood among them"):
        Judge({"medium": ("photo", "sketch")})


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


def with_config(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        config = {key: value for key, value in (config | changes).items() if value is not None}
        (folder / "config.json").write_text(json.dumps(config))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("{}"), "does not hold a judge"),
        (lambda folder: (folder / "config.json").write_text("[]"), "does not hold a judge"),
        (lambda folder: (folder / "config.json").write_text("<html>"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"<html>"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors is missing"),
        (without_a_weight, r"do not match:.*classifier\.bias"),
        (with_config(heads=None), "do not match: 'heads'"),
        (with_config(heads=["photo"]), "do not match"),
        (with_config(heads={"medium": ["photo"]}), "do not match: the heads are"),
        (with_config(widths=[]), "do not match"),
        (with_config(kind="domainvec-judge"), "does not hold a judge; expected kind 'domainvec-judge-2'"),
    ],
)
def test_broken_folders_are_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        Judge.from_pretrained(folder)


def test_class_indices(judge):
    assert judge.class_indices("photo") == {"medium": 0, "character": 0, "mood": 0}
    assert judge.class_indices("neon+night") == {"medium": 2, "character": 0, "mood": 2}
    assert judge.class_indices("night+zombie") == {"medium": 0, "character": 1, "mood": 2}
