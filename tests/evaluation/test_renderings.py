"""Latents of the same faces for a generator and the renderer: inversion, pairs and their cache."""

from __future__ import annotations

import pytest
import torch

from domainvec.errors import CheckpointError, InputError, ShapeError
from domainvec.evaluation import face_attributes, find_pairs, render_faces
from domainvec.evaluation.reconstruction import reconstruct
from domainvec.evaluation.renderings import FACE_DIM, shares_face_latents
from domainvec.seeds import latents
from domainvec.stylegan2 import Generator, GeneratorConfig


@pytest.fixture(scope="module")
def aligned():
    """A generator with the latent size of the renderer."""
    torch.manual_seed(1)
    config = GeneratorConfig(resolution=16, z_dim=FACE_DIM, w_dim=16, mapping_layers=2, channels=(8, 8, 8))
    return Generator(config).requires_grad_(False).eval()


@pytest.fixture
def renderer(aligned):
    """A renderer that agrees with the generator, and counts the faces."""

    def draw(z, domain, resolution):
        draw.drawn += len(z)
        with torch.no_grad():
            return aligned(z) if domain == "photo" else -aligned(z)

    draw.drawn = 0
    return draw


def test_inversion_reconstructs_images_of_the_generator(tiny_generator, judge, normal):
    w = tiny_generator.mapping(normal(3, 8))
    images = tiny_generator.synthesis(w)
    mean = tiny_generator.synthesis(
        tiny_generator.mapping(normal(1000, 8)).mean(0, keepdim=True).expand(3, -1, -1)
    )
    with torch.no_grad():  # it needs gradients and turns them on itself
        found = reconstruct(tiny_generator, images, features=judge.features, steps=150)
    assert found.shape == w.shape and not found.requires_grad
    error, at_start = (
        (part - images).abs().mean().item() for part in (tiny_generator.synthesis(found), mean)
    )
    assert error < 0.3 * at_start


def test_images_are_inverted_independently(tiny_generator, normal):
    images = normal(2, 3, 16, 16)
    together = reconstruct(tiny_generator, images, steps=3)
    alone = torch.cat([reconstruct(tiny_generator, images[i : i + 1], steps=3) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-3)


def test_inversion_resamples_images(tiny_generator, normal):
    assert reconstruct(tiny_generator, normal(2, 3, 8, 8), steps=1).shape == (2, tiny_generator.num_ws, 8)


def test_inversion_checks_its_arguments(tiny_generator, normal):
    with pytest.raises(ShapeError, match=r"images have shape \(3, 16, 16\)"):
        reconstruct(tiny_generator, normal(3, 16, 16))
    with pytest.raises(InputError, match="steps is 0"):
        reconstruct(tiny_generator, normal(1, 3, 16, 16), steps=0)


def test_generators_that_share_latents_need_no_inversion(aligned, tiny_generator, renderer, tmp_path):
    assert shares_face_latents(aligned, renderer)
    assert not shares_face_latents(tiny_generator, renderer)
    assert not shares_face_latents(aligned, lambda z, *_: renderer(z.roll(1, 0), "photo", 16))
    pairs = find_pairs(aligned, 7, 5, tmp_path, renderer=renderer)
    torch.testing.assert_close(pairs.z, latents(range(7, 12), FACE_DIM))
    torch.testing.assert_close(pairs.w, aligned.mapping(pairs.z))
    assert len(pairs) == 5 and not list(tmp_path.iterdir())


def test_other_generators_are_inverted_once(tiny_generator, renderer, tmp_path):
    pairs = find_pairs(tiny_generator, 0, 18, tmp_path, steps=2, renderer=renderer)
    assert pairs.w.shape == (18, tiny_generator.num_ws, 8)
    assert len(list(tmp_path.iterdir())) == 1
    drawn = renderer.drawn
    again = find_pairs(tiny_generator, 0, 18, tmp_path, steps=2, renderer=renderer)
    assert renderer.drawn - drawn == 1  # the face that tells whether the renderer is the same
    torch.testing.assert_close(again.w, pairs.w, rtol=0, atol=0)
    fewer = find_pairs(tiny_generator, 0, 3, tmp_path, steps=2, renderer=renderer)
    torch.testing.assert_close(fewer.w, pairs.w[:3], rtol=0, atol=0)
    more = find_pairs(tiny_generator, 0, 20, tmp_path, steps=2, renderer=renderer)
    torch.testing.assert_close(more.w[:18], pairs.w, rtol=0, atol=0)


def test_interrupted_inversions_resume(tiny_generator, renderer, tmp_path):
    def interrupted(z, domain, resolution):
        if renderer.drawn > 10:
            raise KeyboardInterrupt
        return renderer(z, domain, resolution)

    with pytest.raises(KeyboardInterrupt):
        find_pairs(tiny_generator, 0, 20, tmp_path, steps=2, renderer=interrupted)
    assert len(list(tmp_path.iterdir())) == 1
    drawn = renderer.drawn
    resumed = find_pairs(tiny_generator, 0, 20, tmp_path, steps=2, renderer=renderer)
    assert renderer.drawn - drawn == 1 + 4
    whole = find_pairs(tiny_generator, 0, 20, steps=2, renderer=renderer)
    torch.testing.assert_close(resumed.w, whole.w)


def test_other_renderers_are_inverted_again(tiny_generator, renderer, tmp_path):
    find_pairs(tiny_generator, 0, 2, tmp_path, steps=1, renderer=renderer)
    find_pairs(tiny_generator, 0, 2, tmp_path, steps=1, renderer=lambda *each: -renderer(*each))
    find_pairs(tiny_generator, 5, 2, tmp_path, steps=1, renderer=renderer)
    assert len(list(tmp_path.iterdir())) == 3


def test_broken_caches_are_refused(tiny_generator, renderer, tmp_path):
    find_pairs(tiny_generator, 0, 2, tmp_path, steps=1, renderer=renderer)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match=r"cannot be read: .*; delete it"):
        find_pairs(tiny_generator, 0, 2, tmp_path, steps=1, renderer=renderer)
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2, 3, 4)}, file)
    with pytest.raises(CheckpointError, match="does not hold latents of this generator"):
        find_pairs(tiny_generator, 0, 2, tmp_path, steps=1, renderer=renderer)


def test_arguments_are_checked(tiny_generator, renderer):
    with pytest.raises(InputError, match="count is 0"):
        find_pairs(tiny_generator, 0, 0, renderer=renderer)
    with pytest.raises(InputError, match=r"expected \(N, 64\)"):
        render_faces(torch.zeros(2, 8), "photo")


def test_render_faces_uses_synthfaces(normal):
    synthfaces = pytest.importorskip("synthfaces")
    z = normal(2, FACE_DIM)
    drawings = render_faces(z, "zombie", 32)
    assert drawings.shape == (2, 3, 32, 32)
    torch.testing.assert_close(render_faces(4 * z, "zombie", 32), drawings, rtol=0, atol=0)
    face = synthfaces.Attributes.from_normal((z[0] / z[0].square().mean().sqrt()).double().numpy())
    expected = torch.from_numpy(synthfaces.draw(face, "zombie", 32)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(drawings[0], expected, rtol=0, atol=1e-6)


def test_attributes_of_faces_are_known():
    from synthfaces import QUESTIONS

    z = latents(range(40), FACE_DIM)
    smiles = face_attributes(z, "smile")
    assert len(smiles) == 40 and {"smiling", "serious", None} == set(smiles)
    assert set(face_attributes(z, "glasses")) <= set(QUESTIONS["glasses"].answers)
    # The scale of the noise does not matter, as in the drawings.
    assert face_attributes(3 * z, "smile") == smiles
    with pytest.raises(InputError, match=r"there is no question 'shoes'; there are gender, age"):
        face_attributes(z, "shoes")
    with pytest.raises(InputError, match=r"z has shape \(40, 10\)"):
        face_attributes(z[:, :10], "smile")
