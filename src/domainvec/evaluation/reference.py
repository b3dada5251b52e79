"""A folder of pictures to compare with: what can be read of it, and what was skipped and why."""

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

# Formats that are pixels and nothing else: others, such as EPS, would start programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


@dataclass(frozen=True)
class ReferenceFolder:
    """The pictures of a folder and of those in it; hidden files do not count.

    Each is turned as its EXIF says, laid on white where it is transparent, cut to its central square and
    resampled.

    Attributes:
        files: the pictures that can be read, in the order of their names.
        skipped: why each other file was left out, by its name within the folder.
    """

    folder: Path
    files: tuple[Path, ...]
    skipped: dict[str, str]

    @classmethod
    def read(cls, folder: str | os.PathLike[str], least: int = 2) -> ReferenceFolder:
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
                _decode(path)
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
        """Give the pictures a batch at a time, (N, 3, side, side) uint8.

        Raises:
            InputError: if a file changed and can no longer be read.
        """
        for start in range(0, len(self.files), batch_size):
            yield torch.stack(
                [_square(_decode(path), side) for path in self.files[start : start + batch_size]]
            )


def _decode(path: Path) -> Image.Image:
    """Read a picture as RGB.

    Raises:
        InputError: if it is none, or is broken, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as odd EXIF data; the pixels are what counts
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as file:
                return _rgb(ImageOps.exif_transpose(file))
    except UnidentifiedImageError:
        raise InputError(f"no picture; expected one of {', '.join(_FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"too many pixels: {error}") from error
    except Exception as error:  # decoders raise all kinds on broken files
        raise InputError(f"broken picture: {' '.join(str(error).split()) or type(error).__name__}") from error


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)  # 16 bits, which Pillow would clip
        depth = 255 if values.max() < 256 else 65535
        picture = Image.fromarray((values * (255 / depth)).clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _square(picture: Image.Image, side: int) -> Tensor:
    """Cut to the central square and resample: (3, side, side) uint8."""
    fitted = ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1)
