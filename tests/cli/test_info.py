import json
import re

import pytest
import torch

from domainvec.domains import Domain


@pytest.mark.parametrize("file", ["", "model.safetensors"])
def test_a_generator(run, tiny_generator, tiny_generator_folder, file):
    code, out, err = run("info", tiny_generator_folder / file, "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert facts["kind"] == "checkpoint"
    assert facts["generator"]["resolution"] == 16
    assert facts["generator"]["conv_channels"] == list(tiny_generator.conv_channels)
    assert facts["generator"]["domain_size"] == sum(tiny_generator.conv_channels)
    rgb = tiny_generator.rgb_channels
    with_rgb = sum(tiny_generator.conv_channels) + sum(rgb) + 3 * len(rgb)
    assert facts["generator"]["domain_size_with_rgb"] == with_rgb
    assert facts["generator"]["fingerprint"] == tiny_generator.fingerprint


def test_a_domain(run, tmp_path):
    path = tmp_path / "sketch.safetensors"
    Domain([torch.full((4,), 0.5)] * 3, {"target": "a sketch"}, rgb_bias=[torch.zeros(3)]).save(path)
    code, out, _ = run("info", path, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["kind"] == "domain"
    assert facts["size"] == 15
    assert facts["widths"] == {"offsets": [4, 4, 4], "rgb_bias": [3]}
    assert facts["bytes"] == path.stat().st_size
    assert facts["metadata"]["target"] == "a sketch"


def test_several_texts_are_told_apart(run, tmp_path):
    Domain([torch.zeros(4)], {"target": ["a zombie", "an undead"]}).save(tmp_path / "x.safetensors")
    assert "a zombie, an undead" in run("info", tmp_path / "x.safetensors")[1]


def test_an_encoder(run, tiny_encoder_folder):
    code, out, _ = run("info", tiny_encoder_folder, "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["kind"], facts["image_size"], facts["embedding_dim"]) == ("encoder", 16, 12)


def test_words_for_people(run, tmp_path, tiny_generator_folder):
    path = tmp_path / "mix.safetensors"
    a = Domain([torch.ones(1000)], {"target": "a sketch", "settings": {"steps": 5}})
    b = Domain([torch.ones(1000)], {"target": "a zombie", "settings": {"steps": 5}})
    (0.5 * a + 2 * b).save(path)
    _, out, _ = run("info", path)
    assert "size              1,000\n" in out
    assert "{" not in out
    _, out, _ = run("info", path, "--json")
    assert json.loads(out)["metadata"]["mix"][1]["domain"]["settings"] == {"steps": 5}
    _, out, _ = run("info", tiny_generator_folder)
    assert re.search(r"conv_channels +8 8 8 8 8\n", out)
    assert "None" not in out


def test_a_mix_is_told_in_a_line_for_each_part(run, tmp_path):
    about = [
        {"target": "a sketch", "settings": {"steps": 5}},
        {"target": ["a zombie", "an undead"]},
        {"image": {"name": "style.png", "digest": "0"}},
        {"images": {"names": ["a.png", "b.png", "c.png", "d.png"]}},
        {"image": "something else"},
    ]
    domains = [Domain([torch.ones(4)], metadata) for metadata in about]
    sum(((0.25 * domain) for domain in domains[1:]), 0.7 * domains[0]).save(tmp_path / "x.safetensors")
    _, out, _ = run("info", tmp_path / "x.safetensors")
    assert out.endswith(
        "  mix\n"
        "    0.7 × a sketch\n"
        "    0.25 × a zombie, an undead\n"
        "    0.25 × style.png\n"
        "    0.25 × a.png, b.png, … (4)\n"
        "    0.25 × a domain that does not name its target\n"
    )
    assert len(out.splitlines()) < 20


def test_a_broken_file_says_what_is_wrong(run, tmp_path):
    path = tmp_path / "broken.safetensors"
    Domain([torch.ones(100)]).save(path)
    path.write_bytes(path.read_bytes()[:-10])
    code, out, err = run("info", path)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {path}: ")
