from __future__ import annotations

import json
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from domainvec.cli.domains import names_domains
from domainvec.domains import Domain


@pytest.fixture(autouse=True)
def without_torch_fidelity(monkeypatch):
    for name in ("feature_extractor_inceptionv3", "sample_similarity_lpips"):
        monkeypatch.setitem(sys.modules, f"torch_fidelity.{name}", None)


@pytest.fixture
def save(tmp_path, tiny_generator):
    def save(name, **metadata):
        metadata = {"generator_fingerprint": tiny_generator.fingerprint, "target": "a zombie"} | metadata
        domain = Domain([torch.full((width,), 0.5) for width in tiny_generator.conv_channels], metadata)
        domain.save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(8):
        Image.new("RGB", (20, 30), (30 * index, 0, 90)).save(folder / f"{index}.png")
    return folder


def test_a_row_for_each_domain(run, tmp_path, save, tiny_generator_folder, tiny_encoder_folder, pictures):
    (pictures / "notes.txt").write_text("hello")
    sketch, zombie = save("sketch.safetensors", target="a pencil sketch"), save("zombie.safetensors")
    code, out, err = run(
        "evaluate", sketch, f"{zombie}:0.5", tiny_generator_folder, "--encoder", tiny_encoder_folder,
        "--reference", pictures, "--samples", 8, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html",
    )  # fmt: skip
    assert code == 0
    for said in ("sketch", "zombie × 0.5", "Quality", "Diversity", "Fréchet", "→", "the encoder tiny-clip"):
        assert said in out
    assert "skipped notes.txt: no picture" in out
    assert "measuring sketch" in err
    plain = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in plain["domains"]] == ["sketch", "zombie × 0.5"]
    assert [each["target"] for each in plain["domains"]] == [["a pencil sketch"], ["a zombie"]]
    assert plain["domains"][0]["bytes"] == sketch.stat().st_size
    assert plain["settings"]["generator"] == "tiny-generator"
    assert plain["settings"]["reference_pictures"] == 8
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "zombie × 0.5" in page
    assert str(tmp_path) not in page


@pytest.mark.parametrize("strength", ["", ":0.5"])
def test_a_domain_and_a_generator(run, save, tiny_generator_folder, tiny_encoder_folder, strength):
    arguments = [
        f"{save('a.safetensors')}{strength}",
        tiny_generator_folder,
        "--encoder",
        tiny_encoder_folder,
    ]
    assert run("evaluate", *arguments, "--samples", 8)[0] == 0


def test_a_terminal_of_another_encoding_costs_no_result(
    start, save, tmp_path, tiny_generator_folder, tiny_encoder_folder
):
    process = start(
        "evaluate", save("铅笔.safetensors"), tiny_generator_folder, "--encoder", tiny_encoder_folder,
        "--samples", 8, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html",
        env={"PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert " -> " in out and "Diversity" in out
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["domains"][0]["name"] == "铅笔"
    assert "铅笔" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_files_are_written_before_anything_is_printed(
    run, save, tmp_path, monkeypatch, tiny_generator_folder, tiny_encoder_folder
):
    def fail(evaluation):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("domainvec.cli.evaluate._print", fail)
    code, _, err = run(
        "evaluate", save("a.safetensors"), tiny_generator_folder, "--encoder", tiny_encoder_folder,
        "--samples", 8, "--json", tmp_path / "a.json",
    )  # fmt: skip
    assert code == 1 and err.endswith("error: Input/output error\n")
    assert (tmp_path / "a.json").is_file()


@pytest.mark.parametrize("named", ["styles", "styles:0.5", "styles/*.safetensors", "styles/[ab]*"])
def test_folders_and_patterns_are_expanded(
    run, save, tmp_path, monkeypatch, tiny_generator_folder, tiny_encoder_folder, named
):
    for name in ("styles/a.safetensors", "styles/b.safetensors"):
        save(name)
    save_file({"x": torch.zeros(3)}, tmp_path / "styles" / "x.txt")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(
        "evaluate", named, tiny_generator_folder, "--encoder", tiny_encoder_folder, "--samples", 8
    )
    assert code == 0, err
    assert "measuring a" in err and "measuring b" in err
    assert ("a × 0.5" in out) == named.endswith(":0.5")


def test_domains_are_told_from_generators(save, tmp_path, tiny_generator_folder):
    file = save("styles/a.safetensors")
    for text in (file, f"{file}:2", file.parent, f"{file.parent}/*.safetensors", tmp_path / "no.safetensors"):
        assert names_domains(str(text)), text
    save_file({"x": torch.zeros(3)}, tmp_path / "b.safetensors")
    for text in ("faces", tiny_generator_folder, tmp_path / "b.safetensors", tmp_path / "no.pkl", tmp_path):
        assert not names_domains(str(text)), text


@pytest.mark.parametrize("names", [["pencil_sketch"] * 2, ["pencil_sketch"] * 4])
def test_the_number_of_ground_truths_is_checked(run, save, tiny_generator_folder, names):
    files = [save(f"{name}.safetensors") for name in "abc"]
    worlds = [word for name in names for word in ("--world", name)]
    code, _, err = run("evaluate", *files, tiny_generator_folder, *worlds)
    assert code == 1
    assert f"--world is given {len(names)} times for 3 domains" in err


def test_a_domain_of_pictures_needs_no_notes(run, save, tiny_generator_folder, tiny_encoder_folder):
    from domainvec.encoders import Encoder

    encoder = Encoder.from_pretrained(tiny_encoder_folder)
    path = save("a.safetensors", target=None, images={"count": 3}, encoders=[{"name": encoder.name}])
    code, out, _ = run(
        "evaluate",
        path,
        tiny_generator_folder,
        "--encoder",
        tiny_encoder_folder,
        "--samples",
        8,
        "--no-lpips",
    )
    assert code == 0
    assert "note:" not in out and "Quality and Diversity: tiny-clip, which also guided a" in out


def test_the_last_file_is_the_generator_if_it_is_not_a_domain(run, tmp_path, save):
    save_file({"x": torch.zeros(3)}, tmp_path / "b.safetensors")
    code, _, err = run("evaluate", save("a.safetensors"), tmp_path / "b.safetensors")
    assert code == 1
    assert "b.safetensors: the safetensors file does not say which network it holds" in err


def test_a_missing_encoder_is_noted(run, save, tiny_generator_folder):
    code, out, _ = run("evaluate", save("a.safetensors"), tiny_generator_folder, "--samples", 8)
    assert code == 0  # the default is on the hub, which tests may not reach
    assert "note: Quality and Diversity were left out" in out
    assert "clip-vit-large-patch14" in out


def test_the_bundled_models(run, tmp_path):
    from domainvec.stylegan2 import Generator

    generator = Generator.from_pretrained("faces")
    domain = Domain(
        [torch.full((width,), 0.1) for width in generator.conv_channels],
        {"target": "a pencil sketch", "encoders": [{"name": "faces-clip"}]},
    )
    domain.save(tmp_path / "sketch.safetensors")
    code, out, _ = run(
        "evaluate", tmp_path / "sketch.safetensors", "--samples", 8, "--json", tmp_path / "a.json"
    )
    assert code == 0
    plain = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert plain["settings"]["encoder"] == "faces-clip-robust"  # the one that did not guide
    assert not plain["domains"][0]["guided_by_encoder"]
    assert -1 <= plain["domains"][0]["quality"]["value"] <= 1
    assert plain["domains"][0]["diversity"]["value"] > 0
    assert "Quality" in out
    assert plain["settings"]["judge"], plain["notes"]
    # Numbers that no training made: more than one of two answers about a face stays, but not all.
    assert 0.5 < plain["domains"][0]["identity"]["value"] < 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--json", "x.txt"], 2, ".json"),
        (["--html", "x.safetensors"], 2, ".html"),
        (["--samples", 7], 2, "samples"),
        (["--reference", "missing"], 1, "does not exist"),
        (["--reference", "{tmp}"], 1, "has 0 pictures that can be read; expected at least 8"),
        (["--truncation", "nan"], 1, "truncation"),
        (["--features", "inception", "--reference", "{pictures}"], 1, "domainvec[metrics]"),
        (["--features", "judge"], 2, "give --reference FOLDER to compare with"),
        (["--template", "nothing to fill"], 1, "exactly one"),
    ],
)
def test_invalid_options(
    run, tmp_path, save, pictures, tiny_generator_folder, tiny_encoder_folder, options, code, says
):
    empty = tmp_path / "empty"
    empty.mkdir()
    options = [
        str(option).format(tmp=empty, pictures=pictures) if option != "{}" else option for option in options
    ]
    arguments = [save("a.safetensors"), tiny_generator_folder, "--encoder", tiny_encoder_folder]
    found, out, err = run("evaluate", *arguments, *options)
    assert found == code
    assert says in " ".join((out + err).split())
    assert "unexpected" not in err


def test_a_missing_file_is_named(run, tmp_path, tiny_generator_folder):
    code, _, err = run("evaluate", tmp_path / "b.safetensors", tiny_generator_folder)
    assert code == 1
    assert "b.safetensors: there is no such file" in err


def test_control_characters_of_file_names_are_not_printed(
    run, save, tiny_generator_folder, tiny_encoder_folder
):
    path = save("[red]\x1b[2Jx.safetensors")
    code, out, err = run(
        "evaluate", path, tiny_generator_folder, "--encoder", tiny_encoder_folder, "--samples", 8
    )
    assert code == 0
    assert "\x1b" not in out + err
    assert "[red]" in out
