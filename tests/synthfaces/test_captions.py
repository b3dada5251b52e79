from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from synthfaces.articles import with_article
from synthfaces.attributes import sample
from synthfaces.captions import (
    _MOOD_ADJECTIVES,
    _STYLE_PHRASES,
    _person,
    caption,
    describe_vocabulary,
    vocabulary,
    words,
)
from synthfaces.domains import DOMAINS, compositions
from synthfaces.errors import UnknownDomainError
from synthfaces.styles import STYLES

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
    skin=0.5,
)


def captions(domain: str, face=FACE, number: int = 400) -> list[str]:
    rng = np.random.default_rng(0)
    return [caption(face, domain, rng) for _ in range(number)]


def said(domain: str, face=FACE) -> set[str]:
    return {word for text in captions(domain, face) for word in words(text)}


def names(domain: str) -> set[str]:
    """Possible names of a domain in captions of FACE, in which a person may be a woman."""
    phrases = describe_vocabulary()["domains"][domain]
    named = {phrase.replace("person", noun) for phrase in phrases for noun in ("person", "woman")}
    return named | {part for phrase in named for part in phrase.split(" with ")}


def test_equal_seeds_give_equal_captions():
    assert captions("photo") == captions("photo")
    assert caption(FACE, "ink", 5) == caption(FACE, "ink", np.random.default_rng(5))


def test_the_vocabulary_matches_the_captions():
    rng = np.random.default_rng(0)
    domains = [*DOMAINS, *compositions()]
    seen: set[str] = set()
    lengths = []
    for index in range(12000):
        # Half of them of single domains, of which there are few.
        name = domains[index % len(domains)] if index % 2 else list(DOMAINS)[index // 2 % len(DOMAINS)]
        text = caption(sample(1, index % 1500), name, rng)
        assert text == text.lower().strip() and "  " not in text and "{" not in text and ",," not in text
        seen.update(words(text))
        lengths.append(len(words(text)))
    known = vocabulary()
    assert seen <= known
    assert len(known - seen) < 0.02 * len(known)
    assert max(lengths) <= 36 and np.mean(lengths) <= 14


def test_phrases_are_unambiguous():
    owners = Counter(phrase for phrases in describe_vocabulary()["domains"].values() for phrase in phrases)
    assert [phrase for phrase, number in owners.items() if number > 1] == []


@pytest.mark.parametrize("name", list(DOMAINS))
def test_domains_have_many_phrases(name):
    phrases = DOMAINS[name].phrases if name != "photo" else describe_vocabulary()["domains"][name]
    assert len(set(phrases)) >= 5
    assert all(" ".join(words(phrase)) == phrase for phrase in phrases)


@pytest.mark.parametrize("name", list(DOMAINS))
def test_captions_name_the_domain_briefly_and_at_length(name):
    texts = captions(name)
    phrases = DOMAINS[name].phrases
    assert any(text.endswith(phrases[0]) and len(words(text)) <= len(words(phrases[0])) + 1 for text in texts)
    assert len({len(words(text)) for text in texts}) > 5
    share = sum(any(phrase in text for phrase in names(name)) for text in texts) / len(texts)
    assert share > (0.8 if name == "photo" else 0.999)


@pytest.mark.parametrize(
    "name",
    ["pencil_sketch+zombie", "zombie+sepia", "pencil_sketch+sepia", "oil_painting+elf+night", "mosaic+comic"],
)
def test_captions_name_all_parts_of_a_composition(name):
    for part in name.split("+"):
        known = names(part) | set(_MOOD_ADJECTIVES.get(part, ()))
        assert [text for text in captions(name) if not any(phrase in text for phrase in known)] == []


def test_captions_of_compositions_vary():
    texts = set(captions("pencil_sketch+zombie", number=2000))
    assert {
        "a pencil sketch of a zombie",
        "a zombie, pencil sketch",
        "a zombie in the style of a pencil sketch",
        "a pencil sketch of an old zombie with glasses",
        "a zombie drawn in pencil",
    } <= texts
    assert {"a zombie at night", "a night photo of a zombie"} <= set(captions("zombie+night", number=2000))
    whole = set(captions("pencil_sketch+zombie+sepia", number=2000))
    assert {"a sepia pencil sketch of a zombie", "a pencil sketch of a zombie in sepia"} <= whole


def test_the_order_of_parts_does_not_matter():
    assert captions("sepia+zombie+pencil_sketch") == captions("pencil_sketch+zombie+sepia")


def test_all_styles_have_adjectives_and_phrases():
    assert set(_STYLE_PHRASES) == {*STYLES, "anime"}
    assert set(_MOOD_ADJECTIVES) == {name for name, style in STYLES.items() if style.family == "mood"}


def test_captions_describe_faces():
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
    assert {"with", "wearing", "green", "eyes", "spectacles", "red-haired", "cheerful"} <= said("photo")


def test_captions_use_synonyms():
    man = replace(FACE, gender="man", age=50.0, smile=0.0, hair_color="brown", glasses="none", skin=0.9)
    assert {"guy", "gentleman", "middle-aged", "serious", "unsmiling", "dark-haired"} <= said("photo", man)
    assert {"dark-skinned", "clean-shaven", "real"} <= said("photo", man)
    assert {"pale", "light-skinned", "frown", "bald"} <= said(
        "photo", replace(man, skin=0.1, smile=-0.8, hair_style="bald")
    )


def test_captions_mention_only_what_is_visible():
    assert not {"man", "young", "sad", "serious", "bald", "hat", "beard", "sunglasses"} & said("photo")
    assert not {"red", "ginger", "red-haired", "redheaded", "green", "eyes"} & said("pencil_sketch")
    assert not {"skin", "skinned", "dark-skinned"} & said("pencil_sketch", replace(FACE, skin=0.9))
    assert not {"clean-shaven", "beard"} & said("photo")
    hidden = said("photo", replace(FACE, hair_style="short", hat="cap", glasses="sunglasses"))
    assert not {"hair", "red", "red-haired", "eyes", "green"} & hidden
    assert {"cap", "hat", "sunglasses"} <= hidden
    assert not {"bald"} & said("photo", replace(FACE, hair_style="bald", hat="beanie"))
    assert {"bald"} <= said("photo", replace(FACE, hair_style="bald"))


def test_captions_of_characters():
    characters = [domain for domain in DOMAINS.values() if domain.family == "character"]
    for domain in characters:
        texts = captions(domain.name)
        assert any("photo of" in text for text in texts) and any("photo" not in text for text in texts)
        owned = {word for phrase in domain.phrases for word in words(phrase)}
        hidden = {"red", "ginger", "red-haired", "eyes", "smiling", "smile", "skin"} - owned
        assert not hidden & (said(domain.name) | said(f"pencil_sketch+{domain.name}"))


def test_people_turn_into_characters():
    texts = captions("zombie", number=2000)
    assert {"a woman turned into a zombie", "a woman as a zombie", "a person who looks like a zombie"} <= set(
        texts
    )


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
    assert with_article(phrase) == expected


def test_person_phrases_have_no_article():
    rng = np.random.default_rng(0)
    assert not any(_person(FACE, True, True, rng).startswith(("a ", "an ")) for _ in range(50))


def test_an_unknown_domain_lists_the_choices():
    with pytest.raises(UnknownDomainError, match=r"'crayon'.*pencil_sketch"):
        caption(FACE, "crayon", np.random.default_rng(0))


def test_describe_vocabulary():
    described = describe_vocabulary()
    assert set(described) == {"domains", "attributes"}
    assert list(described["domains"]) == list(DOMAINS)
    assert described["domains"]["zombie"][: len(DOMAINS["zombie"].phrases)] == DOMAINS["zombie"].phrases
    assert {"glasses", "spectacles", "sunglasses"} <= set(described["attributes"]["glasses"])
    assert "long wavy hair" in described["attributes"]["hair"]
    assert {"dark-haired", "ginger"} <= set(described["attributes"]["hair colour"])
    told = {
        word for table in described.values() for texts in table.values() for t in texts for word in words(t)
    }
    assert told < vocabulary()
