from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from synthfaces.attributes import sample
from synthfaces.captions import _person, _with_article, caption, vocabulary, words
from synthfaces.domains import DOMAINS
from synthfaces.errors import UnknownDomainError

FACE = replace(
    sample(0, 0),
    gender="woman",
    age=75.0,
    smile=0.8,
    hair_style="long",
    hair_color="red",
    eye_color="green",
    beard="none",
    glasses="glasses",
    hat="none",
    earrings=False,
    lip_color=0.0,
)


def captions(domain: str, face=FACE, number: int = 400) -> list[str]:
    rng = np.random.default_rng(0)
    return [caption(face, domain, rng) for _ in range(number)]


def said(domain: str, face=FACE) -> set[str]:
    return {word for text in captions(domain, face) for word in words(text)}


def test_equal_seeds_give_equal_captions():
    assert captions("photo") == captions("photo")
    assert caption(FACE, "ink", 5) == caption(FACE, "ink", np.random.default_rng(5))


def test_the_vocabulary_is_what_captions_say():
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    for index in range(6000):
        text = caption(sample(1, index), list(DOMAINS)[index % len(DOMAINS)], rng)
        assert text == text.lower().strip() and "  " not in text and "{" not in text
        seen.update(words(text))
    known = vocabulary()
    assert seen <= known
    assert len(known - seen) < 0.1 * len(known)


@pytest.mark.parametrize("name", list(DOMAINS))
def test_every_domain_is_named_in_short_and_in_long(name):
    texts = captions(name)
    phrases = DOMAINS[name].phrases
    assert any(text.endswith(phrases[0]) and len(words(text)) <= len(words(phrases[0])) + 1 for text in texts)
    assert len({len(words(text)) for text in texts}) > 5
    named = sum(any(phrase in text for phrase in phrases) for text in texts)
    assert named > (0.7 if name == "photo" else 0.99) * len(texts)


def test_a_face_is_described():
    assert {
        "woman",
        "person",
        "human",
        "face",
        "smiling",
        "old",
        "elderly",
        "long",
        "red",
        "hair",
        "glasses",
    } <= said("photo")
    assert {"with", "wearing", "green", "eyes"} <= said("photo")


def test_only_what_shows_is_said():
    assert not {"man", "young", "sad", "serious", "bald", "hat", "beard", "sunglasses"} & said("photo")
    assert not {"red", "ginger", "green", "eyes"} & said("pencil_sketch")
    hidden = said("photo", replace(FACE, hair_style="short", hat="cap", glasses="sunglasses"))
    assert not {"hair", "red", "eyes", "green"} & hidden
    assert {"cap", "hat", "sunglasses"} <= hidden
    assert not {"bald"} & said("photo", replace(FACE, hair_style="bald", hat="beanie"))
    assert {"bald"} <= said("photo", replace(FACE, hair_style="bald"))


def test_characters_are_beings_and_keep_their_own_colours():
    characters = [domain for domain in DOMAINS.values() if domain.family == "character"]
    for domain in characters:
        texts = captions(domain.name)
        assert any("photo of" in text for text in texts) and any("photo" not in text for text in texts)
        owned = {word for phrase in domain.phrases for word in words(phrase)}
        assert not ({"red", "ginger", "eyes", "smiling"} - owned) & said(domain.name)


def test_captions_vary():
    counts = Counter(captions("photo"))
    assert len(counts) > 100


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("photo", "a photo"),
        ("oil painting", "an oil painting"),
        ("8-bit pixel art portrait", "an 8-bit pixel art portrait"),
        ("unicorn", "a unicorn"),
        ("undead man", "an undead man"),
        ("pop art", "pop art"),
        ("stained glass", "stained glass"),
        ("stained glass window", "a stained glass window"),
    ],
)
def test_articles(phrase, expected):
    assert _with_article(phrase) == expected


def test_persons_have_no_article():
    rng = np.random.default_rng(0)
    assert not any(_person(FACE, True, rng).startswith(("a ", "an ")) for _ in range(50))


def test_an_unknown_domain_lists_the_choices():
    with pytest.raises(UnknownDomainError, match=r"'crayon'.*pencil_sketch"):
        caption(FACE, "crayon", np.random.default_rng(0))
