import pytest
import torch

from domainvec.domains import Domain
from domainvec.errors import InputError, ShapeError
from domainvec.samples import draw
from domainvec.seeds import latents


def test_pictures_are_those_of_their_seeds(tiny_generator):
    z = latents([5, 2], tiny_generator.z_dim)
    expected = tiny_generator.synthesis(tiny_generator.mapping(z, truncation_psi=0.5))
    torch.testing.assert_close(draw(tiny_generator, [5, 2], truncation_psi=0.5), expected.clamp(-1, 1))


def test_a_picture_does_not_depend_on_how_many_are_drawn_at_once(tiny_generator, monkeypatch):
    together = draw(tiny_generator, range(5))
    monkeypatch.setattr("domainvec.stylegan2.network._PIXELS_AT_ONCE", 2 * 16 * 16)
    torch.testing.assert_close(draw(tiny_generator, range(5)), together)


def test_a_domain_changes_them_and_zeros_do_not(tiny_generator):
    zero = Domain([torch.zeros(width) for width in tiny_generator.conv_channels])
    other = Domain([torch.ones(width) for width in tiny_generator.conv_channels])
    plain = draw(tiny_generator, [1, 2])
    assert torch.equal(draw(tiny_generator, [1, 2], zero), plain)
    assert not torch.allclose(draw(tiny_generator, [1, 2], other), plain)


def test_what_cannot_be_drawn_is_said(tiny_generator):
    with pytest.raises(InputError, match="no seeds"):
        draw(tiny_generator, [])
    with pytest.raises(InputError, match="truncation"):
        draw(tiny_generator, [1], truncation_psi=float("nan"))
    with pytest.raises(ShapeError):
        draw(tiny_generator, [1], Domain([torch.zeros(3)]))
