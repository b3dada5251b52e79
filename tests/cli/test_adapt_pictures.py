import json

import pytest
from PIL import Image

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
    assert about["image"]["name"] == "style.jpg" and "target" not in about
    assert "'a photo' to style.jpg" in out
    assert run("info", path)[0] == 0


def test_a_picture_and_a_text_together(run, tmp_path, monkeypatch, command, style):
    monkeypatch.chdir(tmp_path)
    options = ["--to", "a zombie", "--text-weight", 0.5, "--steps", 1, "--batch-size", 2]
    code, out, err = run(*command, "--to-image", style, *options)
    assert code == 0, err
    assert "'a photo' to 'a zombie' and style.jpg" in out
    about = Domain.load(tmp_path / "a-zombie.safetensors").metadata
    assert (about["target"], about["image"]["text_weight"]) == ("a zombie", 0.5)


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
    options = [
        "--steps",
        2,
        "--batch-size",
        4,
        "--distances",
        5,
        "--adversarial",
        1,
        "--reinversions",
        1,
        "-o",
        path,
    ]
    code, out, err = run(*command, "--to-images", folder, *options)
    assert code == 0, err
    assert "notes.txt: skipped, no picture" in err and "broken.jpg: skipped, " in err
    assert "has no discriminator: a small fresh one learns" in err
    assert "3 pictures of" in out
    about = Domain.load(path).metadata
    assert about["images"]["names"] == ["200.png", "30.png", "90.png"]
    assert about["images"]["adversary"]["distances"] == 5
    assert about["images"]["adversary"]["reinversions"] == 1
    assert about["images"]["adversary"]["weight"] == 1


def test_steps_until_the_knee(run, tmp_path, command):
    options = ["--to", "a zombie", "--steps", "auto", "--learning-rate", 1e-6, "--batch-size", 2]
    code, _, err = run(*command, *options, "-o", tmp_path / "x")
    assert code == 0, err
    assert "stopped: quality has not risen since step " in err
    record = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert len(record["history"]) < 600 and record["watched"]["curve"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give a text, --to-image FILE or --to-images FOLDER"),
        (["--to-image", "a.png", "--to-images", "b"], "not both"),
        (["--to", "x", "--steps", "many"], "neither a number from 1 nor auto"),
        (["--to", "x", "--steps", "0"], "neither a number from 1 nor auto"),
        (["--to", "x", "--distances", "1"], "this is for --to-images FOLDER alone"),
        (["--to-image", "a.png", "--adversarial", "0"], "this is for --to-images FOLDER alone"),
        (["--to-image", "a.png", "--reinversions", "0"], "this is for --to-images FOLDER alone"),
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
