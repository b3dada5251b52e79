from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from domainvec import picture_files
from domainvec.errors import InputError
from domainvec.picture_files import PictureFolder


def one(folder, side=8):
    return next(PictureFolder.read(folder, least=1).pictures(side, 4))[0]


@pytest.fixture
def folder(tmp_path):
    for name, shade in (("a.png", 10), ("b.jpg", 200), ("deep/c.png", 90)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 12), (shade, shade, shade)).save(tmp_path / name)
    return tmp_path


def test_pictures_come_in_batches_in_the_order_of_names(folder):
    reference = PictureFolder.read(folder)
    batches = list(reference.pictures(8, batch_size=2))
    assert [tuple(batch.shape) for batch in batches] == [(2, 3, 8, 8), (1, 3, 8, 8)]
    assert len(reference) == 3 and reference.skipped == {}
    assert torch.cat(batches)[:, 0, 0, 0].tolist() == pytest.approx([10, 200, 90], abs=1)


def test_what_is_no_picture_is_named_and_skipped(folder):
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden").write_text("not looked at")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:3000])
    # Pillow would hand a picture of this kind to Ghostscript, which runs programs.
    (folder / "program.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    reference = PictureFolder.read(folder)
    assert len(reference) == 3
    assert set(reference.skipped) == {"notes.txt", "cut.png", "program.eps"}
    assert reference.skipped["cut.png"].startswith("broken picture")
    assert reference.skipped["program.eps"].startswith("no picture")


def test_too_many_pixels_are_skipped(folder, monkeypatch):
    monkeypatch.setattr(picture_files, "MOST_PIXELS", 300)
    Image.new("RGB", (20, 20)).save(folder / "large.png")
    Image.new("RGB", (40, 40)).save(folder / "larger.png")
    skipped = PictureFolder.read(folder).skipped
    assert {name: reason[:15] for name, reason in skipped.items()} == {
        "large.png": "too many pixels",
        "larger.png": "too many pixels",
    }


def test_too_few_is_an_error_that_names_the_files(folder):
    (folder / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"has 3 pictures.*at least 4.*notes.txt: no picture"):
        PictureFolder.read(folder, least=4)


@pytest.mark.parametrize(("name", "says"), [("missing", "does not exist"), ("a.png", "is a file")])
def test_there_has_to_be_a_folder(folder, name, says):
    with pytest.raises(InputError, match=says):
        PictureFolder.read(folder / name)


def test_exif_rotation_is_undone_and_the_centre_is_kept(tmp_path):
    picture = Image.new("RGB", (8, 16), "black")
    picture.paste("white", (4, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees to see it upright
    picture.save(tmp_path / "a.png", exif=exif)
    seen = one(tmp_path)
    assert seen[0, 1].max() < 50 and seen[0, -2].min() > 200  # white is below now


def test_transparency_is_laid_on_white_and_grey_is_rgb(tmp_path):
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert one(tmp_path).min() == 255
    Image.new("L", (9, 9), 77).save(tmp_path / "a.png")
    assert one(tmp_path).unique().tolist() == [77]


def test_sixteen_bits_become_eight(tmp_path):
    Image.fromarray(np.full((9, 9), 128 * 257, np.uint16)).save(tmp_path / "a.png")
    assert one(tmp_path).unique().tolist() == [128]
