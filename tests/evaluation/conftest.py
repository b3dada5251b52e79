from __future__ import annotations

import pytest
import torch

HEADS = {
    "medium": ("photo", "sketch", "neon"),
    "character": ("human", "zombie"),
    "mood": ("none", "sepia", "night"),
    "glasses": ("none", "glasses", "sunglasses"),
    "smile": ("serious", "smiling"),
}


@pytest.fixture(scope="session")
def judge():
    """A small random judge for images of 16 px."""
    from domainvec.evaluation import Judge

    torch.manual_seed(0)
    judge = Judge(HEADS, widths=(4, 6, 8), resolution=16)
    for _ in range(3):  # so that the running statistics are not the initial ones
        judge(torch.randn(8, 3, 16, 16))
    return judge.eval().requires_grad_(False)


@pytest.fixture
def images():
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def normal():
    """Seeded standard normal tensors."""
    return lambda *shape, seed=0: torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
