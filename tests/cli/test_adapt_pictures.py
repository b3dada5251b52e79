import json
import signal
from functools import partial

import pytest
from PIL import Image

from domainvec.adaptation import Plateau
from domainvec.domains import Domain


@pytest.fixture
def command(tiny_generator_folder, tiny_encoder_folder):
    return ["adapt", tiny_generator_folder, "--encoder", tiny_encoder_folder, "--preview-every", 0]


@pytest.fixture
def style(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1024, 768), (200, 30, 30)).save(tmp_path / "style.jpg", exif=exif)
    return tmp_path / "style.jpg"


def test_a_picture_is_the_target(run, tmp_path, command, style, tiny_generator):
    path = tmp_path / "red.safetensors"
    code, out, err = run(*command, "--to-image", style, "--steps", 2, "--batch-size", 2, "-o", path)
    assert code == 0, err
    assert "style.jpg: 768 × 1024 px, turned as its EXIF says, cut to its central 768" in err
    assert "inverting into the source domain: step 100/100" in err
    about = Domain.load(path, generator=tiny_generator).metadata
    (target,) = about["targets"]
    assert (target["kind"], target["name"]) == ("picture", "style.jpg") and "target" not in about
    assert "'a photo' to style.jpg" in out
    assert run("info", path)[0] == 0


def test_a_picture_and_a_text_together(run, tmp_path, monkeypatch, command, style):
    monkeypatch.chdir(tmp_path)
    options = ["--to", "a zombie", "--text-weight", 0.5, "--steps", 1, "--batch-size", 2]
    code, out, err = run(*command, "--to-image", style, *options)
    assert code == 0, err
    assert "'a photo' to style.jpg and 'a zombie'" in out
    about = Domain.load(tmp_path / "a-zombie.safetensors").metadata
    assert about["target"] == "a zombie"
    assert [(each["kind"], each["weight"]) for each in about["targets"]] == [("picture", 1), ("text", 0.5)]
    record = json.loads((tmp_path / "a-zombie.json").read_text(encoding="utf-8"))
    kinds = {name.partition("_")[0] for name in record["history"][0]["terms"]}
    assert {"picture", "text"} <= kinds


def test_an_inversion_that_was_stopped_goes_on(run, tmp_path, monkeypatch, signals, command, style):
    options = [*command, "--to-image", style, "--steps", 2, "--batch-size", 2, "-o"]

    def stop(phase, step, total, loss):
        if step == 30:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, signals():
        patch.setattr("domainvec.cli.progress._Lines", lambda: stop)
        code, _, err = run(*options, tmp_path / "stopped")
    assert code == 130, err
    assert f"stopped after 0 of 2 steps; the same command with --resume goes on from {tmp_path}" in err
    code, _, err = run(*options, tmp_path / "stopped", "--resume")
    assert code == 0, err
    assert "step 1/100" not in err and "step 100/100" in err
    assert run(*options, tmp_path / "whole")[0] == 0
    stopped, whole = (tmp_path / f"{name}.safetensors" for name in ("stopped", "whole"))
    assert stopped.read_bytes() == whole.read_bytes()


def test_a_picture_names_the_file_without_being_replaced(run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (20, 20), 40).save("icon.png")
    before = (tmp_path / "icon.png").read_bytes()
    code, _, err = run(*command, "--to-image", "icon.png", "--steps", 1, "--batch-size", 2)
    assert code == 0, err
    assert "grey, made RGB" in err
    assert (tmp_path / "like-icon.safetensors").is_file()
    assert (tmp_path / "icon.png").read_bytes() == before
    code, _, err = run(*command, "--to-image", "icon.png", "--steps", 1, "-o", "icon.safetensors")
    assert code == 2 and "would replace icon.png" in " ".join(err.split())


def test_a_broken_picture_is_named(run, tmp_path, command):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 60)
    code, _, err = run(*command, "--to-image", tmp_path / "broken.png", "-o", tmp_path / "x")
    assert code == 1
    assert err.startswith(f"error: {tmp_path / 'broken.png'}: broken picture")
    assert list(tmp_path.glob("x.*")) == []


def test_a_folder_is_the_target(run, tmp_path, command):
    folder = tmp_path / "few"
    folder.mkdir()
    for shade in (30, 90, 200):
        Image.new("RGB", (20, 30), (shade, 0, 90)).save(folder / f"{shade}.png")
    (folder / "notes.txt").write_text("hello")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    path = tmp_path / "few.safetensors"
    options = ["--steps", 2, "--batch-size", 4, "--distance-consistency", 5, "--adversarial", 0.5]
    code, out, err = run(*command, "--to-images", folder, *options, "--reinversions", 1, "-o", path)
    assert code == 0, err
    assert "notes.txt: skipped, no picture" in err and "broken.jpg: skipped, " in err
    assert "has no discriminator: a small new one is trained" in err
    assert f"3 pictures of {folder}" in err and f"'a photo' to the pictures of {folder}" in out
    (target,) = Domain.load(path).metadata["targets"]
    assert (target["kind"], target["names"]) == ("pictures", ["200.png", "30.png", "90.png"])
    guidance = target["guidance"]
    assert (guidance["distance_consistency"], guidance["reinversions"], guidance["adversarial"]) == (
        5,
        1,
        0.5,
    )
    assert target["discriminator"] == "new"


def test_steps_until_the_plateau(run, tmp_path, monkeypatch, command):
    often = partial(Plateau, every=1, least_rise=0.001)
    monkeypatch.setattr("domainvec.adaptation.training.Plateau", often)
    options = ["--to", "a zombie", "--steps", "auto", "--batch-size", 2]
    code, _, err = run(*command, *options, "-o", tmp_path / "x")
    assert code == 0, err
    record = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert f"stopped: {record['stopped']}\n" in err
    assert record["stopped"].startswith("quality has not improved since step ")
    curve = record["measured"]["curve"]
    assert len(record["history"]) < 600 and [each["step"] for each in curve] == list(range(len(curve)))
    best = max(curve, key=lambda each: each["quality"])
    assert best["quality"] > curve[0]["quality"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give a text, --to-image FILE or --to-images FOLDER"),
        (["--to-image", "a.png", "--to-images", "b"], "not both"),
        (["--to-images", "b", "--train-resolution", "8"], "several pictures are learnt at full size"),
        (["--to-images", "b", "--full-size-fraction", "0.5"], "several pictures are learnt at full size"),
        (["--to", "x", "--steps", "many"], "neither a number from 1 nor auto"),
        (["--to", "x", "--steps", "0"], "neither a number from 1 nor auto"),
        (["--to", "x", "--distance-consistency", "1"], "only goes with --to-images FOLDER"),
        (["--to-image", "a.png", "--adversarial", "0"], "only goes with --to-images FOLDER"),
        (["--to-image", "a.png", "--reinversions", "0"], "only goes with --to-images FOLDER"),
        (["--to", "x", "--text-weight", "2"], "give --to, and --to-image or --to-images"),
        (["--to-image", "a.png", "--text-weight", "2"], "give --to, and --to-image or --to-images"),
        (["--to-image", "x.preview.png", "-o", "x"], "would replace x.preview.png"),
        (["--to-images", ".", "-o", "x"], "would be among those of .: name a file outside"),
        (["--to-images", ".", "-o", "deeper/x"], "would be among those of .: name a file outside"),
    ],
)
def test_wrong_usage(run, command, options, said):
    code, _, err = run(*command, *options)
    assert code == 2
    assert said in " ".join(err.split())
