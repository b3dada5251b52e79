"""The source side, computed once for all domains of a generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adaptation_toys import (
    CountingEncoder,
    ToyEncoder,
    assert_equal_results,
    toy_discriminator,
    toy_generator,
)

import domainvec as dv
from domainvec.adaptation import DiscriminatorTraining, Inversion
from domainvec.adaptation import pictures as pictures_module
from domainvec.guidance import FACES, PUBLISHED, FewShotGuidance, Preservation


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sources"


def a_few(pictures: torch.Tensor, **options) -> dv.Pictures:
    return dv.Pictures(
        pictures,
        discriminator=toy_discriminator(),
        discriminator_training=DiscriminatorTraining(warmup_steps=1),
        **options,
    )


@pytest.mark.parametrize(("guidance", "looks"), [(PUBLISHED, 1), (FACES, 3)], ids=["published", "robust"])
def test_second_domain_reads_what_the_first_computed(cache: Path, guidance: dv.Guidance, looks: int) -> None:
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
    assert_equal_results(first, second)
    dv.adapt(generator, encoders, "blue", seed=3, **options)
    assert file.read_bytes() == written and len(list(cache.iterdir())) == 1


def test_a_pool_holds_what_the_encoders_see_of_its_latents(cache: Path) -> None:
    generator, encoders = toy_generator(), [ToyEncoder(0), ToyEncoder(1)]
    training = dv.Training(source_pool=6, batch_size=3, precision="float32")
    sources = dv.Session(generator, encoders, dv.Text("red"), training=training).sources
    for step in range(4):
        w, source = sources.at(step)
        assert source.images is None and len(w) == 3
        images = generator.synthesis(w)
        for encoder, whole, (view,) in zip(encoders, source.whole, source.views, strict=True):
            assert view is whole and not whole.requires_grad
            torch.testing.assert_close(whole, encoder.encode_images(images), atol=1e-5, rtol=1e-5)


def test_each_pass_over_the_pool_has_another_order(cache: Path) -> None:
    training = dv.Training(source_pool=4, batch_size=2, steps=8)
    sources = dv.Session(toy_generator(), ToyEncoder(), dv.Text("red"), training=training).sources
    drawn = [sources.at(step)[0] for step in range(8)]
    passes = [torch.cat(drawn[first : first + 2])[:, 0] for first in range(0, 8, 2)]
    for latents in passes:
        assert len(latents.unique(dim=0)) == 4
        assert torch.equal(latents.unique(dim=0), passes[0].unique(dim=0))
    assert any(not torch.equal(latents, passes[0]) for latents in passes[1:])


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
    with pytest.warns(
        UserWarning, match="the source pool cannot be kept in .*so the next run will compute it"
    ):
        result = dv.adapt(toy_generator(), ToyEncoder(), "red", steps=2, batch_size=2, source_pool=4)
    assert result.domain.vector.any()


def test_a_full_disk_costs_no_result(full_disk) -> None:
    options = {"steps": 2, "batch_size": 2, "source_pool": 4}
    encoder = ToyEncoder(guidance=FACES)  # which has the pool keep images
    with full_disk(), pytest.warns(UserWarning, match="the source pool cannot be kept in .*File too large"):
        result = dv.adapt(toy_generator(32), encoder, "red", **options)
    assert result.domain.vector.any()


def test_robust_guidance_has_a_pool_unless_noise_is_random_and_published_has_none() -> None:
    options = {
        "guidance": replace(FACES, preservation=replace(FACES.preservation, edges=0.0, orientation=0.0)),
        "steps": 1,
        "batch_size": 2,
    }
    assert dv.adapt(toy_generator(), ToyEncoder(), "red", **options).training.source_pool == 256
    random = dv.adapt(toy_generator(), ToyEncoder(), "red", noise="random", **options)
    assert random.training.source_pool == 0
    assert dv.adapt(toy_generator(), ToyEncoder(), "red", steps=1, batch_size=2).training.source_pool == 0


def test_pictures_draw_from_the_pool_of_the_texts(cache: Path, monkeypatch) -> None:
    monkeypatch.setattr(pictures_module, "REINVERSION", Inversion(steps=2))
    generator, encoder = toy_generator(32), CountingEncoder(guidance=FACES)
    options = {"steps": 2, "batch_size": 4, "source_pool": 8, "seed": 1}
    dv.adapt(generator, encoder, "red", **options)
    (file,) = cache.iterdir()
    written = file.read_bytes()
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    latents = generator.mapping(torch.randn(4, 8)).detach()
    one = dv.Picture(pictures[:1], inverted=latents[:1])
    several = dv.Pictures(pictures, inverted=latents)
    for target in (one, several):
        encoder.num_encoded = 0
        first = dv.adapt(generator, encoder, target, **options)
        count = encoder.num_encoded
        assert first.training.source_pool == 8
        assert list(cache.iterdir()) == [file] and file.read_bytes() == written
        file.unlink()
        encoder.num_encoded = 0
        again = dv.adapt(generator, encoder, target, **options)
        assert torch.equal(again.domain.vector, first.domain.vector)
        assert encoder.num_encoded == count + 8 * 3  # Whole, and two views, of each of the pool.
        assert file.read_bytes() == written
    other = dv.adapt(generator, encoder, one, **options | {"seed": 2})
    assert not torch.equal(other.domain.vector, dv.adapt(generator, encoder, one, **options).domain.vector)
    assert list(cache.iterdir()) == [file]


def test_a_discriminator_alone_draws_from_a_pool_beside_encoders_that_do_not_look(cache: Path, few) -> None:
    encoder = CountingEncoder()
    options = {"steps": 3, "batch_size": 4, "source_pool": 4}
    result = dv.adapt(toy_generator(), encoder, a_few(few), **options)
    assert result.domain.vector.any() and encoder.num_encoded == 0
    assert len(list(cache.iterdir())) == 1


def test_several_pictures_without_an_encoder_have_a_pool_of_images(cache: Path, few) -> None:
    guidance = FewShotGuidance(preservation=Preservation(luminance=0.5, pixel_change=0.5))
    options = {"steps": 3, "batch_size": 4, "source_pool": 4}
    first, second = (
        dv.adapt(toy_generator(), [], a_few(few, guidance=guidance), **options) for _ in range(2)
    )
    assert torch.equal(first.domain.vector, second.domain.vector)
    assert len(list(cache.iterdir())) == 1
