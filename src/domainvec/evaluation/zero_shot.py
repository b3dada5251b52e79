"""Zero-shot classification with an image-text encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.encoders.templates import FACE_TEMPLATES, compose
from domainvec.errors import InputError

if TYPE_CHECKING:
    from domainvec.encoders import Encoder

_SCALE = 30.0


class ZeroShotClassifier:
    """Classifies images by the most similar text (Radford et al. 2021, arXiv:2103.00020, section 3.1).

    Args:
        encoder: an image-text encoder.
        texts: for each class the texts whose normalised mean embedding represents it.

    Raises:
        InputError: if there are no classes, or a class has no texts.
    """

    def __init__(self, encoder: Encoder, texts: Mapping[str, Sequence[str]]) -> None:
        if not texts:
            raise InputError("no classes; expected texts for at least one")
        self.encoder = encoder
        self.names = tuple(texts)
        means = [encoder.encode_texts(list(each)).mean(0) for each in texts.values()]
        self.classes = F.normalize(torch.stack(means), dim=1)
        """(classes, D), of unit length."""

    @classmethod
    def from_phrases(
        cls, encoder: Encoder, phrases: Mapping[str, str], templates: Sequence[str] = FACE_TEMPLATES
    ) -> ZeroShotClassifier:
        """Create a classifier from one noun phrase per class, inserted into templates.

        Raises:
            InputError: if there are no classes, or a phrase or a template is invalid.
        """
        return cls(encoder, {name: compose(phrase, templates) for name, phrase in phrases.items()})

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits (N, classes) of images (N, 3, H, W), about [-1, 1]; differentiable."""
        return self.logits(self.encoder.encode_images(images))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return logits (N, classes) of embeddings (N, D): scaled cosine similarities."""
        return _SCALE * embeddings @ self.classes.T
