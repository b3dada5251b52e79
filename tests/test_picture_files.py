from __future__ import annotations

import struct
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from domainvec import picture_files
from domainvec.errors import InputError
from domainvec.picture_files import PictureFile


def picture_of(values, tmp_path, suffix=".tif"):
    Image.fromarray(values).save(tmp_path / f"picture{suffix}")
    return PictureFile.read(tmp_path / f"picture{suffix}")


def profile(name="wide", primaries=((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), gamma=2.2, space=b"RGB "):
    """An ICC profile of primaries and a gamma: those of Adobe RGB, as their numbers are published."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([0.9505, 1, 1.089])  # D65
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1, 0.8249])
    adapted = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ white)) @ bradford
    matrix = adapted @ (xyz * np.linalg.solve(xyz, white))

    def fixed(*numbers):
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    described = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name.encode() + bytes(1 + 78)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"desc": described, b"wtpt": b"XYZ " + bytes(4) + fixed(*d50)}
    if space == b"RGB ":
        tags |= {b"rgb"[i : i + 1] + b"XYZ": b"XYZ " + bytes(4) + fixed(*matrix[:, i]) for i in range(3)}
        tags |= {letter + b"TRC": curve for letter in (b"r", b"g", b"b")}
    else:
        tags[b"kTRC"] = curve
    tags = {tag: data + bytes(-len(data) % 4) for tag, data in tags.items()}
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", at + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(*d50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


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


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_tiff_that_lies_on_its_side(tmp_path, mode):
    values = np.zeros((40, 60), np.uint16 if mode == "I;16" else np.uint8)
    values[:, :30] = 65535 if mode == "I;16" else 255
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(values)
    (picture.convert(mode) if mode == "RGB" else picture).save(tmp_path / "a.tif", exif=exif)
    read = PictureFile.read(tmp_path / "a.tif")
    assert read.size == read.picture.size == (40, 60) and "turned as its EXIF says" in read.notes
    pixels = np.asarray(read.picture)
    assert (pixels[:30] == 255).all() and (pixels[30:] == 0).all()


def test_grey_alpha_and_small_ones(tmp_path):
    Image.new("L", (80, 80), 128).save(tmp_path / "grey.png")
    assert "grey, made RGB" in PictureFile.read(tmp_path / "grey.png").describe(64)
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    clear = PictureFile.read(tmp_path / "clear.png")
    assert "laid on white where it is transparent" in clear.describe(64)
    assert clear.square(64).min() == 1
    Image.new("RGBA", (64, 64), (90, 90, 90, 255)).save(tmp_path / "opaque.png")
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
    assert "values 0 to 65,535 scaled to 8 bits" in picture.describe(8)
    assert picture.square(8).mean() == pytest.approx(40000 / 65535 * 2 - 1, abs=0.01)


@pytest.mark.parametrize("name", ["none.png", "folder", "notes.txt", "cut.png"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 60)
    with pytest.raises(InputError, match=name):
        PictureFile.read(tmp_path / name)


RAMP = np.linspace(0, 1, 256).reshape(16, 16)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (RAMP.astype(np.float32), "values 0 to 1 scaled to 8 bits"),
        ((RAMP * 2 - 1).astype(np.float32), "values -1 to 1 scaled to 8 bits"),
        ((RAMP * 255).astype(np.float32), "values 0 to 255 scaled to 8 bits"),
        ((RAMP * 3.5).astype(np.float32), "values 0 to 3.5 scaled to 8 bits"),
        ((RAMP * 65535).astype(np.float32), "values 0 to 65,535 scaled to 8 bits"),
        ((RAMP * 255).astype(np.uint16), "values 0 to 255 scaled to 8 bits"),
        ((RAMP * 1023).astype(np.uint16), "values 0 to 1,023 scaled to 8 bits"),
        ((RAMP * 4095).astype(np.uint16), "values 0 to 4,095 scaled to 8 bits"),
        ((RAMP * 16383).astype(np.uint16), "values 0 to 16,383 scaled to 8 bits"),
        ((RAMP * 65535).astype(np.uint16), "values 0 to 65,535 scaled to 8 bits"),
        ((RAMP * 65535).astype(">u2"), "values 0 to 65,535 scaled to 8 bits"),
        ((RAMP * 2**24).astype(np.int32), "values 0 to 16,777,216 scaled to 8 bits"),
        ((RAMP * 1000 - 500).astype(np.int32), "values -500 to 500 scaled to 8 bits"),
    ],
)
def test_values_are_scaled_by_their_range(tmp_path, values, said):
    picture = picture_of(values, tmp_path)
    assert (
        said.replace("16,777,216", "1.67772e+07") in picture.describe(16)
        and "grey, made RGB" in picture.notes
    )
    grey = np.asarray(picture.picture)[..., 0]
    assert np.abs(grey.astype(float) - RAMP * 255).max() <= 1.01


def test_values_that_are_no_numbers_are_refused(tmp_path):
    values = RAMP.astype(np.float32)
    values[3, 3] = np.nan
    with pytest.raises(InputError, match=r"picture\.tif: has values that are infinite or not numbers"):
        picture_of(values, tmp_path)


@pytest.mark.parametrize("values", [np.full((8, 8, 3), 3, np.uint8), np.zeros((8, 8), np.uint16)])
def test_an_almost_black_picture_is_said(tmp_path, values):
    assert "almost black: its greatest value is" in picture_of(values, tmp_path).describe(8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_embedded_profiles_are_converted_to_srgb(tmp_path, mode):
    rng = np.random.default_rng(0)
    wanted = Image.fromarray(rng.integers(40, 200, (8, 8, 3), dtype=np.uint8))
    wide = ImageCms.ImageCmsProfile(BytesIO(profile()))
    stored = ImageCms.profileToProfile(wanted, ImageCms.createProfile("sRGB"), wide)
    assert np.abs(np.asarray(stored).astype(int) - np.asarray(wanted)).max() > 10
    stored.convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / "wide.png", icc_profile=profile())
    picture = PictureFile.read(tmp_path / "wide.png")
    assert "converted from wide to sRGB" in picture.notes
    assert np.abs(np.asarray(picture.picture).astype(int) - np.asarray(wanted)).max() <= 3


def test_a_grey_profile_is_followed_too(tmp_path):
    Image.new("L", (8, 8), 128).save(
        tmp_path / "grey.png", icc_profile=profile("linear", gamma=1, space=b"GRAY")
    )
    picture = PictureFile.read(tmp_path / "grey.png")
    assert "converted from linear to sRGB" in picture.notes
    assert picture.picture.getpixel((0, 0)) == pytest.approx((188,) * 3, abs=1)
    Image.new("L", (8, 8), 128).save(tmp_path / "grey.png", icc_profile=profile(gamma=1))
    assert PictureFile.read(tmp_path / "grey.png").picture.getpixel((0, 0)) == pytest.approx(
        (188,) * 3, abs=1
    )


def test_a_profile_that_is_srgb_changes_nothing(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(tmp_path / "srgb.png", icc_profile=srgb)
    picture = PictureFile.read(tmp_path / "srgb.png")
    assert picture.notes == () and np.array_equal(np.asarray(picture.picture), pixels)


@pytest.mark.parametrize("broken", [b"no profile", profile()[:200], profile(space=b"GRAY")])
def test_a_broken_profile_is_ignored_and_said(tmp_path, broken):
    Image.new("RGB", (8, 8), (10, 200, 30)).save(tmp_path / "odd.png", icc_profile=broken)
    picture = PictureFile.read(tmp_path / "odd.png")
    assert picture.picture.getpixel((0, 0)) == (10, 200, 30)
    assert any(note.startswith("colour profile ignored (") for note in picture.notes)


def test_cielab_is_converted(tmp_path):
    Image.new("LAB", (8, 8), (128, 128, 128)).save(tmp_path / "lab.tif")
    picture = PictureFile.read(tmp_path / "lab.tif")
    assert picture.notes == ("CIELAB, made RGB",)
    assert picture.picture.getpixel((0, 0)) == pytest.approx((119,) * 3, abs=1)


@pytest.mark.parametrize(
    ("mode", "file"),
    [
        name.split()
        for name in (
            "RGB a.jpg, CMYK a.jpg, RGB a.png, RGBA a.png, LA a.png, 1 a.png, I;16 a.png, P a.gif, "
            "RGB a.webp, L a.tif, F a.tif, LAB a.tif, P a.tif, CMYK a.tif, I;16 a.tif"
        ).split(", ")
    ],
)
def test_large_pictures_are_reduced_while_they_are_read(tmp_path, monkeypatch, mode, file):
    monkeypatch.setattr(picture_files, "_KEPT_SIDE", 16)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's own limit does not count
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new(mode, (131, 97)).save(tmp_path / file, exif=exif)
    picture = PictureFile.read(tmp_path / file)
    turned = not file.endswith("gif")  # which has no EXIF
    assert picture.size == ((97, 131) if turned else (131, 97))
    assert 16 <= min(picture.picture.size) < 32 and picture.picture.mode == "RGB"
    assert f"{picture.size[0]} × {picture.size[1]} px" in picture.describe(64)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_reduced_pictures_look_the_same(tmp_path, monkeypatch):
    y, x = np.mgrid[:256, :256]
    Image.fromarray(np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)).save(tmp_path / "a.png")
    Image.open(tmp_path / "a.png").save(tmp_path / "a.jpg", quality=95)
    whole = PictureFile.read(tmp_path / "a.png").square(8)
    monkeypatch.setattr(picture_files, "_KEPT_SIDE", 32)
    for name in ("a.png", "a.jpg"):
        assert (PictureFile.read(tmp_path / name).square(8) - whole).abs().max() < 0.03


def test_too_large_a_picture_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, "MOST_PIXELS", 4_000_000)
    Image.new("L", (3000, 2000)).save(tmp_path / "large.png")
    with pytest.raises(InputError) as said:
        PictureFile.read(tmp_path / "large.png")
    assert str(said.value) == (
        f"{tmp_path / 'large.png'}: too many pixels: 6 megapixels, and at most 4 are read; reduce it: "
        f"more than 4,096 px are not used"
    )
    assert picture_files.MOST_PIXELS < 200e6 < 2**28


def test_pillows_limit_survives_threads(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    usual = Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=PictureFile.read, args=[tmp_path / "a.png"]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == usual


@pytest.mark.skipif("AVIF" not in picture_files.FORMATS, reason="a Pillow without AVIF")
def test_avif_is_read(tmp_path):
    Image.new("RGB", (32, 32), (200, 30, 30)).save(tmp_path / "a.avif")
    assert PictureFile.read(tmp_path / "a.avif").picture.getpixel((5, 5)) == pytest.approx(
        (200, 30, 30), abs=6
    )


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "a picture in the HEIC format, which is not read: convert it to",
        ),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a picture in the HEIC format"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "AVIF|broken picture"),
        (b"\xff\x0a" + bytes(9), "JPEG XL format"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 format"),
        (b"8BPS\0\1", "Photoshop format"),
        (b"%PDF-1.7", "PDF format"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG format"),
        (b"II*\0" + bytes(9), "a TIFF of a kind that is not read"),
        (b"", "no picture; expected one of PNG, JPEG, "),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, start, said):
    (tmp_path / "a.pic").write_bytes(start)
    with pytest.raises(InputError, match=said):
        PictureFile.read(tmp_path / "a.pic")


def test_a_pillow_without_avif_is_told_how_to_read_it(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, "_AVIF", ())
    monkeypatch.setattr(picture_files, "FORMATS", ("PNG",))
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif")
    with pytest.raises(InputError, match=r"convert it to JPEG or PNG or install Pillow 11\.3 or newer"):
        PictureFile.read(tmp_path / "a.avif")
