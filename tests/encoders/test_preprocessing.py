"""The preprocessing against Pillow, which the image processors of CLIP models are built on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from domainvec.encoders.preprocessing import Preprocessing
from domainvec.errors import EncoderError, ShapeError
from domainvec.images import from_uint8

CLIP = {
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "do_convert_rgb": True,
}
# Pillow rounds to 8 bits after each of the two passes of a resize: half a level each, the first of them
# multiplied by the weights of the second (at most 1.4 in sum of absolute values).
ROUNDING = 1.25 / 255


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gradients(height, width):
    y, x = np.mgrid[:height, :width]
    channels = np.stack([255 * x / (width - 1), 255 * y / (height - 1), 255 * (x // 9 % 2)], axis=-1)
    return channels.astype(np.uint8)


def by_pillow(pixels, config):
    """What the processor of a CLIP model does, step by step."""
    height, width = pixels.shape[:2]
    if "shortest_edge" in config["size"]:
        short, edge = min(height, width), config["size"]["shortest_edge"]
        size = (edge * width // short, edge * height // short)
    else:
        size = (config["size"]["width"], config["size"]["height"])
    resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling(config["resample"])))
    crop = config["crop_size"]["height"]
    top, left = (resized.shape[0] - crop) // 2, (resized.shape[1] - crop) // 2
    return resized[top : top + crop, left : left + crop].astype(np.float64) / 255


def undo(prepared, config):
    mean, std = torch.tensor(config["image_mean"]), torch.tensor(config["image_std"])
    return (prepared * std[:, None, None] + mean[:, None, None])[0].permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize("make", [noise, gradients])
@pytest.mark.parametrize("shape", [(64, 64), (224, 224), (225, 300), (512, 256), (1024, 1024)])
def test_equals_pillow(make, shape):
    pixels = make(*shape)
    prepared = undo(Preprocessing.from_dict(CLIP)(from_uint8(pixels)), CLIP)
    assert np.abs(prepared - by_pillow(pixels, CLIP)).max() <= ROUNDING


@pytest.mark.parametrize(
    "change",
    [
        {"resample": 2},
        {"size": {"height": 100, "width": 80}, "crop_size": {"height": 72, "width": 72}},
        {"size": {"shortest_edge": 60}, "crop_size": {"height": 56, "width": 56}},
    ],
)
def test_other_settings_equal_pillow(change):
    config = CLIP | change
    pixels = noise(120, 150)
    prepared = undo(Preprocessing.from_dict(config)(from_uint8(pixels)), config)
    assert np.abs(prepared - by_pillow(pixels, config)).max() <= ROUNDING


@pytest.mark.filterwarnings("ignore")
def test_equals_the_processor_of_transformers():
    try:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Processor
    except ImportError:
        from transformers import CLIPImageProcessor as Processor
    pixels = noise(300, 256)
    expected = Processor(**CLIP)(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    prepared = Preprocessing.from_dict(CLIP)(from_uint8(pixels))
    assert (prepared - expected).abs().max() <= ROUNDING / min(CLIP["image_std"])


def test_pictures_of_the_right_size_are_only_normalised():
    images = torch.rand(2, 3, 224, 224) * 4 - 2
    config = CLIP | {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    torch.testing.assert_close(Preprocessing.from_dict(config)(images), images)


def test_older_files_give_plain_numbers():
    older = CLIP | {"size": 224, "crop_size": 224}
    assert Preprocessing.from_dict(older) == Preprocessing.from_dict(CLIP) == Preprocessing()
    assert Preprocessing.from_dict({}) == Preprocessing()


def test_steps_can_be_switched_off():
    off = {"do_resize": False, "do_center_crop": False, "do_normalize": False}
    images = torch.rand(1, 3, 20, 30) * 2 - 1
    torch.testing.assert_close(Preprocessing.from_dict(off)(images), images / 2 + 0.5)


def test_gradients_are_right():
    config = CLIP | {"size": {"shortest_edge": 6}, "crop_size": {"height": 5, "width": 5}}
    preprocessing = Preprocessing.from_dict(config)
    images = (torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(0)) - 0.5).requires_grad_(True)
    direction = torch.randn(1, 3, 9, 8, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(2))
    (preprocessing(images) * weights).sum().backward()
    with torch.no_grad():
        ahead, behind = preprocessing(images + 0.01 * direction), preprocessing(images - 0.01 * direction)
        slope = ((ahead - behind) * weights).sum() / 0.02
    torch.testing.assert_close((images.grad * direction).sum(), slope, rtol=1e-3, atol=1e-3)


def test_out_of_range_pixels_keep_gradients():
    images = (torch.ones(1, 3, 64, 64) * 1.5).requires_grad_(True)
    Preprocessing()(images).sum().backward()
    assert (images.grad.sum() > 0) and images.grad.mean() > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resample": 1}, "resample is 1; expected 2"),
        ({"rescale_factor": 1.0}, "rescaled by 1.0"),
        ({"image_std": [1.0, 0.0, 1.0]}, "std > 0"),
        ({"image_mean": [0.5]}, "three numbers"),
        ({"size": {"longest_edge": 3}}, "not understood"),
        ({"crop_size": {"height": 0, "width": 5}}, "1 pixel or more"),
        ({"crop_size": "all"}, "not understood"),
    ],
)
def test_what_cannot_be_honoured_is_refused(change, message):
    with pytest.raises(EncoderError, match=message):
        Preprocessing.from_dict(CLIP | change)


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match=r"images have shape \(3, 8, 8\)"):
        Preprocessing()(torch.zeros(3, 8, 8))
    with pytest.raises(ShapeError, match="cuts out 224 x 224"):
        Preprocessing.from_dict(CLIP | {"do_resize": False})(torch.zeros(1, 3, 100, 300))
