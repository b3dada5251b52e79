import pytest
import torch

from domainvec.errors import InputError
from domainvec.seeds import latents


def test_a_seed_does_not_depend_on_its_neighbours():
    together = latents([3, 1, 4, 1, 5], 32)
    assert together.shape == (5, 32)
    assert together.dtype == torch.float32
    for row, seed in zip(together, [3, 1, 4, 1, 5], strict=True):
        assert torch.equal(row, latents([seed], 32)[0])


def test_seeds_are_the_same_in_every_release():
    # What a user sees as face number 7 must stay that face.
    expected = torch.tensor([-0.1468, 0.7861, 0.9468, -1.1143])
    torch.testing.assert_close(latents([7], 4)[0], expected, atol=1e-4, rtol=0)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    latents(range(4), 8)
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_are_standard_normal():
    z = latents(range(500), 64)
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02


def test_no_seeds_are_no_rows():
    assert latents([], 8).shape == (0, 8)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(InputError, match=f"seed {seed} is out of range"):
        latents([0, seed], 8)
