"""The source side, computed once for all domains of a generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adaptation_toys import CountingEncoder, ToyEncoder, toy_generator

import domainvec as dv
from domainvec.adaptation import Adversary
from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sources"


@pytest.mark.parametrize(("guidance", "looks"), [(PUBLISHED, 1), (FACES, 3)], ids=["published", "robust"])
def test_second_domain_reads_what_the_first_computed(
    cache: Path, guidance: dv.guidance.Guidance, looks: int
) -> None:
    generator = toy_generator(32)
    encoders = [CountingEncoder(0), CountingEncoder(1)]
    options = {"guidance": guidance, "steps": 6, "batch_size": 3, "source_pool": 10, "style_mixing": 0.5}
    first = dv.adapt(generator, encoders, "red", **options)
    (file,) = cache.iterdir()
    written = file.read_bytes()
    counts = [encoder.num_encoded for encoder in encoders]
    second = dv.adapt(generator, encoders, "red", **options)
    for encoder, count in zip(encoders, counts, strict=True):
        assert encoder.num_encoded == 2 * count - 10 * looks  # each of the pool once in all
    assert [record["loss"] for record in first.history] == [record["loss"] for record in second.history]
    assert torch.equal(first.domain.vector, second.domain.vector)
    dv.adapt(generator, encoders, "blue", seed=3, **options)
    assert file.read_bytes() == written and len(list(cache.iterdir())) == 1


def test_loss_is_that_of_the_same_latents_without_a_pool(cache: Path) -> None:
    from domainvec.guidance import Objective

    images, others = torch.rand(2, 3, 3, 16, 16).unbind()
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    objective = Objective(encoders, PUBLISHED, "red", "a photo")
    rng = torch.Generator()
    plain, _ = objective(images, others, generator=rng)
    seen = objective.viewer.see(None, generator=rng, looks=objective.viewer.look(others, generator=rng))
    assert torch.equal(plain, objective.compare(images, seen)[0])
    with pytest.raises(InputError, match="compares source pictures; pass source_images"):
        objective.viewer.see(None, generator=rng)
    robust = Objective(encoders, FACES, "red", "a photo")
    with pytest.raises(InputError, match="compares source pictures"):
        robust.viewer.see(None, generator=rng, looks=robust.viewer.look(others, generator=rng))


@pytest.mark.parametrize("changes", [{}, {"in_domain_angle": 0.0}, {"independent_views": False}])
def test_robust_loss_is_that_of_pictures_looked_at_before(changes: dict[str, object]) -> None:
    from domainvec.guidance import Objective

    images, others = torch.rand(2, 3, 3, 32, 32).unbind()
    objective = Objective([ToyEncoder(0), ToyEncoder(1)], replace(FACES, **changes), "red", "a photo")
    before, now = (torch.Generator().manual_seed(1) for _ in range(2))
    plain = objective.viewer.see(others, generator=now)
    looks = objective.viewer.look(others, generator=before)
    # Views that may differ are known, so that the pictures' own come first; others are drawn again.
    again = before if objective.guidance.independent_views else torch.Generator().manual_seed(1)
    known = objective.viewer.see(others, generator=again, looks=looks)
    assert torch.equal(plain.generator_state, known.generator_state)
    for expected, found in zip(plain.embeddings, known.embeddings, strict=True):
        torch.testing.assert_close(torch.stack(found), torch.stack(expected))
    losses = [objective.compare(images, seen, domain_l2=torch.zeros(()))[0] for seen in (plain, known)]
    torch.testing.assert_close(losses[0], losses[1])


def test_another_generator_encoder_or_setting_has_another_pool(cache: Path) -> None:
    options = {"steps": 2, "batch_size": 2, "source_pool": 4}
    dv.adapt(toy_generator(), ToyEncoder(0), "red", **options)
    dv.adapt(toy_generator(seed=1), ToyEncoder(0), "red", **options)
    dv.adapt(toy_generator(), ToyEncoder(1), "red", **options)
    dv.adapt(toy_generator(), ToyEncoder(0), "red", **options, truncation_psi=0.7)
    other_noise = toy_generator()
    other_noise.synthesis.convs[0].noise.add_(1)
    dv.adapt(other_noise, ToyEncoder(0), "red", **options)
    assert len(list(cache.iterdir())) == 5


def test_broken_file_is_made_anew(cache: Path) -> None:
    def adapt() -> torch.Tensor:
        return dv.adapt(
            toy_generator(), ToyEncoder(), "red", steps=3, batch_size=2, source_pool=5
        ).domain.vector

    first = adapt()
    (file,) = cache.iterdir()
    file.write_bytes(b"broken")
    assert torch.equal(adapt(), first)
    assert file.stat().st_size > 100


def test_a_cache_that_cannot_be_written_to_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="the source pool cannot be kept in .*: the next run will compute"):
        result = dv.adapt(toy_generator(), ToyEncoder(), "red", steps=2, batch_size=2, source_pool=4)
    assert result.domain.vector.any()


def test_a_full_disk_costs_no_result(tmp_path: Path, full_disk) -> None:
    options = {"steps": 2, "batch_size": 2, "source_pool": 4}
    encoder = ToyEncoder(guidance=FACES)  # which has the pool keep pictures
    with full_disk(), pytest.warns(UserWarning, match="the source pool cannot be kept in .*File too large"):
        result = dv.adapt(toy_generator(32), encoder, "red", **options)
    assert result.domain.vector.any()


def test_robust_guidance_has_a_pool_unless_noise_is_random_and_published_has_none(cache: Path) -> None:
    options = {"guidance": replace(FACES, edges=0.0), "steps": 1, "batch_size": 2}
    assert dv.adapt(toy_generator(), ToyEncoder(), "red", **options).settings.source_pool == 256
    random = dv.adapt(toy_generator(), ToyEncoder(), "red", noise="random", **options)
    assert random.settings.source_pool == 0
    assert dv.adapt(toy_generator(), ToyEncoder(), "red", steps=1, batch_size=2).settings.source_pool == 0


def test_pictures_draw_from_the_pool_of_the_texts(cache: Path) -> None:
    generator, encoder = toy_generator(32), CountingEncoder(guidance=FACES)
    options = {"steps": 2, "batch_size": 4, "source_pool": 8, "seed": 1}
    dv.adapt(generator, encoder, "red", **options)
    (file,) = cache.iterdir()
    written = file.read_bytes()
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    latents = generator.mapping(torch.randn(4, 8)).detach()

    def picture(seed: int = 1) -> dv.AdaptationResult:
        return dv.adapt_to_image(
            generator, encoder, pictures[:1], inverted=latents[:1], **options | {"seed": seed}
        )

    def several() -> dv.AdaptationResult:
        return dv.adapt_to_images(generator, pictures, encoder, inverted=latents, **options)

    for adapt in (picture, several):
        encoder.num_encoded = 0
        first = adapt()
        count = encoder.num_encoded
        assert first.settings.source_pool == 8
        assert list(cache.iterdir()) == [file] and file.read_bytes() == written
        file.unlink()
        encoder.num_encoded = 0
        assert torch.equal(adapt().domain.vector, first.domain.vector)
        assert encoder.num_encoded == count + 8 * 3  # Whole, and two views, of each of the pool.
        assert file.read_bytes() == written
    assert not torch.equal(picture(seed=2).domain.vector, picture().domain.vector)
    assert list(cache.iterdir()) == [file]


def test_a_discriminator_alone_draws_from_a_pool_beside_encoders_that_do_not_look(cache: Path) -> None:
    pictures = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
    options = {"adversary": Adversary(warmup_steps=1), "steps": 3, "batch_size": 4, "source_pool": 4}
    result = dv.adapt_to_images(toy_generator(), pictures, ToyEncoder(), **options)
    assert result.domain.vector.any()
    assert len(list(cache.iterdir())) == 1


def test_several_pictures_without_an_encoder_have_a_pool_of_pictures(cache: Path) -> None:
    pictures = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
    adversary = Adversary(warmup_steps=1, edges=0.0, tones=0.5, changed=0.5)
    options = {"adversary": adversary, "steps": 3, "batch_size": 4, "source_pool": 4}
    first, second = (dv.adapt_to_images(toy_generator(), pictures, **options) for _ in range(2))
    assert torch.equal(first.domain.vector, second.domain.vector)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_pool": -1}, "source_pool is -1, expected a whole number from 0"),
        ({"source_pool": 4, "noise": "random"}, "source_pool keeps pictures, but noise is 'random'"),
    ],
)
def test_what_a_pool_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dv.adapt(toy_generator(), ToyEncoder(), "red", steps=1, **options)
