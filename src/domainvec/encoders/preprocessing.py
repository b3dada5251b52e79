"""Image preprocessing as CLIP's image processors do it, differentiable from end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import EncoderError, ShapeError

# CLIP's own statistics (Radford et al. 2021, arXiv:2103.00020), which image processors assume when a file is
# silent.
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resize, centre crop and normalise, as a model's `preprocessor_config.json` specifies.

    It matches the Pillow image processor of transformers up to Pillow's rounding to 8 bits after resizing.

    Attributes:
        shortest_edge: length to resize the shorter edge to, keeping the aspect ratio, or None.
        size: (height, width) to resize to, regardless of the aspect ratio, or None.
        crop: (height, width) of the centre crop, or None.
        interpolation: "bilinear" or "bicubic", antialiased.
        mean: of each channel, for pixels in [0, 1].
        std: of each channel, for pixels in [0, 1].
    """

    shortest_edge: int | None = 224
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = (224, 224)
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Read the values of a `preprocessor_config.json`.

        Raises:
            EncoderError: for a value that is not supported.
        """
        try:
            shortest_edge, size, crop = None, None, None
            if config.get("do_resize", True):
                wanted = config.get("size", 224)
                if isinstance(wanted, Mapping) and "height" in wanted:
                    size = (int(wanted["height"]), int(wanted["width"]))
                else:
                    shortest_edge = int(wanted["shortest_edge"] if isinstance(wanted, Mapping) else wanted)
            if config.get("do_center_crop", True):
                wanted = config.get("crop_size", 224)
                if not isinstance(wanted, Mapping):
                    wanted = {"height": wanted, "width": wanted}
                crop = (int(wanted["height"]), int(wanted["width"]))
            normalise = config.get("do_normalize", True)
            mean = tuple(float(v) for v in config.get("image_mean", _CLIP_MEAN)) if normalise else (0.0,) * 3
            std = tuple(float(v) for v in config.get("image_std", _CLIP_STD)) if normalise else (1.0,) * 3
            rescale = float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0
            interpolation = _INTERPOLATIONS.get(int(config.get("resample", 3)))
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(
                f"the image preprocessing has a value that is not understood: {error!r}"
            ) from error
        if interpolation is None:
            raise EncoderError(f"resample is {config['resample']}; expected 2 (bilinear) or 3 (bicubic)")
        if abs(rescale * 255 - 1) > 1e-3:
            raise EncoderError(f"pixels are rescaled by {rescale}; expected 1/255")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise EncoderError(
                f"image_mean is {mean} and image_std {std}; expected three numbers each, std > 0"
            )
        resized = size or (None if shortest_edge is None else (shortest_edge,) * 2)
        if crop and resized and (crop[0] > resized[0] or crop[1] > resized[1]):
            raise EncoderError(
                f"crop_size is {crop} where size is {config.get('size')}; expected a crop that fits into it"
            )
        if min((shortest_edge or 1, *(size or ()), *(crop or ()))) < 1:
            raise EncoderError(f"size is {config.get('size')} and crop_size {crop}; expected 1 pixel or more")
        return cls(
            shortest_edge=shortest_edge, size=size, crop=crop, interpolation=interpolation, mean=mean, std=std
        )

    @property
    def output_size(self) -> tuple[int, int] | None:
        """(height, width) of what comes of square images, or None if they keep their size."""
        edge = self.shortest_edge
        return self.crop or self.size or (None if edge is None else (edge, edge))

    def __call__(self, images: Tensor) -> Tensor:
        """Prepare images of any resolution.

        Args:
            images: (N, 3, H, W), nominally in [-1, 1].

        Returns:
            (N, 3, h, w) float32, normalised.

        Raises:
            ShapeError: if the images are of another shape, or the crop is larger than what is resized.
        """
        if images.dim() != 4 or images.shape[1] != 3:
            raise ShapeError(f"images have shape {tuple(images.shape)}; expected (N, 3, height, width)")
        pixels = self._crop(self._resize(images.float())) * 0.5 + 0.5
        mean, std = pixels.new_tensor(self.mean), pixels.new_tensor(self.std)
        return (pixels - mean[:, None, None]) / std[:, None, None]

    def _resize(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if self.size is not None:
            size = self.size
        elif self.shortest_edge is not None:
            short = min(height, width)
            size = (self.shortest_edge * height // short, self.shortest_edge * width // short)
        else:
            return images
        if size == (height, width):
            return images
        # A bicubic kernel overshoots at hard edges. 8-bit pictures cut that off, and Pillow does so after
        # each of two passes, rows first. Pictures that are out of range themselves keep their range and their
        # gradients.
        lowest = images.detach().amin(dim=(1, 2, 3), keepdim=True).clamp(max=-1)
        highest = images.detach().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1)
        for step in ((height, size[1]), size):
            if step != images.shape[-2:]:
                images = F.interpolate(
                    images, step, mode=self.interpolation, align_corners=False, antialias=True
                ).clamp(lowest, highest)
        return images

    def _crop(self, images: Tensor) -> Tensor:
        if self.crop is None:
            return images
        (height, width), (crop_height, crop_width) = images.shape[-2:], self.crop
        if crop_height > height or crop_width > width:
            raise ShapeError(
                f"images are {height} x {width} where the encoder cuts out {crop_height} x {crop_width}; "
                f"expected pictures at least that large"
            )
        top, left = (height - crop_height) // 2, (width - crop_width) // 2
        return images[..., top : top + crop_height, left : left + crop_width]
