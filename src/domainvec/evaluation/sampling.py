"""Sampling images for evaluation: with 8 bits per channel, as image files have, in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from domainvec.encoders import Encoder
from domainvec.errors import InputError
from domainvec.evaluation.extractors import FeatureExtractor
from domainvec.evaluation.features import dequantize, downsample, quantize
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator, Multipliers

MIN_IMAGES = 8
"""Smallest size of a sample and of a reference folder."""

_BATCH_PIXELS = 8 * 256 * 256


@dataclass(frozen=True)
class Sampling:
    """Which images to sample.

    Args:
        samples: number of images, at least 8.
        seed: of the first image; the others use consecutive seeds.
        truncation: 1 for full diversity; smaller values give more typical images.
        batch_size: number of images per batch; by default what fits into memory.

    Raises:
        InputError: if a value is out of range.
    """

    samples: int = 400
    seed: int = 0
    truncation: float = 1.0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.samples < MIN_IMAGES:
            raise InputError(f"samples is {self.samples}; expected at least {MIN_IMAGES} images")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}; expected 1 or more")
        if not -10 <= self.truncation <= 10:
            raise InputError(
                f"truncation must be a number from -10 to 10, not {self.truncation}; 1 is no truncation"
            )

    def batch_size_for(self, generator: Generator) -> int:
        """Return the batch size, or its default for a generator."""
        return self.batch_size or max(1, _BATCH_PIXELS // generator.resolution**2)

    def latents(self, generator: Generator) -> Tensor:
        """Sample latents w, (samples, num_ws, w_dim), on the generator's device."""
        z = latents(range(self.seed, self.seed + self.samples), generator.z_dim)
        device = generator.mapping.w_avg.device
        batches = torch.split(z, self.batch_size_for(generator))
        return torch.cat(
            [generator.mapping(batch.to(device), truncation_psi=self.truncation) for batch in batches]
        )


class Sample(NamedTuple):
    """Images of a domain, with their embeddings and features."""

    images: Tensor
    """(N, 3, H, W) uint8, downsampled to at most 256 px."""
    embeddings: Tensor | None
    features: Tensor | None
    seconds: float
    """Time to generate an image, without that of the other networks."""


def sample(
    generator: Generator,
    w: Tensor,
    domain: Multipliers | None,
    *,
    batch_size: int,
    encoder: Encoder | None = None,
    extractor: FeatureExtractor | None = None,
) -> Sample:
    """Generate images, and embed them batch by batch, so that they need not fit into memory at full size.

    Args:
        generator: the generator.
        w: latents, (N, num_ws, w_dim).
        domain: the domain, or None for the unadapted generator.
        batch_size: number of images per batch.
        encoder: computes the embeddings, if given.
        extractor: computes the features, if given.
    """
    images, embeddings, features = [], [], []
    seconds = 0.0
    for start in range(0, len(w), batch_size):
        begin = time.perf_counter()
        batch = quantize(generator.synthesis(w[start : start + batch_size], domain).float())
        seconds += time.perf_counter() - begin
        images.append(downsample(batch))
        if encoder is not None:
            embeddings.append(encoder.encode_images(dequantize(batch, w.device)).cpu())
        if extractor is not None:
            features.append(extractor.extract(batch).cpu())
    return Sample(
        torch.cat(images),
        torch.cat(embeddings) if embeddings else None,
        torch.cat(features) if features else None,
        seconds / len(w),
    )


def extract_all(extractor: FeatureExtractor, batches: Iterator[Tensor], keep: int) -> tuple[Tensor, Tensor]:
    """Extract the features of all images, (N, D), and return the first few images, downsampled."""
    features, kept = [], torch.empty(0, dtype=torch.uint8)
    for batch in batches:
        features.append(extractor.extract(batch).cpu())
        if len(kept) < keep:
            kept = torch.cat([kept, downsample(batch)])[:keep]
    return torch.cat(features), kept
