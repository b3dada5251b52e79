"""Pictures that are adapted to: from files or pixels to one size."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.picture_files import PictureFile, PictureFolder

AnyPicture = str | os.PathLike[str] | PictureFile | Tensor
AnyPictures = str | os.PathLike[str] | PictureFolder | Tensor

_BATCH = 64


def one_picture(picture: AnyPicture, side: int) -> tuple[Tensor, str]:
    """Bring a picture to a size: (1, 3, side, side) on [-1, 1], and its name.

    Raises:
        InputError: if the file cannot be read.
        ShapeError: if pixels are not those of one square picture.
    """
    if not isinstance(picture, Tensor):
        file = picture if isinstance(picture, PictureFile) else PictureFile.read(Path(picture))
        return file.square(side), file.path.name
    batch = picture[None] if picture.dim() == 3 else picture
    if batch.dim() != 4 or batch.shape[:2] != (1, 3) or batch.shape[2] != batch.shape[3]:
        raise ShapeError(f"the picture has shape {tuple(picture.shape)}; expected a square one, (3, H, H)")
    batch = batch.detach().float()
    if batch.shape[-1] != side:
        batch = F.interpolate(batch, (side, side), mode="bicubic", align_corners=False, antialias=True)
        batch = batch.clamp(-1, 1)
    return batch, "pixels"


def several_pictures(pictures: AnyPictures, side: int, least: int) -> tuple[Tensor, tuple[str, ...]]:
    """Bring pictures to a size: (M, 3, side, side) on [-1, 1], and their names.

    Raises:
        InputError: if fewer than `least` pictures of a folder can be read.
        ShapeError: if pixels are of another shape, or there are too few.
    """
    if isinstance(pictures, Tensor):
        if pictures.dim() != 4 or pictures.shape[1:] != (3, side, side) or len(pictures) < least:
            raise ShapeError(
                f"pictures have shape {tuple(pictures.shape)}; expected (M, 3, {side}, {side}), M at least "
                f"{least}"
            )
        return pictures.detach().float(), tuple(map(str, range(len(pictures))))
    folder = pictures if isinstance(pictures, PictureFolder) else PictureFolder.read(pictures, least=least)
    pixels = torch.cat(list(folder.pictures(side, _BATCH))).float().div(127.5).sub(1)
    return pixels, tuple(path.relative_to(folder.folder).as_posix() for path in folder.files)


def pixel_digest(pixels: Tensor) -> str:
    """16 hexadecimal digits that tell pictures from others, at eight bits."""
    eight = pixels.cpu().mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8)
    return hashlib.sha256(eight.contiguous().numpy().tobytes()).hexdigest()[:16]
