from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from domainvec.domains import Domain
from domainvec.domains.provenance import target_texts
from domainvec.encoders import Encoder
from domainvec.errors import InputError
from domainvec.evaluation import (
    Candidate,
    PictureFolder,
    Sampling,
    domain_accuracy,
    embedding_diversity,
    frechet_distance,
    identity,
    kernel_distance,
    measure_domains,
    text_quality,
)
from domainvec.evaluation.measurement import guided
from domainvec.images import from_uint8, save_png, to_uint8
from domainvec.seeds import latents


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder):
    return Encoder.from_pretrained(tiny_encoder_folder)


@pytest.fixture(autouse=True)
def without_torch_fidelity(monkeypatch):
    for name in ("feature_extractor_inceptionv3", "sample_similarity_lpips"):
        monkeypatch.setitem(sys.modules, f"torch_fidelity.{name}", None)


@pytest.fixture(scope="module")
def sketch(tiny_generator):
    rng = torch.Generator().manual_seed(5)
    offsets = [0.3 * torch.randn(width, generator=rng) for width in tiny_generator.conv_channels]
    return Domain(offsets, {"target": "a sketch", "source": "a photo"})


@pytest.fixture(scope="module")
def pictures(tiny_generator, sketch):
    """The sampled images before and after adaptation, quantized as in a file."""
    with torch.no_grad():
        w = tiny_generator.mapping(latents(range(3, 13), tiny_generator.z_dim))
        return [from_uint8(to_uint8(tiny_generator.synthesis(w, domain))) for domain in (None, sketch)]


@pytest.fixture
def reference(tmp_path, normal):
    for index, picture in enumerate(normal(9, 3, 16, 16)):
        save_png(picture, tmp_path / f"{index}.png")
    return PictureFolder.read(tmp_path)


def measure(generator, *domains, texts=(), ground_truth=None, sampling=None, **options):
    candidates = [
        Candidate(f"domain {index}", domain, ground_truth=ground_truth, texts=texts)
        for index, domain in enumerate(domains)
    ]
    sampling = Sampling(**{"samples": 10, "seed": 3, **(sampling or {})})
    return measure_domains(generator, candidates, sampling=sampling, **options)


def test_values_match_the_metrics(tiny_generator, sketch, encoder, pictures, reference):
    evaluation = measure(
        tiny_generator, sketch, encoder=encoder, reference=reference, texts=["a zombie"], templates=["{}"]
    )
    (row,) = evaluation.domains
    before, adapted = (encoder.encode_images(part) for part in pictures)
    text = encoder.encode_texts(["a zombie"])
    theirs = encoder.encode_images(torch.cat([part.div(127.5).sub(1) for part in reference.pictures(16, 9)]))
    assert row.values["quality"].value == pytest.approx(text_quality(adapted, text).value, abs=1e-5)
    assert row.before["quality"] == pytest.approx(text_quality(before, text).value, abs=1e-5)
    assert row.values["diversity"].value == pytest.approx(embedding_diversity(adapted).value, abs=1e-5)
    assert row.before["diversity"] == pytest.approx(embedding_diversity(before).value, abs=1e-5)
    assert row.values["frechet"].value == pytest.approx(frechet_distance(adapted, theirs), abs=1e-5)
    assert row.before["frechet"] == pytest.approx(frechet_distance(before, theirs), abs=1e-5)
    assert row.values["kernel"].value == pytest.approx(kernel_distance(adapted, theirs), abs=1e-5)
    assert row.parameters == sketch.size and row.bytes is None and row.seconds > 0
    assert set(row.values) == {"quality", "diversity", "frechet", "kernel"}
    assert [metric.key for metric in evaluation.measured] == ["quality", "diversity", "frechet", "kernel"]
    assert evaluation.settings["features"] == f"the encoder {encoder.name}"
    assert evaluation.settings["reference_pictures"] == 9
    assert any("not FID and KID" in note for note in evaluation.notes)
    assert any("features of 12 dimensions" in note for note in evaluation.notes)
    assert any("LPIPS was left out" in note for note in evaluation.notes)


def test_the_batch_size_does_not_matter(tiny_generator, sketch, encoder):
    first, second = (
        measure(tiny_generator, sketch, encoder=encoder, sampling={"batch_size": size}).domains[0]
        for size in (3, 10)
    )
    assert first.values["diversity"].value == pytest.approx(second.values["diversity"].value, abs=1e-4)


def test_a_zero_domain_changes_nothing(tiny_generator, sketch, encoder, reference):
    (row,) = measure(tiny_generator, 0 * sketch, encoder=encoder, reference=reference).domains
    for key in ("diversity", "frechet", "kernel", "quality"):
        assert row.values[key].value == row.before[key]
    assert row.target == ("a sketch",)  # of a file that was made weaker


def test_inception_if_available(tiny_generator, sketch, reference, monkeypatch):
    def load(device):
        return lambda pictures: pictures.float().mean((2, 3))

    monkeypatch.setattr("domainvec.evaluation.extractors.inception_features", load)
    evaluation = measure(tiny_generator, sketch, reference=reference)
    assert "Inception" in evaluation.settings["features"]
    assert evaluation.domains[0].values["frechet"].value > 0
    assert not any("FID" in note for note in evaluation.notes)


def test_lpips_if_available(tiny_generator, sketch, pictures, monkeypatch):
    def load(device):
        return lambda first, second: (first.float() - second.float()).abs().mean((1, 2, 3))

    monkeypatch.setattr("domainvec.evaluation.extractors.lpips_distance", load)
    (row,) = measure(tiny_generator, sketch, sampling={"batch_size": 4}).domains
    adapted = pictures[1] * 127.5
    expected = (adapted - adapted.roll(1, 0)).abs().mean()
    assert row.values["lpips"].value == pytest.approx(expected.item(), abs=1e-3)
    (row,) = measure(tiny_generator, sketch, lpips=False).domains
    assert "lpips" not in row.values


def test_unavailable_features(tiny_generator, sketch, reference):
    with pytest.raises(InputError, match="no features to compare"):
        measure(tiny_generator, sketch, reference=reference)
    with pytest.raises(InputError, match=r"domainvec\[metrics\]"):
        measure(tiny_generator, sketch, reference=reference, features="inception")


@pytest.fixture
def of_faces(monkeypatch):
    monkeypatch.setattr(
        "domainvec.evaluation.measurement.shares_face_latents", lambda generator, renderer: True
    )


@pytest.fixture(scope="module")
def renderer(sketch):
    """A renderer that is unrelated to the tiny generator."""

    def draw(z, name, resolution):
        rng = torch.Generator().manual_seed(len(name))
        return (z[:, :3, None, None] + torch.randn(3, resolution, resolution, generator=rng)).tanh()

    return draw


def test_the_judge_evaluates_face_generators(tiny_generator, sketch, judge, pictures, renderer, of_faces):
    evaluation = measure(tiny_generator, sketch, judge=judge, renderer=renderer)
    (row,) = evaluation.domains
    assert row.values["identity"] == identity(judge, *pictures).agreement
    assert row.values["accuracy"] == domain_accuracy(judge, pictures[1], "sketch").accuracy  # of its target
    assert row.before["accuracy"] == domain_accuracy(judge, pictures[0], "sketch").accuracy.value
    assert sum(row.seen_as.values()) <= 1 and set(row.seen_as) <= set(judge.names)
    assert set(row.identity_by_question) == {"glasses", "smile"}
    assert row.report is None and row.rendering_values == {}


def test_unknown_targets_have_no_accuracy(tiny_generator, sketch, judge, renderer, of_faces):
    (row,) = measure(tiny_generator, sketch, judge=judge, renderer=renderer, texts=["a gouache"]).domains
    assert "accuracy" not in row.values and "identity" in row.values


def test_an_unreadable_judge_is_left_out_unless_required(tiny_generator, sketch, of_faces, monkeypatch):
    from domainvec.errors import CheckpointError

    def fail():
        raise CheckpointError("no judge")

    monkeypatch.setattr("domainvec.evaluation.measurement.Judge.from_pretrained", fail)
    evaluation = measure(tiny_generator, sketch)
    assert "the judge was left out: no judge" in evaluation.notes
    assert evaluation.settings["judge"] is None
    with pytest.raises(CheckpointError, match="no judge"):
        measure(tiny_generator, sketch, ground_truth="zombie")


@pytest.fixture
def known_pairs(monkeypatch):
    from domainvec.evaluation import FacePairs

    def known(generator, seed, count, **options):
        z = latents(range(seed, seed + count), 64)
        return FacePairs(generator.mapping(z[:, :8]), z)

    monkeypatch.setattr("domainvec.evaluation.measurement.find_pairs", known)


def test_renderings_and_reference_images_are_shown(
    tiny_generator, sketch, judge, renderer, reference, known_pairs, of_faces
):
    options = {"judge": judge, "renderer": renderer, "ground_truth": "sketch", "features": "judge"}
    evaluation = measure(tiny_generator, sketch, reference=reference, **options)
    (row,) = evaluation.domains
    truth = renderer(latents(range(3, 13), 8), "sketch", 16)
    assert torch.equal(row.renderings, truth.mul(127.5).add(127.5).round().to(torch.uint8))
    assert torch.equal(evaluation.reference, torch.cat(list(reference.pictures(16, 4))))
    (row,) = measure(
        tiny_generator, sketch, sampling={"truncation": 0.5}, **options | {"features": "auto"}
    ).domains
    assert row.renderings is None  # Their faces are others.


def test_a_ground_truth_adds_the_report(tiny_generator, sketch, judge, renderer, known_pairs):
    evaluation = measure(
        tiny_generator, sketch, 0.5 * sketch, judge=judge, renderer=renderer, ground_truth="sketch"
    )
    for row in evaluation.domains:
        assert row.report.name == "sketch" and row.report.count == 10
        assert row.renderings is None  # The generator knows nothing of this renderer's faces.
        assert row.rendering_values["identity"] == row.report.identity.agreement
        assert row.rendering_bounds["frechet"] == row.report.frechet_floor
    assert evaluation.domains[1].report.paired_distance != evaluation.domains[0].report.paired_distance
    plain = json.loads(json.dumps(evaluation.to_dict()))
    assert plain["domains"][0]["report"]["name"] == "sketch"
    assert plain["domains"][0]["identity"]["value"] == evaluation.domains[0].values["identity"].value
    with pytest.raises(InputError, match="knows no domain 'vampire'"):
        measure(tiny_generator, sketch, judge=judge, renderer=renderer, ground_truth="vampire")


def test_a_guiding_encoder_is_reported(tiny_generator, sketch, encoder):
    mixed = 0.5 * sketch + 0.5 * sketch.with_metadata(
        {"encoders": [{"name": "x", "fingerprint": encoder.fingerprint}]}
    )
    evaluation = measure(tiny_generator, sketch, mixed, encoder=encoder)
    fresh, partly = evaluation.domains
    assert not fresh.guided_by_encoder and not fresh.notes
    assert partly.guided_by_encoder
    assert evaluation.encoder == f"{encoder.name}, which also guided domain 1"
    assert any("no single target text" in note for note in partly.notes)
    assert "quality" not in partly.values and "diversity" in partly.values


@pytest.mark.parametrize(
    ("encoders", "expected"),
    [
        ([{"name": "NAME", "fingerprint": "another"}], False),
        ([{"name": "NAME"}], True),
        ([{"name": "another"}], False),
        (["NAME", 3, None, []], False),
        ("NAME", False),
        (None, False),
    ],
)
def test_metadata_of_encoders_is_untrusted(encoder, encoders, expected):
    text = json.dumps({"encoders": encoders}).replace("NAME", encoder.name)
    assert guided(encoder, json.loads(text)) is expected


@pytest.mark.parametrize(
    ("metadata", "texts"),
    [
        ({"target": "a sketch"}, ("a sketch",)),
        ({"target": ["a sketch", "a drawing", 3, " "]}, ("a sketch", "a drawing")),
        ({"mix": [{"weight": 0.5, "domain": {"target": "a sketch"}}]}, ("a sketch",)),
        ({"mix": [{"weight": 0.5, "domain": {"target": "a"}}] * 2, "target": None}, ()),
        ({"target": {"a": 1}}, ()),
        ({"target": "\ud800"}, ("?",)),
        ({}, ()),
    ],
)
def test_target_texts(metadata, texts):
    assert target_texts(metadata) == texts


def test_a_domain_of_pictures_has_no_quality_and_needs_no_note(tiny_generator, sketch, encoder):
    pictures = sketch.with_metadata({"images": {"count": 3}, "encoders": [{"name": encoder.name}]})
    evaluation = measure(tiny_generator, pictures, 0.5 * pictures, encoder=encoder, lpips=False)
    for row in evaluation.domains:
        assert row.target == () and row.notes == () and row.guided_by_encoder
        assert "quality" not in row.values and "diversity" in row.values
    assert evaluation.notes == ()


def test_unknown_words_are_noted_once(tiny_generator, sketch, encoder, recwarn):
    (row,) = measure(tiny_generator, sketch, encoder=encoder, texts=["a xylophone sketch"]).domains
    assert any("does not know 'xylophone'" in note for note in row.notes)
    assert not recwarn.list


def test_arguments_are_checked(tiny_generator, sketch):
    for options, says in [
        ({"samples": 7}, "samples is 7; expected at least 8"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"truncation": float("nan")}, "truncation must be"),
    ]:
        with pytest.raises(InputError, match=says):
            measure(tiny_generator, sketch, sampling=options)
    with pytest.raises(InputError, match="no domains"):
        measure(tiny_generator)


def test_large_images_are_downsampled(make_generator):
    generator = make_generator(512)
    domain = Domain([torch.zeros(width) for width in generator.conv_channels])
    (row,) = measure(generator, domain, sampling={"samples": 8, "batch_size": 4}).domains
    assert row.images.shape == (8, 3, 256, 256) and row.images.dtype == torch.uint8


def test_references_are_resampled(tiny_generator, sketch, encoder, tmp_path):
    for index in range(8):
        Image.new("RGB", (30 + index, 20), (index, 0, 0)).save(Path(tmp_path) / f"{index}.jpg")
    evaluation = measure(
        tiny_generator, sketch, encoder=encoder, reference=PictureFolder.read(tmp_path), features="encoder"
    )
    assert evaluation.domains[0].values["frechet"].value > 0
