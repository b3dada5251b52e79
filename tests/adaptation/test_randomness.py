from __future__ import annotations

import torch

from domainvec.adaptation.randomness import step_rng


def test_random_numbers_depend_on_seed_step_and_purpose_alone() -> None:
    def draw(*key: object) -> float:
        return torch.rand((), generator=step_rng(*key)).item()

    assert draw(0, 1, "views") == draw(0, 1, "views")
    assert (
        len({draw(seed, step, use) for seed in (0, 1) for step in (0, 11) for use in ("views", "noise")}) == 8
    )
