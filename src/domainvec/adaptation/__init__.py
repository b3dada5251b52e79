"""Adaptation: from a frozen generator and an encoder to a domain."""

from __future__ import annotations

from domainvec.adaptation.pictures import before_after, previews
from domainvec.adaptation.presets import PUBLISHED_TRAINING, ROBUST_TRAINING, Training, default_training
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.text import adapt

__all__ = [
    "PUBLISHED_TRAINING",
    "ROBUST_TRAINING",
    "AdaptationResult",
    "AdaptationSettings",
    "Training",
    "adapt",
    "before_after",
    "default_training",
    "previews",
]
