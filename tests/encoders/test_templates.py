from __future__ import annotations

import pytest

from domainvec.encoders.templates import FACE_TEMPLATES, GENERAL_TEMPLATES, compose
from domainvec.errors import InputError


@pytest.mark.parametrize(
    "prompt", ["pencil sketch", "a pencil sketch", "The  pencil sketch", " A pencil sketch "]
)
def test_an_article_makes_no_difference(prompt):
    assert compose(prompt, ("{}", "{} of a face", "a photo of the {}.")) == [
        "a pencil sketch",
        "a pencil sketch of a face",
        "a photo of the pencil sketch.",
    ]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("oil painting", "an oil painting"),
        ("8-bit picture", "an 8-bit picture"),
        ("unicorn", "a unicorn"),
        ("pixel art", "pixel art"),
        ("a stained glass", "stained glass"),
        ("Photo", "a Photo"),
    ],
)
def test_articles_follow_the_sound(prompt, expected):
    assert compose(prompt, ["{}"]) == [expected]


@pytest.mark.parametrize("templates", [GENERAL_TEMPLATES, FACE_TEMPLATES])
def test_sets_are_sound(templates):
    sentences = compose("zombie", templates)
    assert len(set(sentences)) == len(templates)
    for sentence in sentences:
        assert sentence.count("zombie") == 1
        assert "a a " not in sentence and "the a " not in sentence


@pytest.mark.parametrize("prompt", ["", "  ", "a", "the "])
def test_a_prompt_must_name_something(prompt):
    with pytest.raises(InputError, match="names nothing"):
        compose(prompt, FACE_TEMPLATES)


@pytest.mark.parametrize("templates", [(), "a photo of {}", ("{} of {}",), ("a photo",)])
def test_templates_are_checked(templates):
    with pytest.raises(InputError, match="template"):
        compose("zombie", templates)
