from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import ndtri

import synthfaces
from synthfaces import AttributeRangeError, Attributes, attributes

FACES = [synthfaces.sample(11, index) for index in range(3000)]


def test_the_origin_of_the_latent_space():
    face = Attributes.from_normal(np.zeros(synthfaces.Z_DIM))
    assert face.yaw == face.pitch == face.roll == face.light == 0.0
    assert face.skin == pytest.approx(0.5)


def test_from_normal_is_pure():
    z = synthfaces.latent(3, 4)
    before = z.copy()
    assert Attributes.from_normal(z) == Attributes.from_normal(z)
    np.testing.assert_array_equal(z, before)


def test_latents_differ_by_seed_and_by_index():
    points = {tuple(synthfaces.latent(seed, index)[:3]) for seed in range(3) for index in range(3)}
    assert len(points) == 9


def test_latents_are_standard_normal():
    points = np.stack([synthfaces.latent(0, index) for index in range(1000)])
    assert abs(points.mean()) < 0.02
    assert points.std() == pytest.approx(1.0, abs=0.02)


def test_a_face_is_the_same_in_another_process():
    program = "import synthfaces; print(synthfaces.sample(5, 2**40))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(synthfaces.sample(5, 2**40))


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("gender", attributes.GENDERS),
        ("hair_style", attributes.HAIR_STYLES),
        ("hair_color", tuple(attributes.HAIR_COLORS)),
        ("eye_color", tuple(attributes.EYE_COLORS)),
        ("beard", attributes.BEARDS),
        ("glasses", attributes.GLASSES),
        ("frame_color", tuple(attributes.FRAME_COLORS)),
        ("hat", attributes.HATS),
        ("collar", attributes.COLLARS),
        ("earrings", (False, True)),
    ],
)
def test_all_choices_occur(name: str, choices: tuple[object, ...]):
    assert {getattr(face, name) for face in FACES} == set(choices)


def test_ranges():
    for face in FACES:
        assert 18 <= face.age <= 88
        assert 0 <= face.skin <= 1
        assert 0 <= face.lip_color <= 1
        assert all(abs(value) <= 1 for value in (face.smile, face.yaw, face.pitch, face.light))
        assert 0 <= face.texture_seed < 2**31
        for color in (face.background, face.clothes, face.hat_color, face.skin_color, face.hair_rgb):
            assert all(0 <= channel <= 255 for channel in color)


def test_extreme_latents():
    for z in (np.full(64, 40.0), np.full(64, -40.0), np.full(64, ndtri(1 - 1e-16))):
        face = Attributes.from_normal(z)
        assert np.isfinite(synthfaces.code(face)).all()


def test_shares():
    men = [face for face in FACES if not face.is_woman]
    assert len(men) / len(FACES) == pytest.approx(0.5, abs=0.04)
    assert np.mean([face.beard != "none" for face in men]) == pytest.approx(0.48, abs=0.04)
    assert np.mean([face.hat != "none" for face in FACES]) == pytest.approx(0.16, abs=0.03)
    assert np.mean([face.glasses != "none" for face in FACES]) == pytest.approx(0.25, abs=0.03)
    assert all(face.beard == "none" for face in FACES if face.is_woman)


def test_grey_hair_comes_with_age():
    assert all(face.age > 42 for face in FACES if face.hair_color == "gray")
    old = [face.hair_color == "gray" for face in FACES if face.age > 75]
    assert np.mean(old) > 0.6


def test_code_has_about_unit_scale():
    codes = np.stack([synthfaces.code(face) for face in FACES])
    assert codes.shape == (len(FACES), synthfaces.CODE_DIM)
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()
    assert np.abs(codes).max() < 5
    assert (codes.std(axis=0) > 0.1).all()


def test_code_encodes_visible_differences_only():
    face = FACES[0]
    code = synthfaces.code(face)
    np.testing.assert_array_equal(code, synthfaces.code(dataclasses.replace(face, texture_seed=1)))
    for change in ({"yaw": -0.9}, {"hat": "cap"}, {"background": (1.0, 2.0, 3.0)}, {"age": 80.0}):
        changed = dataclasses.replace(face, **change)
        assert np.abs(synthfaces.code(changed) - code).max() > 0.1


@pytest.mark.parametrize("z", [np.zeros(63), np.zeros((1, 64)), np.full(64, np.nan)])
def test_invalid_latents_are_refused(z: np.ndarray):
    with pytest.raises(AttributeRangeError, match="64 finite numbers"):
        Attributes.from_normal(z)


@pytest.mark.parametrize(("seed", "index", "name"), [(-1, 0, "seed"), (0, 2**64, "index")])
def test_invalid_seeds_are_refused(seed: int, index: int, name: str):
    with pytest.raises(AttributeRangeError, match=f"{name} must be from"):
        synthfaces.latent(seed, index)
    assert issubclass(AttributeRangeError, ValueError)
