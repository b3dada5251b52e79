from __future__ import annotations

import numpy as np
import pytest
import torch
from adaptation_toys import toy_generator

from domainvec.adaptation import before_after
from domainvec.domains import Domain, modulation_rgb
from domainvec.errors import DomainError


def test_each_row_is_above_its_adapted_one(generator) -> None:
    zero = modulation_rgb(generator).detach()
    sheet = before_after(generator, zero, seeds=range(10))
    pixels = np.asarray(sheet)
    tile = 128 + 2
    assert sheet.size == (8 * tile - 2, 4 * tile - 2)
    rows = [pixels[row * tile : row * tile + 128] for row in range(4)]
    assert np.array_equal(rows[0], rows[1]) and np.array_equal(rows[2], rows[3])
    assert not np.array_equal(rows[0][:, :128], rows[2][:, :128])

    brighter = Domain(zero.offsets, rgb_bias=[torch.full((3,), 0.3) for _ in zero.rgb_bias])
    pixels = np.asarray(before_after(generator, brighter, seeds=[3])).astype(float)
    assert pixels[-128:].mean() > pixels[:128].mean()


def test_large_pictures_are_reduced() -> None:
    generator = toy_generator(512)
    assert before_after(generator, modulation_rgb(generator), seeds=[0]).size == (256, 514)


def test_domain_of_other_widths_is_refused(generator) -> None:
    with pytest.raises(DomainError, match="widths"):
        before_after(generator, Domain([torch.zeros(3)]))
