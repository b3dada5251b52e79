"""Picture files of any size, colour mode and colour space, read as 8-bit sRGB."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from domainvec.errors import InputError
from domainvec.images import from_uint8

_AVIF = ("AVIF",) if find_spec("PIL._avif") else ()  # Pillow 11.3 or newer, but not every build
# Formats that are pixels and nothing else: others, such as EPS, would start programs.
FORMATS = ("PNG", "JPEG", "WEBP", *_AVIF, "BMP", "GIF", "TIFF", "PPM")
MOST_PIXELS = 2**28
"""Larger files are refused; decoding one of 268 megapixels takes 1 to 2 GiB, a JPEG less."""

_KEPT_SIDE = 2048  # what is kept of the shorter side: twice that of the largest generators
_ORIENTATION = 0x0112  # the EXIF tag
_MODES = {
    "L": "grey",
    "LA": "grey",
    "1": "black and white",
    "P": "palette",
    "I": "grey",
    "F": "grey",
    "LAB": "CIELAB",
}
_INTEGER_RANGES = 255, 1023, 4095, 16383, 65535  # 8, 10, 12, 14 and 16 bits
_FLOAT_RANGES = 1, 255, 65535
_SIGNATURES = {
    rb"....ftyp.*avi[fs]": "AVIF",
    rb"....ftyp(he|mif1|msf1)": "HEIC",
    rb"\xff\x0a|\x00\x00\x00\x0cJXL ": "JPEG XL",
    rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51": "JPEG 2000",
    rb"8BPS": "Photoshop",
    rb"%PDF": "PDF",
    rb"\s*(<\?xml.*)?<svg": "SVG",
}
_ALMOST_BLACK, _SAME = 16, 2  # of 255
_LOCK = threading.RLock()


@dataclass(frozen=True)
class PictureFile:
    """A picture as upright 8-bit sRGB, and what was done to get there.

    Attributes:
        path: the file.
        picture: RGB; reduced by a whole number if its shorter side is 4096 px or more.
        size: width and height in the file, upright, pixels.
        notes: what was done, such as "turned as its EXIF says"; empty for a plain RGB picture.
    """

    path: Path
    picture: Image.Image
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PictureFile:
        """Read a picture.

        The EXIF orientation is applied, transparency is composited onto white, an embedded colour profile is
        converted to sRGB, and values of more than 8 bits or in floating point are scaled by their range.

        Raises:
            InputError: naming the file, if there is none, or it is no picture, broken, or too large.
        """
        path = Path(path)
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "does not exist"
            raise InputError(f"{path} {found}; expected a picture")
        try:
            return _decode(path)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def square(self, side: int) -> Tensor:
        """Crop to the central square and resample: (1, 3, side, side), [-1, 1]."""
        return from_uint8(_square(self.picture, side))

    def describe(self, side: int) -> str:
        """Describe the picture, and what `square` does to it, in one line."""
        width, height = self.size
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


@dataclass(frozen=True)
class PictureFolder:
    """The pictures in a folder and its subfolders; hidden files are passed over.

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
        """Find the files that are pictures, by decoding each once.

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
        """Yield the pictures in batches, cropped and resampled, (N, 3, side, side) uint8.

        Raises:
            InputError: if a file changed and can no longer be read.
        """
        for start in range(0, len(self.files), batch_size):
            batch = self.files[start : start + batch_size]
            pixels = np.stack([_square(_decode(path).picture, side) for path in batch])
            yield torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _decode(path: Path) -> PictureFile:
    """Read a picture as RGB.

    Raises:
        InputError: if it is none, or is broken, or has too many pixels; the message does not name the file.
    """
    try:
        # Given a name, Pillow may map the file into memory, and then transposes TIFFs wrongly.
        with _limit(MOST_PIXELS), path.open("rb") as opened, Image.open(opened, formats=FORMATS) as file:
            (width, height), mode = file.size, file.mode
            count = getattr(file, "n_frames", 1)
            notes = [f"the first of its {count} pictures"] if count > 1 else []
            if file.getexif().get(_ORIENTATION, 1) in range(2, 9):
                notes.append("turned as its EXIF says")
            picture = _reduced(file)
            if (width < height) != (picture.width < picture.height):
                width, height = height, width
            if picture.mode in ("I", "F"):
                picture, values = _eight_bits(picture)
                notes.append(f"values {values} scaled to 8 bits")
            if mode not in ("RGB", "RGBA"):
                notes.append(f"{_MODES.get(mode.partition(';')[0], mode)}, made RGB")
            return PictureFile(path, _rgb(picture, notes), (width, height), tuple(notes))
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(_what_is(path)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        megapixels = int(re.findall(r"\d+", str(error))[0]) / 1e6
        raise InputError(
            f"too many pixels: {megapixels:,.0f} megapixels, and at most {MOST_PIXELS / 1e6:,.0f} are read; "
            f"reduce it: more than 4,096 px are not used"
        ) from error
    except Exception as error:  # decoders raise all kinds on broken files
        raise InputError(f"broken picture: {' '.join(str(error).split()) or type(error).__name__}") from error


@contextmanager
def _limit(pixels: int) -> Iterator[None]:
    """Replace Pillow's own limit on pixels, which photos of phones exceed."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as odd EXIF data; the pixels are what counts
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def _reduced(file: Image.Image) -> Image.Image:
    """Decode upright, no larger than needed, in one of the modes L, LA, RGB, RGBA, CMYK, LAB, I and F."""
    file.draft(None, (_KEPT_SIDE, _KEPT_SIDE))  # A JPEG is decoded at a half, a quarter or an eighth.
    ImageOps.exif_transpose(file, in_place=True)
    if file.mode.startswith("I;"):
        mode = "I"
    elif file.has_transparency_data:
        mode = "LA" if file.mode in ("L", "LA") else "RGBA"
    elif file.mode in ("L", "CMYK", "LAB", "I", "F"):
        mode = file.mode
    else:
        mode = "L" if file.mode == "1" else "RGB"
    picture = file if file.mode == mode else file.convert(mode)
    factor = min(picture.size) // _KEPT_SIDE
    return picture.reduce(factor) if factor > 1 else picture


def _eight_bits(picture: Image.Image) -> tuple[Image.Image, str]:
    """Scale integers or floating point to 8 bits, and name the range that was scaled.

    Files seldom say whether 16 bits hold 10, 12 or 16, or whether white is 1 or 255. The range is the
    smallest common one that holds the greatest value, or that of the values themselves if none is near.
    """
    values = np.asarray(picture, np.float32)
    if not np.isfinite(values).all():
        raise InputError("has values that are infinite or not numbers; expected finite ones")
    low, high = float(values.min()), float(values.max())
    ranges = _FLOAT_RANGES if picture.mode == "F" else _INTEGER_RANGES
    black, white = 0.0, next((each for each in ranges if each / 8 < high <= each), high)
    if low < 0:
        black, white = (-1.0, 1.0) if picture.mode == "F" and low >= -1 and white == 1 else (low, high)
    scaled = (values - black) * (255 / ((white - black) or 1))
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8)), f"{black:,g} to {white:,g}"


def _rgb(picture: Image.Image, notes: list[str]) -> Image.Image:
    """Convert to opaque sRGB, and append what was done to the notes."""
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    if alpha is not None:
        picture = picture.convert("L" if picture.mode == "LA" else "RGB")
    picture = _srgb(picture, notes)
    if alpha is not None and np.asarray(alpha).min() < 255:
        notes.append("laid on white where it is transparent")
        picture = Image.composite(picture, Image.new("RGB", picture.size, "white"), alpha)
    lightest = _greatest(picture)
    if lightest < _ALMOST_BLACK:
        notes.append(f"almost black: its greatest value is {lightest} of 255")
    return picture


def _srgb(picture: Image.Image, notes: list[str]) -> Image.Image:
    """Convert to sRGB, from the embedded profile if there is a valid one."""
    is_lab, embedded = picture.mode == "LAB", picture.info.get("icc_profile")
    if not is_lab and not embedded:
        return picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(
            ImageCms.createProfile("LAB") if is_lab else BytesIO(embedded or b"")
        )
        if picture.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            picture = picture.convert("RGB")
        converted = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        assert converted is not None
    except (ImageCms.PyCMSError, OSError, ImportError) as error:  # ImportError: a Pillow without LittleCMS
        if is_lab:
            raise
        notes.append(f"colour profile ignored ({error})")
        return picture.convert("RGB")
    if is_lab:
        return converted
    plain = picture.convert("RGB")
    if _greatest(ImageChops.difference(converted, plain)) <= _SAME:
        return plain
    name = " ".join(ImageCms.getProfileDescription(source).split())[:60]
    notes.append(f"converted from {name or 'its colour profile'} to sRGB")
    return converted


def _greatest(picture: Image.Image) -> int:
    return int(np.asarray(picture).max())


def _what_is(path: Path) -> str:
    """Name the format of a file that no decoder accepts, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(64)
    for signature, name in _SIGNATURES.items():
        if re.match(signature, start, re.DOTALL):
            newer = " or install Pillow 11.3 or newer" if name == "AVIF" and not _AVIF else ""
            return f"a picture in the {name} format, which is not read: convert it to JPEG or PNG{newer}"
    if start.startswith((b"II*\0", b"MM\0*")):
        return (
            "a TIFF of a kind that is not read, such as RGB in floating point: save it with 8 bits a channel"
        )
    return f"no picture; expected one of {', '.join(FORMATS)}"


def _square(picture: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """Crop to the central square and resample: (side, side, 3)."""
    return np.array(ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS))
