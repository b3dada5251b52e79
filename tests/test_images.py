import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from domainvec.errors import InputError, ShapeError
from domainvec.images import from_uint8, grid, save_png, to_uint8


def test_eight_bits_survive_the_way_there_and_back():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert np.array_equal(to_uint8(from_uint8(levels)), levels)


def test_the_ends_of_the_range_are_black_and_white():
    images = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 5)
    pixels = to_uint8(images)
    assert pixels.shape == (2, 4, 5, 3)
    assert (pixels[0] == 0).all()
    assert (pixels[1] == 255).all()


def test_what_is_out_of_range_is_clipped_not_wrapped():
    assert to_uint8(torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2))[0, 0].tolist() == [
        [0, 0, 0],
        [255, 255, 255],
    ]


def test_gradients_and_half_precision_are_no_obstacle():
    assert to_uint8(torch.zeros(1, 3, 2, 2, requires_grad=True)).max() == 128
    assert to_uint8(torch.zeros(1, 3, 2, 2, dtype=torch.bfloat16)).max() == 128


def test_a_single_picture_becomes_a_batch_of_one():
    pixels = np.zeros((4, 5, 3), dtype=np.uint8)
    assert from_uint8(pixels).shape == (1, 3, 4, 5)


def test_a_read_only_array_is_copied():
    pixels = np.zeros((4, 5, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    from_uint8(pixels).add_(1)
    assert not pixels.any()


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4, 4), (1, 4, 4, 3)])
def test_other_tensors_are_refused_by_their_shape(shape):
    with pytest.raises(ShapeError, match=r"\(N, 3, H, W\)"):
        to_uint8(torch.zeros(shape))


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_other_arrays_are_refused_by_shape_and_type(array):
    with pytest.raises(ShapeError, match="uint8"):
        from_uint8(array)


def test_a_grid_puts_each_picture_in_its_place():
    black, white = -torch.ones(2, 3, 4, 6), torch.ones(1, 3, 4, 6)
    sheet = np.asarray(grid([black, white]))
    assert sheet.shape == (4 + 2 + 4, 6 + 2 + 6, 3)
    assert (sheet[:4, :6] == 0).all()
    assert (sheet[:4, 8:] == 0).all()
    assert (sheet[:4, 6:8] == 255).all()
    assert (sheet[4:] == 255).all()


@pytest.mark.parametrize(("scale", "side"), [(2, 32), (0.5, 8), (1.5, 24), (0.001, 1)])
def test_a_grid_can_be_scaled_either_way(scale, side):
    assert grid([torch.zeros(1, 3, 16, 16)], scale=scale).size == (side, side)


def test_labels_take_a_band_above_their_row():
    rows = [-torch.ones(1, 3, 8, 64)] * 2
    plain, labelled = grid(rows), np.asarray(grid(rows, labels=["", "naïve → 素描"]))
    band = labelled.shape[0] - plain.height
    assert band > 8
    assert (labelled[:8] == 0).all()
    assert (labelled[10 : 10 + band] < 128).any(), "the label is drawn"
    assert (labelled[10 + band :] == 0).all(), "and does not run into the pictures"


@pytest.mark.parametrize(
    ("label", "same"),
    [
        ("sketch × 0.5", "sketch x 0.5"),
        ("naïve café", "naive cafe"),
        ("素描", "??"),
        ("a − b → c", "a - b > c"),
    ],
)
def test_labels_are_drawn_without_missing_glyphs(label, same):
    row = [torch.zeros(1, 3, 8, 128)]
    assert np.array_equal(grid(row, labels=[label]), grid(row, labels=[same]))


def test_labels_of_a_pillow_without_freetype(monkeypatch):
    row, bitmap = [torch.zeros(1, 3, 8, 128)], ImageFont.load_default_imagefont()
    monkeypatch.setattr(ImageFont, "load_default", lambda: bitmap)
    assert np.array_equal(grid(row, labels=["é × 素"]), grid(row, labels=["e x ?"]))


def test_a_grid_says_what_it_cannot_do():
    row = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ShapeError, match="one size"):
        grid([row, torch.zeros(1, 3, 8, 8)])
    with pytest.raises(ShapeError, match="none"):
        grid([])
    with pytest.raises(ShapeError):
        grid([row[:0]])
    with pytest.raises(InputError, match="scale must be"):
        grid([row], scale=0)
    with pytest.raises(InputError, match="1 labels for 2 rows"):
        grid([row, row], labels=["x"])


def test_a_picture_is_saved_as_png(tmp_path):
    path = tmp_path / "new" / "picture.png"
    save_png(torch.ones(3, 4, 5), path)
    with Image.open(path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (5, 4))
        assert picture.getextrema() == ((255, 255),) * 3
    save_png(Image.new("RGB", (2, 3)), path)
    with Image.open(path) as picture:
        assert picture.size == (2, 3)
    assert list(path.parent.iterdir()) == [path]


def test_a_batch_is_no_picture(tmp_path):
    with pytest.raises(ShapeError, match="grid"):
        save_png(torch.zeros(2, 3, 4, 4), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
