from __future__ import annotations

import json

import pytest

from domainvec.encoders.vocabulary import bundled_encoders, find_phrases, read_vocabulary
from domainvec.errors import EncoderError, InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    domains = {"ink": ["ink drawing", "pen drawing"], "elf": ["elf", "person with elf ears"]}
    (tmp_path / "vocabulary.json").write_text(
        json.dumps({"domains": domains, "attributes": {"hair": ["long hair"]}})
    )
    return tmp_path


def test_reading(folder):
    assert read_vocabulary(folder, "toy") == {
        "domains": {"ink": ("ink drawing", "pen drawing"), "elf": ("elf", "person with elf ears")},
        "attributes": {"hair": ("long hair",)},
    }
    (folder / "vocabulary.json").write_text('{"domains": {}}')
    assert read_vocabulary(folder, "toy") == {"domains": {}, "attributes": {}}
    (folder / "vocabulary.json").unlink()
    assert read_vocabulary(folder, "toy") is None


@pytest.mark.parametrize(
    "plain", ['{"attributes": {}}', '{"domains": [1]}', '{"domains": {}, "attributes": {"a": "b"}}']
)
def test_what_is_not_valid_is_refused(folder, plain):
    (folder / "vocabulary.json").write_text(plain)
    with pytest.raises(
        EncoderError, match=r"the vocabulary\.json of toy is not valid; expected .* lists of phrases"
    ):
        read_vocabulary(folder, "toy")


def test_phrases_are_found_by_the_beginning_of_a_word(folder):
    everything = find_phrases([str(folder)])
    assert everything == read_vocabulary(folder, "toy")
    assert find_phrases([str(folder)], "Dr")["domains"] == {"ink": ("ink drawing", "pen drawing")}
    found = find_phrases([str(folder)], "e")
    assert found == {"domains": {"elf": ("elf", "person with elf ears")}, "attributes": {}}
    assert find_phrases([str(folder), str(folder)]) == everything


def test_an_unknown_prefix_is_asked_back(folder):
    with pytest.raises(InputError, match=r"word begins with 'drawign' \(did you mean 'drawing'\?\)"):
        find_phrases([str(folder)], "drawign")


def test_an_encoder_without_a_list(folder):
    (folder / "vocabulary.json").unlink()
    for encoder in (str(folder), "openai/clip-vit-base-patch32"):
        with pytest.raises(InputError, match=r"has no vocabulary\.json, so nothing lists what it was taught"):
            find_phrases([encoder])
    with pytest.raises(EncoderError, match="no encoder 'nope'"):
        find_phrases(["nope"])


def test_the_bundled_encoders_say_what_they_know():
    assert bundled_encoders() == ["faces-clip", "faces-clip-robust"]
    found = find_phrases(bundled_encoders())
    assert len(found["domains"]) == 26 and "pencil sketch" in found["domains"]["pencil_sketch"]
    assert found == find_phrases(["faces-clip"])
