"""Pictures that people have: files of any size, shape and colour mode, to square RGB pictures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from domainvec.errors import InputError
from domainvec.images import from_uint8

# Formats that are pixels and nothing else: others, such as EPS, would start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_ORIENTATION = 0x0112  # the EXIF tag
_MODES = {"L": "grey", "LA": "grey", "1": "black and white", "P": "palette", "CMYK": "CMYK"}


@dataclass(frozen=True)
class PictureFile:
    """One picture: its pixels, RGB and upright, and what was done to have them.

    Attributes:
        path: where it was read.
        picture: RGB, of any size.
        notes: what was done, such as "turned as its EXIF says"; empty for a plain RGB picture.
    """

    path: Path
    picture: Image.Image
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PictureFile:
        """Read a picture; it is turned as its EXIF says and laid on white where it is transparent.

        Raises:
            InputError: naming the file, if there is none, or it is no picture, broken, or too large.
        """
        path = Path(path)
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "does not exist"
            raise InputError(f"{path} {found}; expected a picture")
        try:
            picture, notes = decode(path)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return cls(path, picture, notes)

    def square(self, side: int) -> Tensor:
        """Cut to the central square and resample: (1, 3, side, side), [-1, 1]."""
        fitted = ImageOps.fit(self.picture, (side, side), Image.Resampling.LANCZOS)
        return from_uint8(np.array(fitted))

    def describe(self, side: int) -> str:
        """One line for people: what the picture is, and what becomes of it in `square`."""
        width, height = self.picture.size
        shortest = min(width, height)
        done = list(self.notes)
        if width != height:
            done.append(f"cut to its central {shortest} × {shortest} px")
        if shortest != side:
            done.append(f"{'reduced' if shortest > side else 'enlarged'} to {side} × {side} px")
        size = f"{self.path.name}: {width} × {height} px"
        if shortest < side // 2:
            done.append("it has little detail to learn from")
        return ", ".join([size, *done])


def decode(path: Path) -> tuple[Image.Image, tuple[str, ...]]:
    """Read a picture as RGB, and say what was done.

    Raises:
        InputError: if it is none, or is broken, or has too many pixels; the message does not name the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as odd EXIF data; the pixels are what counts
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as file:
                turned = file.getexif().get(_ORIENTATION, 1) in range(2, 9)
                picture, notes = _rgb(ImageOps.exif_transpose(file))
                count = getattr(file, "n_frames", 1)
                first = (f"the first of its {count} pictures",) if count > 1 else ()
                return picture, (*first, *(("turned as its EXIF says",) if turned else ()), *notes)
    except UnidentifiedImageError:
        raise InputError(f"no picture; expected one of {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"too many pixels: {error}") from error
    except Exception as error:  # decoders raise all kinds on broken files
        raise InputError(f"broken picture: {' '.join(str(error).split()) or type(error).__name__}") from error


@dataclass(frozen=True)
class PictureFolder:
    """The pictures of a folder and of those in it; hidden files do not count.

    Attributes:
        folder: where.
        files: the pictures that can be read, in the order of their names.
        skipped: why each other file was left out, by its name within the folder.
    """

    folder: Path
    files: tuple[Path, ...]
    skipped: dict[str, str]

    @classmethod
    def read(cls, folder: str | os.PathLike[str], least: int = 2) -> PictureFolder:
        """Find out which of the files are pictures, by decoding each once.

        Raises:
            InputError: if there is no such folder, or it has fewer than `least` pictures that can be read.
        """
        folder = Path(folder)
        if not folder.is_dir():
            found = "is a file" if folder.exists() else "does not exist"
            raise InputError(f"{folder} {found}; expected a folder of pictures")
        files, skipped = [], {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if not path.is_file() or any(part.startswith(".") for part in name.parts):
                continue
            try:
                decode(path)
            except InputError as error:
                skipped[name.as_posix()] = str(error)
            else:
                files.append(path)
        if len(files) < least:
            listed = "".join(f"; {name}: {reason}" for name, reason in list(skipped.items())[:5])
            raise InputError(
                f"{folder} has {len(files)} pictures that can be read; expected at least {least} "
                f"(skipped: {len(skipped)} files{listed})"
            )
        return cls(folder, tuple(files), skipped)

    def __len__(self) -> int:
        return len(self.files)

    def pictures(self, side: int, batch_size: int) -> Iterator[Tensor]:
        """Give the pictures a batch at a time, cut and resampled, (N, 3, side, side) uint8.

        Raises:
            InputError: if a file changed and can no longer be read.
        """
        for start in range(0, len(self.files), batch_size):
            yield torch.stack(
                [_square(decode(path)[0], side) for path in self.files[start : start + batch_size]]
            )


def _rgb(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    notes = []
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)  # 16 bits, which Pillow would clip
        depth = 255 if values.max() < 256 else 65535
        picture = Image.fromarray((values * (255 / depth)).clip(0, 255).astype(np.uint8))
        notes.append(f"brought from {'8' if depth == 255 else '16'} bits to 8")
    if picture.mode not in ("RGB", "RGBA"):
        notes.append(f"{_MODES.get(picture.mode, picture.mode)}, made RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB"), tuple(notes)
    picture = picture.convert("RGBA")
    if np.asarray(picture.getchannel("A")).min() < 255:
        notes.append("laid on white where it is transparent")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"), tuple(
        notes
    )


def _square(picture: Image.Image, side: int) -> Tensor:
    """Cut to the central square and resample: (3, side, side) uint8."""
    fitted = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)
