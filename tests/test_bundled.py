"""The models that come with the package: there, small, described, and fit for what they are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import domainvec as dv
import synthfaces
from domainvec.cli.networks import load_networks
from domainvec.encoders import default_encoder_names
from domainvec.evaluation import Judge
from domainvec.guidance import default_guidance
from domainvec.images import from_uint8

BUNDLED = Path(dv.__file__).parent / "bundled"
NAMES = ["faces", "faces-128", "faces-clip", "faces-clip-robust", "faces-judge"]
ENCODERS = ["faces-clip", "faces-clip-robust"]
DOMAINS = ["photo", "pencil_sketch", "neon", "zombie", "clown"]


@pytest.fixture(scope="module", params=["faces", "faces-128"])
def generator(request: pytest.FixtureRequest) -> dv.Generator:
    return dv.Generator.from_pretrained(BUNDLED / request.param)


def draws(domain: str, count: int = 12, resolution: int = 64) -> torch.Tensor:
    faces = [synthfaces.sample(77, i) for i in range(count)]
    return from_uint8(synthfaces.draw_many(faces, domain, resolution))


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_half_precision_and_have_a_card(name: str) -> None:
    assert (BUNDLED / name / "model.safetensors").stat().st_size <= 12_000_000
    assert len((BUNDLED / name / "README.md").read_text()) > 300
    assert not [path for path in (BUNDLED / name).iterdir() if path.suffix in (".pt", ".pkl", ".bin")]


def test_generator_is_the_one_that_domain_files_name(generator: dv.Generator) -> None:
    assert generator.fingerprint == {64: "8194638904321357", 128: "e455b665de3ab569"}[generator.resolution]


def test_generator_draws_the_face_that_its_noise_means(generator: dv.Generator) -> None:
    """A sample is nearer to the true drawing of its own noise than to those of the others."""
    z = torch.randn(24, generator.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        samples = generator(z)
    normalised = (z / z.square().mean(1, keepdim=True).sqrt()).double().numpy()
    faces = [synthfaces.Attributes.from_normal(row) for row in normalised]
    truth = from_uint8(synthfaces.draw_many(faces, resolution=generator.resolution))
    distances = torch.cdist(samples.flatten(1), truth.flatten(1), p=1) / samples[0].numel()
    assert (distances.argmin(1) == torch.arange(24)).float().mean() > 0.9
    assert distances.diagonal().mean() < 0.08


def test_truncation_and_style_mixing_stay_faces(generator: dv.Generator) -> None:
    z = torch.randn(16, generator.z_dim, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        w = generator.mapping(z)
        mixed = torch.cat([w[:, :5], w.roll(1, 0)[:, 5:]], 1)
        pictures = [generator.synthesis(x) for x in (generator.mapping(z, truncation_psi=0.5), mixed)]
        judge = Judge.from_pretrained()
        for images in pictures:
            assert judge.domain_log_probabilities(images.clamp(-1, 1), ["photo"]).exp().mean() > 0.75


def test_the_discriminator_tells_samples_from_photos() -> None:
    folder = BUNDLED / "faces-128"
    assert (folder / "discriminator.safetensors").stat().st_size <= 8_000_000
    discriminator = dv.Discriminator.from_pretrained(folder)
    generator = dv.Generator.from_pretrained(folder)
    z = torch.randn(16, generator.z_dim, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        on_samples = discriminator(generator(z).clamp(-1, 1))
        on_photos = discriminator(draws("photo", 16, 128))
    assert (on_photos > on_samples.T).float().mean() > 0.6  # chance is 0.5


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_know_the_domains_by_name(name: str) -> None:
    encoder = dv.Encoder.from_pretrained(name)
    texts = encoder.encode_texts(
        [f"a {synthfaces.DOMAINS[domain].phrases[0]} of a face" for domain in DOMAINS]
    )
    with torch.no_grad():
        named = [(encoder.encode_images(draws(domain)) @ texts.T).argmax(1) for domain in DOMAINS]
    shares = [(labels == index).float().mean().item() for index, labels in enumerate(named)]
    assert np.mean(shares) > 0.85, dict(zip(DOMAINS, shares, strict=True))


def test_encoders_agree_on_the_guidance_that_suits_them() -> None:
    encoders = [dv.Encoder.from_pretrained(name) for name in ENCODERS]
    assert default_guidance(encoders).augmentation is not None
    assert encoders[0].fingerprint != encoders[1].fingerprint


def test_judge_names_the_domains() -> None:
    judge = Judge.from_pretrained()
    assert set(judge.names) == set(synthfaces.DOMAINS)
    for domain in ("pencil_sketch", "neon", "zombie", "clown"):
        with torch.no_grad():
            named = judge.domain_log_probabilities(draws(domain)).argmax(1)
        assert (named == judge.names.index(domain)).float().mean() > 0.9


def test_judge_reads_compositions_and_attributes() -> None:
    judge = Judge.from_pretrained()
    name = "pencil_sketch+zombie"
    faces = [synthfaces.sample(78, i) for i in range(24)]
    glasses = synthfaces.QUESTIONS["glasses"]
    with torch.no_grad():
        likely = judge.domain_log_probabilities(draws(name), [name, "pencil_sketch", "zombie", "photo"])
        read = judge.attributes(from_uint8(synthfaces.draw_many(faces)))["glasses"].argmax(1)
    assert (likely.argmax(1) == 0).float().mean() > 0.8
    told = torch.tensor([glasses.answers.index(str(glasses.read(face))) for face in faces])
    assert (read == told).float().mean() > 0.9


def test_a_few_steps_bring_the_sample_towards_the_text(generator: dv.Generator) -> None:
    encoder = dv.Encoder.from_pretrained("faces-clip")
    result = dv.adapt(generator, encoder, "a pencil sketch", steps=6, batch_size=4, warmup_steps=0)
    losses = [record["terms"]["direction"] for record in result.history]
    assert losses[-1] < losses[0]
    rgb = generator.rgb_channels
    assert result.domain.size == sum(generator.conv_channels) + sum(rgb) + 3 * len(rgb)


@pytest.mark.parametrize("name", ["faces", "faces-128"])
def test_bundled_generators_are_guided_by_bundled_encoders(name):
    generator = dv.Generator.from_pretrained(name)
    assert default_encoder_names(generator) == ("faces-clip", "faces-clip-robust")


def test_other_generators_are_guided_by_clip(tiny_generator):
    names = ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16")
    assert default_encoder_names(tiny_generator) == names


def test_the_larger_generator_has_a_discriminator():
    networks = load_networks("faces-128")
    assert networks.generator.resolution == networks.discriminator.config.resolution == 128
