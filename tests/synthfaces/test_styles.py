from __future__ import annotations

import numpy as np
import pytest

from synthfaces.styles import STYLES
from synthfaces.styles.cells import borders, means, superpixels
from synthfaces.styles.tones import (
    blur,
    dots,
    exposure,
    grain,
    local_contrast,
    luminance,
    mix,
    outlines,
    paint,
    radius,
    saturate,
    smoothstep,
    stripes,
)

SIZE = 128
NAMES = list(STYLES)


def face(skin=(0.85, 0.66, 0.52), backdrop=(0.45, 0.55, 0.65)) -> np.ndarray:
    """A disc of skin with two dark eyes, a mouth and light from above."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = backdrop
    head = np.hypot((x - 0.5) / 0.3, (y - 0.52) / 0.4) < 1
    picture[head] = skin
    for eye in (0.38, 0.62):
        picture[np.hypot(x - eye, y - 0.45) < 0.045] = 0.04
    picture[(np.abs(x - 0.5) < 0.1) & (np.abs(y - 0.72) < 0.02)] = np.array(skin, np.float32) * 0.4
    return picture * (1.05 - 0.15 * y[..., None]).astype(np.float32)


LIGHT, DARK = face(), face((0.34, 0.21, 0.15))


def apply(name: str, picture: np.ndarray, seed: int = 0) -> np.ndarray:
    return STYLES[name].apply(picture, np.random.default_rng(seed))


def reduced(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean((1, 3))


def test_styles_are_registered_once():
    assert all(name == style.name for name, style in STYLES.items())
    assert {style.family for style in STYLES.values()} == {"media", "mood"}
    phrases = [phrase for style in STYLES.values() for phrase in style.phrases]
    assert len(set(phrases)) == len(phrases)
    assert all(phrase == phrase.lower().strip() and phrase for phrase in phrases)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("picture", [LIGHT, DARK, np.zeros_like(LIGHT), np.ones_like(LIGHT)])
def test_styles_return_valid_images(name, picture):
    before = picture.copy()
    result = apply(name, picture)
    assert result.shape == picture.shape and result.dtype == np.float32
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_pictures(name):
    assert np.array_equal(apply(name, LIGHT, 3), apply(name, LIGHT, 3))


@pytest.mark.parametrize("name", NAMES)
def test_seeds_have_little_effect(name):
    """Most of the texture is fixed, so that a generator can learn it."""
    change = reduced(apply(name, LIGHT, 1)) - reduced(apply(name, LIGHT, 2))
    assert np.sqrt((change**2).mean()) < 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("picture", [LIGHT, DARK], ids=["light", "dark"])
def test_features_are_visible_on_all_skin_tones(name, picture):
    small = reduced(apply(name, picture))
    cheek = small[34:40, 18:46].mean((0, 1))
    eyes = small[27:31, 22:27].mean((0, 1)), small[27:31, 37:42].mean((0, 1))
    mouth = small[45:47, 27:37].mean((0, 1))
    assert min(np.abs(eye - cheek).max() for eye in eyes) > 0.13
    assert np.abs(mouth - cheek).max() > 0.05


def test_styles_are_distinct():
    looks = np.stack([reduced(LIGHT), *(reduced(apply(name, LIGHT)) for name in NAMES)])
    distance = np.sqrt(((looks[:, None] - looks[None]) ** 2).mean((2, 3, 4)))
    assert distance[~np.eye(len(looks), dtype=bool)].min() > 0.04


@pytest.mark.parametrize("name", ["pencil_sketch", "ink", "charcoal"])
def test_monochrome_media_have_no_hue(name):
    result = apply(name, LIGHT)
    assert (result.max(-1) - result.min(-1)).max() < 0.1


def test_characteristic_colours():
    assert apply("pencil_sketch", LIGHT).mean() > 0.75
    assert apply("neon", LIGHT).mean() < 0.3
    assert apply("night", LIGHT).mean() < 0.35
    assert apply("watercolor", LIGHT)[:4, :4].min() > 0.9
    for name in ("blueprint", "night"):
        red, _, blue = apply(name, LIGHT).mean((0, 1))
        assert blue > 1.5 * red
    red, _, blue = apply("sepia", LIGHT).mean((0, 1))
    assert red > 1.2 * blue


def test_pixel_art_has_square_blocks_of_few_colours():
    result = apply("pixel_art", LIGHT)
    blocks = result.reshape(32, 4, 32, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert len(np.unique(result.reshape(-1, 3), axis=0)) <= 36


def test_tones():
    ramp = np.linspace(0, 1, 5, dtype=np.float32)
    assert smoothstep(ramp, 0.25, 0.75).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(ramp, 0.75, 0.25).tolist() == [1, 1, 0.5, 0, 0]
    grey = np.full((SIZE, SIZE), 0.5, np.float32)
    assert np.allclose(blur(grey, 3.0), 0.5) and np.allclose(local_contrast(grey, 3.0), 1.0)
    assert np.allclose(saturate(LIGHT, 1.0), LIGHT, atol=1e-6)
    assert np.allclose(luminance(saturate(LIGHT, 0.0)), luminance(LIGHT), atol=1e-6)
    assert np.allclose(mix(LIGHT, DARK, grey), (LIGHT + DARK) / 2, atol=1e-6)
    assert np.allclose(paint(grey, (0, 0, 0), (1, 0.5, 0)), [0.5, 0.25, 0])


def test_exposure_normalizes_faces():
    for picture in (LIGHT, DARK):
        tone = luminance(picture)
        assert exposure(tone * exposure(tone, skin=0.7), skin=0.7) == pytest.approx(1.0, abs=0.02)


def test_outlines_find_weak_contours():
    flat = outlines(np.full((SIZE, SIZE, 3), 0.6, np.float32))
    assert flat.max() < 1e-3
    faint = outlines(face(backdrop=(0.82, 0.64, 0.50)))
    contour = faint[:, int(0.2 * SIZE) - 2 : int(0.2 * SIZE) + 3].max()
    assert contour > 0.15


def test_textures_are_fixed_and_read_only():
    assert grain(64, (3.0, 1.0), 45.0) is grain(64, (3.0, 1.0), 45.0)
    assert abs(float(grain(64).mean())) < 1e-5 and float(grain(64).std()) == pytest.approx(1.0, abs=1e-4)
    assert not np.array_equal(grain(64, layer=1), grain(64, layer=2))
    for texture in (grain(64), stripes(64, 5.0, 30.0), dots(64, 6.0), radius(64)):
        assert texture.shape == (64, 64) and texture.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            texture[0, 0] = 1.0
    assert 0.4 < float((dots(64, 6.0) < 0.5).mean()) < 0.6


def test_superpixels_follow_edges():
    picture = np.zeros((48, 48, 3), np.float32)
    picture[:, 21:] = 1.0
    labels = superpixels(picture, cell=10, compactness=0.3)
    colors = means(picture, labels, int(labels.max()) + 1)
    assert np.array_equal(colors[labels], picture)
    edge = borders(labels, colors)
    assert (edge[:, 20] == 1).all() and edge.sum() == 48
    assert borders(labels).sum() > edge.sum()
