from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

REFERENCE = Path(__file__).parents[1] / "data" / "reference" / "guidance.npz"


@pytest.fixture(scope="session")
def reference():
    """Embeddings and the values of the published losses on them."""
    with np.load(REFERENCE) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


@pytest.fixture
def normal():
    """Standard normal numbers of a shape, the same for the same seed."""
    return lambda *shape, seed=0: torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
