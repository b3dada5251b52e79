from __future__ import annotations

from types import SimpleNamespace

import pytest

import domainvec as dv
from domainvec.encoders.prompts import describe_unknown_words, require_known_words
from domainvec.errors import InputError


def reader(known: str, name: str = "toy", vocabulary=None, words=None):
    """An encoder that knows some words."""
    return SimpleNamespace(
        name=name,
        vocabulary=vocabulary,
        words=words,
        unknown_words=lambda text: [word for word in text.split() if word.lower() not in known.split()],
    )


def test_nothing_is_said_of_known_words():
    assert (
        describe_unknown_words([reader("a zombie photo")], {"target": "a zombie", "source": "a photo"})
        is None
    )


def test_words_that_ask_for_nothing_are_passed_over():
    assert describe_unknown_words([reader("zombie")], {"target": "the photo of a zombie"}) is None
    assert describe_unknown_words([reader("")], {"source": "a photo of a face"}) is None


@pytest.mark.parametrize("text", ["a xylophone", "a photo of a Xylophone", "Xylophone"])
def test_a_prompt_without_a_known_word_is_not_followed(text):
    said = describe_unknown_words([reader("a photo of zombie")], {"target": text})
    assert said.startswith(f"toy knows no word of the target {text!r} and cannot follow it. ")
    assert "`domainvec words` lists what is known; other words need the real CLIP: " in said
    assert "--encoder openai/clip-vit-base-patch32 " in said
    assert "dv.Encoder.from_pretrained('openai/clip-vit-base-patch32')" in said


def test_what_is_known_is_said_by_examples():
    vocabulary = {f"domain {i}": (f"phrase {i}", f"other {i}") for i in range(25)}
    said = describe_unknown_words([reader("", vocabulary=vocabulary)], {"target": "xylophone"})
    assert said.count("'phrase ") == 6 and "'other" not in said
    assert "is known, such as 'phrase 3', 'phrase 7', " in said


def test_some_unknown_words_are_named():
    said = describe_unknown_words([reader("a zombie")], {"target": "a zombie with a xylophone and drums"})
    assert said == (
        "toy does not know 'xylophone', 'drums' in the target 'a zombie with a xylophone and drums'; "
        "the rest is followed"
    )


def test_a_word_is_unknown_if_no_encoder_knows_it():
    encoders = [reader("a zombie", "one"), reader("a clown", "two")]
    assert describe_unknown_words(encoders, {"target": "a zombie clown"}) is None
    said = describe_unknown_words(encoders, {"target": "a xylophone clown"})
    assert (
        said == "one and two do not know 'xylophone' in the target 'a xylophone clown'; the rest is followed"
    )
    assert (
        describe_unknown_words([*encoders, SimpleNamespace(name="mute")], {"target": "a xylophone"}) is None
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a pencl sketch",
            "know 'pencl' in the target 'a pencl sketch'; the rest is followed (did you mean 'pencil'?)",
        ),
        ("a Zombei sketch", "the rest is followed (did you mean 'zombie'?)"),
        ("a pencl zombei", "and cannot follow it (did you mean 'pencil', 'zombie'?)."),
        ("a xyzzy sketch", "does not know 'xyzzy' in the target 'a xyzzy sketch'; the rest is followed"),
        ("a dragon sketch", "does not know 'dragon' in the target 'a dragon sketch'; the rest is followed"),
    ],
)
def test_what_may_have_been_meant_is_asked(text, said):
    encoder = reader("a sketch", words={"a", "sketch", "pencil", "zombie"})
    described = describe_unknown_words([encoder], {"target": text})
    assert said in described and ("did you mean" in said) == ("did you mean" in described)
    assert "did you mean" not in describe_unknown_words([reader("a sketch")], {"target": text})


def test_a_prompt_without_a_known_word_is_refused():
    encoder = reader("a photo of zombie", words={"zombie"})
    with pytest.raises(InputError) as said:
        require_known_words([encoder], {"target": "a zombei", "source": "a photo"})
    assert str(said.value).startswith(
        "toy knows no word of the target 'a zombei' and cannot follow it (did you"
    )
    assert "pass --allow-unknown on the command line, dv.Text(..., allow_unknown=True)" in str(said.value)
    assert "source" not in str(said.value)
    require_known_words([encoder], {"target": "a zombei"}, allow_unknown=True)


@pytest.mark.parametrize("text", ["a zombie with a xylophone", "a photo", "the face of a person", "!?", ""])
def test_prompts_with_a_known_word_or_without_any_pass(text):
    require_known_words([reader("zombie")], {"target": text})


def test_nothing_is_refused_if_an_encoder_knows_it_or_cannot_tell():
    encoders = [reader("a zombie", "one"), reader("a clown", "two")]
    require_known_words(encoders, {"target": "a clown", "source": "a zombie"})
    require_known_words([*encoders, SimpleNamespace(name="mute")], {"target": "a xylophone"})


def test_the_bundled_encoders():
    encoders = [dv.Encoder.from_pretrained(name) for name in ("faces-clip", "faces-clip-robust")]
    assert describe_unknown_words(encoders, {"target": "a pencil sketch", "source": "a photo"}) is None
    said = describe_unknown_words(encoders, {"target": "a xylophone", "source": "a photo"})
    assert said.startswith("faces-clip and faces-clip-robust know no word of the target 'a xylophone'")
    said = describe_unknown_words(encoders, {"target": "a pencil sketch of a xylophone"})
    assert "do not know 'xylophone'" in said
    said = describe_unknown_words(encoders, {"target": "a pencl sketch of a womn with sunglases"})
    assert said.endswith("the rest is followed (did you mean 'pencil', 'woman', 'sunglasses'?)")
    with pytest.raises(InputError, match=r"no word of the target '🎃🧟'"):
        require_known_words(encoders, {"target": "🎃🧟"})
