from __future__ import annotations

import re

import pytest

from domainvec.encoders.templates import FACE_TEMPLATES, GENERAL_TEMPLATES, IMAGENET_TEMPLATES, compose
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
        ("European elf", "a European elf"),
        ("uninteresting photo", "an uninteresting photo"),
        ("11 year old", "an 11 year old"),
        ("180 px picture", "a 180 px picture"),
        ("hourglass", "an hourglass"),
        ("used UFO", "a used UFO"),
        ("X-ray", "an X-ray"),
    ],
)
def test_articles_follow_the_sound(prompt, expected):
    assert compose(prompt, ["{}"]) == [expected]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("zombies", "zombies"),
        ("green eyes of a zombie", "green eyes of a zombie"),
        ("the people", "people"),
        ("two old women", "two old women"),
        ("in pencil", "in pencil"),
        ("drawn with a pencil", "drawn with a pencil"),
        ("princess", "a princess"),
        ("oil on canvas", "an oil on canvas"),
        ("zombie with glasses", "a zombie with glasses"),
        ("a cyclops", "a cyclops"),
        ("wine glass", "a wine glass"),
    ],
)
def test_plurals_and_what_is_no_noun_have_no_article(prompt, expected):
    assert compose(prompt, ["{}"]) == [expected]


@pytest.mark.parametrize(
    ("template", "sentences"),
    [
        ("art of a {}.", "art of a photo. / art of an elf. / art of my dog. / art of zombies."),
        ("art of {}.", "art of a photo. / art of an elf. / art of my dog. / art of zombies."),
        ("art of the {}.", "art of the photo. / art of the elf. / art of my dog. / art of the zombies."),
        ("art of one {}.", "art of one photo. / art of one elf. / art of my dog. / art of zombies."),
        ("a origami {}.", "an origami photo. / an origami elf. / my origami dog. / origami zombies."),
        (
            "a hard to see {}",
            "a hard to see photo / a hard to see elf / my hard to see dog / hard to see zombies",
        ),
        ("A {}", "A photo / An elf / My dog / Zombies"),
        ("a {} in a game", "a photo in a game / an elf in a game / my dog in a game / zombies in a game"),
        ("a bag with {}", "a bag with a photo / a bag with an elf / a bag with my dog / a bag with zombies"),
        ("men eating {}", "men eating a photo / men eating an elf / men eating my dog / men eating zombies"),
        (
            "a pig eating {}",
            "a pig eating a photo / a pig eating an elf / a pig eating my dog / a pig eating zombies",
        ),
        ("a bag, {}", "a bag, a photo / a bag, an elf / a bag, my dog / a bag, zombies"),
        ("({})", "(a photo) / (an elf) / (my dog) / (zombies)"),
    ],
)
def test_one_determiner_stands(template, sentences):
    composed = [compose(prompt, [template])[0] for prompt in ("a photo", "elf", "my dog", "zombies")]
    assert " / ".join(composed) == sentences


@pytest.mark.parametrize("templates", [GENERAL_TEMPLATES, IMAGENET_TEMPLATES, FACE_TEMPLATES])
@pytest.mark.parametrize(
    "prompt", ["zombie", "a photo", "an elf", "the clown", "this robot", "Picasso's portrait"]
)
def test_sets_are_sound(templates, prompt):
    for sentence in compose(prompt, templates):
        assert prompt.split()[-1] in sentence
        assert not re.search(r"\b(an?|the|my|this|one|many|some) (an?|the|my|this|one|Picasso's)\b", sentence)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", sentence)
    assert len(set(compose("zombie", templates))) >= len(templates) - 2


def test_the_papers_templates_are_filled_verbatim():
    assert len(set(IMAGENET_TEMPLATES)) == 79
    assert IMAGENET_TEMPLATES[0] == "a bad photo of a {}." and IMAGENET_TEMPLATES[-1] == "a tattoo of the {}."
    sentences = compose(" A {photo}", IMAGENET_TEMPLATES, verbatim=True)
    assert sentences == [template.replace("{}", " A {photo}") for template in IMAGENET_TEMPLATES]
    assert compose("elf", ["a {}"], verbatim=True) == ["a elf"]


def test_braces_in_a_prompt_are_text():
    assert compose("a {zombie} {}", ["{} of a face"]) == ["a {zombie} {} of a face"]
    assert compose("{} {0}a", ["a {}."], verbatim=True) == ["a {} {0}a."]


@pytest.mark.parametrize("verbatim", [False, True])
@pytest.mark.parametrize("prompt", ["", "  ", "a", "the ", "my", "🎃", "{}", "a {}", "!?", "\u200b"])
def test_a_prompt_must_name_something(prompt, verbatim):
    with pytest.raises(InputError, match=f"{re.escape(repr(prompt))} names nothing"):
        compose(prompt, FACE_TEMPLATES, verbatim=verbatim)


@pytest.mark.parametrize("prompt", ["铅笔素描", "зомби", "ज़ॉम्बी", "7"])
def test_a_letter_or_digit_of_any_script_names_something(prompt):
    assert prompt in compose(prompt, ["{}"])[0]


@pytest.mark.parametrize("templates", [(), "a photo of {}", ("{} of {}",), ("a photo",), ("",)])
def test_templates_are_checked(templates):
    with pytest.raises(InputError, match="template"):
        compose("zombie", templates)
