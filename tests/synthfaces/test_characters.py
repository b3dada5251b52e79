from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import synthfaces
from synthfaces import DrawingError, UnknownDomainError
from synthfaces.characters import CHARACTERS

FACES = [synthfaces.sample(21, index) for index in range(12)]
PHOTOS = synthfaces.draw_many(FACES).astype(int)
NAMES = [character.name for character in CHARACTERS]
CORNERS = (slice(None), slice(0, 5), slice(0, 4))


@pytest.mark.parametrize("name", NAMES)
def test_a_character_differs_from_the_photo_and_repeats(name: str):
    pictures = synthfaces.draw_many(FACES, name)
    np.testing.assert_array_equal(pictures, synthfaces.draw_many(FACES, name))
    assert (np.abs(pictures - PHOTOS).mean(axis=(1, 2, 3)) > 1).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "anime"])
def test_characters_keep_the_background(name: str):
    bare = [dataclasses.replace(face, hair_style="short", hat="none") for face in FACES]
    pictures, photos = synthfaces.draw_many(bare, name), synthfaces.draw_many(bare)
    np.testing.assert_array_equal(pictures[CORNERS], photos[CORNERS])


@pytest.mark.parametrize("name", ["zombie", "green_giant", "elf", "werewolf", "robot", "alien", "clown"])
def test_characters_keep_the_clothes(name: str):
    low = (slice(None), slice(61, 64), slice(0, 6))
    np.testing.assert_array_equal(synthfaces.draw_many(FACES, name)[low], PHOTOS[low])


def test_skin_colours_of_characters():
    """Mean colours of the middle of the face."""
    open_faces = [
        dataclasses.replace(face, beard="none", glasses="none", hat="none", yaw=0.0) for face in FACES
    ]

    def skin(name: str) -> np.ndarray:
        return synthfaces.draw_many(open_faces, name)[:, 34:46, 22:42].mean(axis=(0, 1, 2))

    red, green, blue = skin("green_giant")
    assert green > 1.5 * max(red, blue)
    red, green, blue = skin("marble_statue")
    assert max(red, green, blue) - min(red, green, blue) < 12
    red, green, blue = skin("robot")
    assert blue > red + 10
    np.testing.assert_allclose(skin("elf"), skin("photo"), atol=2)


def test_elves_differ_in_their_ears_only():
    face = dataclasses.replace(FACES[0], hair_style="short", yaw=0.0, roll=0.0, glasses="none")
    difference = np.abs(synthfaces.draw(face, "elf").astype(int) - synthfaces.draw(face)).max(axis=2)
    assert difference[:, 22:42].max() == 0
    assert difference[:, :16].max() > 20
    assert difference[:, 48:].max() > 20


def test_marble_has_contrast():
    faces = synthfaces.draw_many(FACES, "marble_statue")[:, 12:54, 16:48].mean(axis=3)
    assert (faces.std(axis=(1, 2)) > 25).all()


@pytest.mark.parametrize("name", ["zombie", "werewolf", "marble_statue"])
def test_textures_depend_on_the_seed(name: str):
    face = dataclasses.replace(FACES[3], hat="none", glasses="none")
    other = dataclasses.replace(face, texture_seed=face.texture_seed + 1)
    assert (synthfaces.draw(face, name) != synthfaces.draw(other, name)).any()


def test_names_and_phrases_are_unique():
    assert next(iter(synthfaces.DOMAINS)) == "photo"
    assert set(NAMES) < set(synthfaces.DOMAINS)
    families = {domain.family for domain in synthfaces.DOMAINS.values()}
    assert families == {"photo", "media", "mood", "character"}
    phrases = [phrase for domain in synthfaces.DOMAINS.values() for phrase in domain.phrases]
    assert len(phrases) == len(set(phrases))
    assert all(name == domain.name and domain.phrases for name, domain in synthfaces.DOMAINS.items())


def test_every_domain_can_be_drawn_small():
    for name in synthfaces.DOMAINS:
        assert synthfaces.draw(FACES[0], name, 32).std() > 10


def test_an_unknown_domain_names_the_choices():
    with pytest.raises(UnknownDomainError, match=r"unknown domain 'vampire'; choose one of photo, .*zombie"):
        synthfaces.draw(FACES[0], "vampire")


def test_invalid_resolutions():
    with pytest.raises(DrawingError, match="at least 8 pixels, got 4"):
        synthfaces.draw(FACES[0], resolution=4)
    style = next(name for name, domain in synthfaces.DOMAINS.items() if domain.family == "media")
    with pytest.raises(DrawingError, match="divides 128, got 60"):
        synthfaces.draw(FACES[0], style, 60)
