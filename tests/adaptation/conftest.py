from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from adaptation_toys import ToyEncoder, toy_generator

from domainvec.stylegan2 import Generator


@pytest.fixture
def generator() -> Generator:
    return toy_generator()


@pytest.fixture
def encoder() -> ToyEncoder:
    return ToyEncoder()


@pytest.fixture
def picture() -> torch.Tensor:
    """Pixels of one picture, (3, 16, 16)."""
    return torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.fixture
def few() -> torch.Tensor:
    """Pixels of a few bright pictures, (6, 3, 16, 16)."""
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 0.4 + 0.5
