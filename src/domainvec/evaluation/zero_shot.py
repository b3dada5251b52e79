"""Zero-shot classification: an image-text encoder and a few texts are a classifier."""

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


class ZeroShot:
    """A classifier of pictures by the nearest text (Radford et al. 2021, arXiv:2103.00020, section 3.1).

    Args:
        encoder: what embeds pictures and texts.
        texts: for each class what to compare pictures with; the mean of its embeddings, at unit length.

    Raises:
        InputError: if there are no classes, or one has no texts.
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
    def of_phrases(
        cls, encoder: Encoder, phrases: Mapping[str, str], templates: Sequence[str] = FACE_TEMPLATES
    ) -> ZeroShot:
        """Classify by noun phrases, each set in the templates.

        Raises:
            InputError: if there are no classes, or a phrase or the templates are not valid.
        """
        return cls(encoder, {name: compose(phrase, templates) for name, phrase in phrases.items()})

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits (N, classes) of pictures (N, 3, H, W), about [-1, 1]; differentiable."""
        return self.logits(self.encoder.encode_images(images))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return logits (N, classes) of embeddings (N, D): 30 times the cosines."""
        return _SCALE * embeddings @ self.classes.T
