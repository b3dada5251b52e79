from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from adaptation_toys import ToyEncoder, toy_generator

from domainvec.stylegan2 import Generator


@pytest.fixture
def generator() -> Generator:
    return toy_generator()


@pytest.fixture
def encoder() -> ToyEncoder:
    return ToyEncoder()
