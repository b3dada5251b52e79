"""Images as float32 NCHW RGB tensors, nominally in [-1, 1]: to and from 8 bits, grids, PNG files."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from domainvec.errors import InputError, ShapeError
from domainvec.files import atomic_path

_GAP = 2  # pixels between the pictures of a grid
_LABEL_HEIGHT = 18  # pixels of the band that holds a row's label
_PLAIN = {"×": "x", "−": "-", "→": ">"}


def to_uint8(images: Tensor) -> npt.NDArray[np.uint8]:
    """Convert images to 8-bit pixels, rounded and clipped.

    Args:
        images: (N, 3, H, W) of any float type and device, -1 black, 1 white.

    Returns: (N, H, W, 3) uint8.

    Raises: ShapeError if the tensor is not (N, 3, H, W).
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ShapeError(f"images must be (N, 3, H, W), not {tuple(images.shape)}")
    pixels = images.detach().to("cpu", torch.float32).mul(127.5).add(127.5).round().clamp(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def from_uint8(array: npt.NDArray[np.uint8]) -> Tensor:
    """Convert 8-bit pixels to images.

    Args:
        array: (N, H, W, 3) or (H, W, 3) uint8.

    Returns: (N, 3, H, W) float32 in [-1, 1]; N is 1 for a single picture.

    Raises: ShapeError if the array has another shape or type.
    """
    pixels = array[None] if array.ndim == 3 else array
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ShapeError(f"pixels must be uint8 (N, H, W, 3) or (H, W, 3), not {array.dtype} {array.shape}")
    return torch.tensor(pixels).permute(0, 3, 1, 2).to(torch.float32).div(127.5).sub(1).contiguous()


def grid(rows: Sequence[Tensor], scale: float = 1, labels: Sequence[str] | None = None) -> Image.Image:
    """Arrange images in a grid on white, one row for each tensor.

    Args:
        rows: tensors (N, 3, H, W) as for `to_uint8`; N may differ between rows.
        scale: factor to resize each image by.
        labels: a line of text above each row; "" for none.

    Returns: the grid, RGB.

    Raises:
        ShapeError: if there is nothing to show, or the sizes of the pictures differ.
        InputError: if the scale is not positive or the labels are not one for each row.
    """
    pictures = [to_uint8(row) for row in rows]
    sizes = {picture.shape[1:3] for picture in pictures}
    if len(sizes) != 1 or not any(len(picture) for picture in pictures):
        raise ShapeError(f"a grid needs pictures of one size, not of {sorted(sizes) or 'none'}")
    if not 0 < scale < math.inf:
        raise InputError(f"scale must be a number above 0, not {scale}")
    if labels is not None and len(labels) != len(pictures):
        raise InputError(f"{len(labels)} labels for {len(pictures)} rows: give one for each row")
    height, width = (max(1, round(side * scale)) for side in sizes.pop())
    bands = [_LABEL_HEIGHT if label else 0 for label in labels or [""] * len(pictures)]
    columns = max(len(picture) for picture in pictures)
    sheet = Image.new(
        "RGB",
        (columns * (width + _GAP) - _GAP, len(pictures) * (height + _GAP) - _GAP + sum(bands)),
        "white",
    )
    pen = ImageDraw.Draw(sheet)
    top = 0
    for index, picture in enumerate(pictures):
        if bands[index] and labels is not None:
            _write(pen, (2, top + 2), labels[index])
            top += bands[index]
        for column, pixels in enumerate(picture):
            tile = Image.fromarray(pixels)
            if tile.size != (width, height):
                tile = tile.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * (width + _GAP), top))
        top += height + _GAP
    return sheet


def save_png(image: Image.Image | Tensor, path: str | os.PathLike[str]) -> None:
    """Write a picture as a PNG file, whole or not at all.

    Args:
        image: a PIL image, or one image tensor (3, H, W) or (1, 3, H, W).
        path: where to; missing folders are created.

    Raises:
        ShapeError: if the tensor is not one image.
        OSError: if the file cannot be written.
    """
    if isinstance(image, Tensor):
        pixels = to_uint8(image[None] if image.ndim == 3 else image)
        if len(pixels) != 1:
            raise ShapeError(f"one image fits in a file, not {len(pixels)}: lay them out with grid() first")
        image = Image.fromarray(pixels[0])
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str) -> None:
    font = ImageFont.load_default()
    pen.text(at, "".join(_drawable(character, font) for character in text), fill="black", font=font)


def _drawable(character: str, font: Any) -> str:  # noqa: ANN401 -- one of two classes, by how Pillow was built
    """Replace a character that the font lacks by its plain form, such as × by x or é by e, or else by "?"."""
    plain = _PLAIN.get(character) or unicodedata.normalize("NFKD", character)[0]
    return next((each for each in (character, plain) if _has_glyph(each, font)), "?")


def _has_glyph(character: str, font: Any) -> bool:  # noqa: ANN401
    if not isinstance(font, ImageFont.FreeTypeFont):
        return (
            character.isascii()
        )  # Pillow without FreeType has a bitmap font, which raises on anything else.
    drawn, missing = (font.getmask(each) for each in (character, "\uffff"))
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)
