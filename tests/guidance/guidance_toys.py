"""Random images, an encoder that takes no time, and the losses of a text without an adaptation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.guidance.augmentation import squash
from domainvec.guidance.preservation import Terms
from domainvec.guidance.text import Guidance, directional_terms, embed_texts
from domainvec.guidance.viewing import AdaptedBatch, Needs, Viewer


class LinearEncoder:
    """Random projections: of images by pixels, of texts by letters."""

    def __init__(self, name: str = "linear", seed: int = 0, guidance: Guidance | None = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.name, self.guidance = name, guidance
        self.images = torch.randn(3 * 32 * 32, 12, generator=generator)
        self.letters = torch.randn(128, 12, generator=generator)
        self.batches = []

    def encode_images(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return F.normalize(images.flatten(1) @ self.images, dim=-1)

    def encode_images_and_tokens(self, images: Tensor, depth: float = 0.5) -> tuple[Tensor, Tensor]:
        return self.encode_images(images), F.adaptive_avg_pool2d(images, 4).flatten(2).transpose(1, 2)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        rows = [self.letters[torch.tensor([ord(letter) for letter in text])].sum(dim=0) for text in texts]
        return F.normalize(torch.stack(rows), dim=-1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(seed: int = 0, count: int = 3, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size, generator=seeded(seed)) * 2 - 1


def batch_of(
    encoders: Sequence[LinearEncoder],
    guidance: Guidance,
    adapted: Tensor,
    source: Tensor,
    *,
    views: bool = True,
    extra: Tensor | None = None,
    seed: int = 0,
) -> AdaptedBatch:
    """A batch as the guidance and what it keeps look at it."""
    keep = guidance.preservation
    needs = Needs(whole=keep.in_domain_angle > 0, views=views, source_images=keep.needs_source_images)
    viewer = Viewer(encoders, guidance, needs)
    shown = squash(adapted) if keep.out_of_range > 0 else None
    return viewer.adapted_batch(
        adapted, viewer.source_batch(source, rng=seeded(seed)), shown=shown, extra=extra
    )


def text_terms(
    encoders: Sequence[LinearEncoder],
    guidance: Guidance,
    texts: Sequence[str],
    adapted: Tensor,
    source: Tensor,
    seed: int = 0,
) -> Terms:
    """All losses towards a text from "a photo", each with its weight."""
    ends = [
        (embed_texts(each, texts, guidance.templates), embed_texts(each, ["a photo"], guidance.templates))
        for each in encoders
    ]
    batch, keep = batch_of(encoders, guidance, adapted, source, seed=seed), guidance.preservation
    return {
        **keep.pixel_terms(batch),
        **directional_terms(guidance, ends, batch),
        **keep.embedding_terms(batch),
    }


def total(terms: Terms) -> Tensor:
    return torch.stack([weight * value for weight, value in terms.values()]).sum()
