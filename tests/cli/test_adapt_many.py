import json

import pytest
import torch

from domainvec.adaptation import PUBLISHED_TRAINING
from domainvec.domains import Domain


@pytest.fixture
def prompts(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("# styles\na pencil sketch\n\n  a zombie \na zombie sketch\n", encoding="utf-8")
    return file


@pytest.fixture
def command(prompts, tiny_generator_folder, tiny_encoder_folder):
    return ["adapt-many", prompts, tiny_generator_folder, "--encoder", tiny_encoder_folder, "--steps", 2]


def test_each_line_becomes_a_domain(run, tmp_path, command, tiny_generator_folder, tiny_encoder_folder):
    folder = tmp_path / "styles"
    code, out, err = run(*command, "-o", folder, "--together", 2, "--seed", 5)
    assert code == 0, err
    names = ["a-pencil-sketch", "a-zombie", "a-zombie-sketch"]
    expected = {f"{name}.{suffix}" for name in names for suffix in ("json", "png", "safetensors")}
    assert {file.name for file in folder.iterdir()} == expected
    assert "step 6/6" in err and out.count(" kB") == 3
    options = ["--encoder", tiny_encoder_folder, "--steps", 2, "--seed", 5, "-o", tmp_path / "alone"]
    assert run("adapt", tiny_generator_folder, "--to", "a zombie", *options)[0] == 0
    together, alone = (
        Domain.load(folder / "a-zombie.safetensors"),
        Domain.load(tmp_path / "alone.safetensors"),
    )
    assert torch.equal(together.vector, alone.vector) and together.metadata == alone.metadata


def test_each_domain_ends_at_its_own_plateau(run, tmp_path, command, monkeypatch):
    short = PUBLISHED_TRAINING.replace(steps=15)
    monkeypatch.setattr("domainvec.adaptation.training.PUBLISHED_TRAINING", short)
    command[-1] = "auto"
    code, out, err = run(*command, "-o", tmp_path / "styles")
    assert code == 0, err
    assert "3 domains, at most 30 steps each" in out
    records = [json.loads(file.read_text()) for file in (tmp_path / "styles").glob("*.json")]
    assert len(records) == 3
    assert all(record["measured"]["curve"] for record in records)
    assert all(len(record["history"]) < 30 for record in records if "stopped" in record)
    assert run("adapt-many", command[1], "--steps", "few")[0] == 2


def test_a_command_that_failed_goes_on(run, tmp_path, command, monkeypatch):
    folder = tmp_path / "styles"
    assert run(*command, "-o", tmp_path / "whole")[0] == 0

    def fail(*_):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("domainvec.adaptation.result.AdaptationResult.save", fail)
        code, _, err = run(*command, "-o", folder, "--together", 2)
    assert code == 1 and err.endswith("error: the disk is gone\n")
    kept = sorted(file.name for file in folder.iterdir())
    assert kept == ["a-pencil-sketch.ckpt", "a-zombie.ckpt"]
    assert run(*command, "-o", folder, "--together", 2)[0] == 0
    for file in (tmp_path / "whole").glob("*.safetensors"):
        assert torch.equal(Domain.load(file).vector, Domain.load(folder / file.name).vector)
    code, out, err = run(*command, "-o", folder)
    assert (code, out) == (0, "") and "3 of 3 domains are in" in err
    history = json.loads((folder / "a-zombie.json").read_text())["history"]
    assert [record["step"] for record in history] == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nothing\n\n", "has no text in it"),
        (b"\xff\xfe\x00", "is not text in UTF-8 or UTF-16"),
        (b"a zombie\nA zombie!\n", "'a zombie' and 'A zombie!' would both be a-zombie.safetensors"),
    ],
)
def test_a_bad_list_is_refused(run, prompts, command, content, message):
    prompts.write_bytes(content)
    code, _, err = run(*command)
    assert code == 2 and message in " ".join(err.split())


def test_a_missing_list_is_named(run, tmp_path):
    code, _, err = run("adapt-many", tmp_path / "none.txt")
    assert code == 1 and "none.txt: No such file" in err
