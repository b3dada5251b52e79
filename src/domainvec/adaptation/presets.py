"""How long and how fast to train, for each kind of guidance."""

from __future__ import annotations

from dataclasses import dataclass

from domainvec.guidance.settings import Guidance


@dataclass(frozen=True, kw_only=True)
class Training:
    """Defaults of an adaptation; each can be replaced by the argument of the same name of `adapt`."""

    parameterization: str
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    decay_fraction: float
    style_mixing: float


PUBLISHED_TRAINING = Training(
    parameterization="modulation",
    steps=300,
    batch_size=4,
    learning_rate=0.1,
    warmup_steps=0,
    decay_fraction=0.0,
    style_mixing=0.9,
)
"""A domain vector under text as HyperDomainNet (arXiv:2210.08884) trains it."""

ROBUST_TRAINING = Training(
    parameterization="modulation+rgb",
    steps=160,
    batch_size=8,
    learning_rate=0.05,
    warmup_steps=10,
    decay_fraction=0.4,
    style_mixing=0.0,
)
"""For small encoders: the noise of their random views asks for more pictures a step, and for a decay."""


def default_training(guidance: Guidance) -> Training:
    """Choose the training that suits a guidance: robust if it shows random views, else published."""
    return PUBLISHED_TRAINING if guidance.augmentation is None else ROBUST_TRAINING
