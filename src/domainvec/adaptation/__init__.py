"""Adaptation: from a frozen generator and a target to a domain."""

from __future__ import annotations

from domainvec.adaptation.discriminator_trainer import DiscriminatorTraining
from domainvec.adaptation.inversion import Inversion, invert
from domainvec.adaptation.picture import Picture
from domainvec.adaptation.pictures import Pictures
from domainvec.adaptation.previews import before_after
from domainvec.adaptation.recipes import HYPERDOMAINNET_FACES, RECIPES, Recipe
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.session import Progress, Session, run_together
from domainvec.adaptation.shortcut import adapt
from domainvec.adaptation.stopping import Plateau
from domainvec.adaptation.target import Objective, Setting, Target
from domainvec.adaptation.text import Text
from domainvec.adaptation.training import PUBLISHED_TRAINING, ROBUST_TRAINING, Training

__all__ = [
    "HYPERDOMAINNET_FACES",
    "PUBLISHED_TRAINING",
    "RECIPES",
    "ROBUST_TRAINING",
    "AdaptationResult",
    "DiscriminatorTraining",
    "Inversion",
    "Objective",
    "Picture",
    "Pictures",
    "Plateau",
    "Progress",
    "Recipe",
    "Session",
    "Setting",
    "Target",
    "Text",
    "Training",
    "adapt",
    "before_after",
    "invert",
    "run_together",
]
