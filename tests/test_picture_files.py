from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from domainvec.errors import InputError
from domainvec.picture_files import PictureFile


def test_a_plain_picture_needs_nothing(tmp_path):
    Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "a.png")
    picture = PictureFile.read(tmp_path / "a.png")
    assert picture.notes == ()
    assert picture.describe(64) == "a.png: 64 × 64 px"
    assert picture.square(64).shape == (1, 3, 64, 64)
    assert picture.square(64)[0, :, 3, 3].tolist() == [1, -1, -1]


def test_a_photo_that_lies_on_its_side(tmp_path):
    pixels = np.zeros((768, 1024, 3), np.uint8)
    pixels[:, :512] = 255  # white on the left: after a turn to the right, on top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", exif=exif)
    picture = PictureFile.read(tmp_path / "photo.jpg")
    assert picture.picture.size == (768, 1024)
    said = picture.describe(64)
    assert said == (
        "photo.jpg: 768 × 1024 px, turned as its EXIF says, cut to its central 768 × 768 px, "
        "reduced to 64 × 64 px"
    )
    square = picture.square(64)
    assert square[0, 0, 5, 32] > 0.9 and square[0, 0, 58, 32] < -0.9


def test_grey_alpha_and_small_ones(tmp_path):
    Image.new("L", (80, 80), 128).save(tmp_path / "grey.png")
    assert "grey, made RGB" in PictureFile.read(tmp_path / "grey.png").describe(64)
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    clear = PictureFile.read(tmp_path / "clear.png")
    assert "laid on white where it is transparent" in clear.describe(64)
    assert clear.square(64).min() == 1
    Image.new("RGBA", (64, 64), (9, 9, 9, 255)).save(tmp_path / "opaque.png")
    assert PictureFile.read(tmp_path / "opaque.png").notes == ()
    Image.new("P", (20, 20)).save(tmp_path / "icon.gif")
    said = PictureFile.read(tmp_path / "icon.gif").describe(64)
    assert "enlarged to 64 × 64 px" in said and "little detail" in said
    frames = [Image.new("L", (64, 64), shade) for shade in (10, 200, 250)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    moving = PictureFile.read(tmp_path / "moving.gif")
    assert "the first of its 3 pictures" in moving.describe(64) and moving.square(64).max() < -0.9
    deep = np.full((8, 8), 40000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    picture = PictureFile.read(tmp_path / "deep.png")
    assert "brought from 16 bits to 8" in picture.describe(8)
    assert picture.square(8).mean() == pytest.approx(40000 / 65535 * 2 - 1, abs=0.01)


@pytest.mark.parametrize("name", ["none.png", "folder", "notes.txt", "cut.png"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 60)
    with pytest.raises(InputError, match=name):
        PictureFile.read(tmp_path / name)
