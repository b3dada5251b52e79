from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import synthfaces
from synthfaces import Attributes

PLAIN = dataclasses.replace(
    Attributes.from_normal(np.zeros(synthfaces.Z_DIM)),
    gender="man", age=30.0, hair_style="short", beard="none", glasses="none", hat="none", earrings=False,
)  # fmt: skip
MEAN_COLOR = (0.5599, 0.4842, 0.4656)
MEAN_THIRDS = ((0.5654, 0.5107, 0.5536), (0.5131, 0.5307, 0.4991), (0.459, 0.4447, 0.4549))
FACE = (slice(24, 56), slice(16, 48))


def _difference(**changes: Any) -> np.ndarray:
    """Absolute difference of the pictures, (64, 64), in grey levels."""
    changed = synthfaces.draw(dataclasses.replace(PLAIN, **changes))
    return np.abs(changed.astype(int) - synthfaces.draw(PLAIN)).mean(axis=2)


def test_renderings_are_deterministic_across_processes():
    program = (
        "import hashlib, synthfaces as s;"
        "print(hashlib.sha256(s.draw_many([s.sample(1, i) for i in range(4)]).tobytes()).hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = synthfaces.draw_many([synthfaces.sample(1, index) for index in range(4)])
    assert printed.stdout.strip() == hashlib.sha256(here.tobytes()).hexdigest()


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_imports_are_lazy():
    program = (
        "import sys, synthfaces as s; face = s.sample(0, 0); s.code(face); assert 'skia' not in sys.modules;"
        "s.draw(face, 'zombie'); assert not {'torch', 'domainvec'} & set(sys.modules)"
    )
    assert _run(program).returncode == 0


def test_a_missing_system_library_is_explained():
    done = _run("import sys; sys.modules['skia'] = None; import synthfaces; synthfaces.draw")
    assert "DrawingError: skia could not be imported" in done.stderr
    assert "apt install libgl1 libegl1" in done.stderr


def test_renderings_match_the_training_data_of_the_bundled_generator():
    pictures = synthfaces.draw_many([synthfaces.sample(3, index) for index in range(24)]) / 255.0
    np.testing.assert_allclose(pictures.mean(axis=(0, 1, 2)), MEAN_COLOR, atol=2e-3)
    thirds = pictures[:, :63, :63].reshape(24, 3, 21, 3, 21, 3).mean(axis=(0, 2, 4, 5))
    np.testing.assert_allclose(thirds, MEAN_THIRDS, atol=4e-3)


@pytest.mark.parametrize("resolution", [16, 32, 64, 128])
def test_resolutions_are_consistent(resolution: int):
    small = synthfaces.draw(PLAIN, resolution=16).astype(float)
    picture = synthfaces.draw(PLAIN, resolution=resolution)
    assert picture.shape == (resolution, resolution, 3)
    assert picture.dtype == np.uint8
    factor = resolution // 16
    reduced = picture.reshape(16, factor, 16, factor, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small).mean() < 4


@pytest.mark.parametrize(
    "changes",
    [
        {"gender": "woman"}, {"age": 80.0}, {"skin": 0.9}, {"hair_style": "bald"}, {"hair_style": "long"},
        {"hair_color": "red"}, {"eye_color": "blue"}, {"eye_size": 2.0}, {"eye_spacing": 2.0},
        {"brow_thickness": 2.0}, {"brow_tilt": 2.0}, {"nose_width": 2.0}, {"nose_length": 2.0},
        {"mouth_width": 2.0}, {"smile": 1.0}, {"smile": -1.0}, {"lip_color": 1.0}, {"beard": "stubble"},
        {"beard": "mustache"}, {"beard": "full"}, {"glasses": "glasses"}, {"glasses": "sunglasses"},
        {"hat": "beanie"}, {"hat": "cap"}, {"earrings": True}, {"head_width": 2.0}, {"jaw": 2.0},
        {"chin": 2.0}, {"yaw": 0.8}, {"pitch": 0.8}, {"roll": 5.0}, {"scale": 2.0}, {"light": 0.9},
        {"background": (20.0, 120.0, 20.0)}, {"clothes": (200.0, 30.0, 30.0)}, {"collar": "shirt"},
        {"hair_shade": 2.0},
    ],
    ids=str,
)  # fmt: skip
def test_every_attribute_is_visible(changes: dict[str, Any]):
    changed = dataclasses.replace(PLAIN, **changes)
    assert changed != PLAIN
    assert _difference(**changes).max() > 4


def test_the_texture_seed_does_not_change_photos():
    assert _difference(texture_seed=7).max() == 0


def test_small_steps_make_small_changes():
    for name in ("yaw", "pitch", "smile", "light", "age", "skin"):
        value = getattr(PLAIN, name)
        assert _difference(**{name: value + 0.01}).mean() < 0.6


def test_eyes_are_legible():
    """White, iris and pupil are visible at 64 pixels, even in small eyes."""
    changed = _difference(eye_color="blue")
    columns = np.flatnonzero((changed > 8).any(axis=0))
    assert len(columns) >= 6  # the two irises
    eyes = synthfaces.draw(dataclasses.replace(PLAIN, eye_size=-1.0))[26:36, 16:48]
    assert eyes.min(axis=2).max() > 220  # white or catch light
    assert eyes.max(axis=2).min() < 75  # pupil


def test_light_brightens_one_side():
    lit = synthfaces.draw(dataclasses.replace(PLAIN, light=1.0)).astype(float)[FACE].mean(axis=(0, 2))
    assert lit[-8:].mean() > lit[:8].mean() + 10


def test_glasses_change_the_face_only():
    changed = _difference(glasses="sunglasses")
    assert changed[FACE].mean() > 5
    changed[22:42, 6:58] = 0
    assert changed.max() == 0


def test_draw_many_equals_draw():
    faces = [synthfaces.sample(2, index) for index in range(3)]
    many = synthfaces.draw_many(faces, "zombie", 32)
    assert many.shape == (3, 32, 32, 3)
    for face, picture in zip(faces, many, strict=True):
        np.testing.assert_array_equal(picture, synthfaces.draw(face, "zombie", 32))
    assert synthfaces.draw_many([]).shape == (0, 64, 64, 3)
