"""Adaptation: from a frozen generator and an encoder to a domain."""

from __future__ import annotations

from domainvec.adaptation.adversary import Adversary
from domainvec.adaptation.image import adapt_to_image
from domainvec.adaptation.images import adapt_to_images, default_adversary
from domainvec.adaptation.inversion import Inversion, invert_into_source
from domainvec.adaptation.pictures import before_after, previews
from domainvec.adaptation.presets import PUBLISHED_TRAINING, ROBUST_TRAINING, Training, default_training
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.running import training_resolution
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.text import adapt, adapt_many

__all__ = [
    "PUBLISHED_TRAINING",
    "ROBUST_TRAINING",
    "AdaptationResult",
    "AdaptationSettings",
    "Adversary",
    "Inversion",
    "Training",
    "adapt",
    "adapt_many",
    "adapt_to_image",
    "adapt_to_images",
    "before_after",
    "default_adversary",
    "default_training",
    "invert_into_source",
    "previews",
    "training_resolution",
]
