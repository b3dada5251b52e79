"""A generator, a discriminator and encoders that take no time, and ways to interrupt a session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainvec.adaptation import AdaptationResult, Progress
from domainvec.guidance import Guidance
from domainvec.stylegan2 import Discriminator, Generator, GeneratorConfig
from domainvec.stylegan2.config import DiscriminatorConfig


class Killed(Exception):
    """What `kill_at` ends a session with."""


def kill_at(step: int, phase: str = "training") -> Callable[[Progress], None]:
    def callback(progress: Progress) -> None:
        if (progress.phase, progress.step) == (phase, step):
            raise Killed

    return callback


class Steps(list):
    """A callback that lists the steps of a phase."""

    def __init__(self, phase: str = "training") -> None:
        self.phase = phase

    def __call__(self, progress: Progress) -> None:
        if progress.phase == self.phase:
            self.append(progress.step)


def losses(result: AdaptationResult) -> list[object]:
    return [(record["step"], record["loss"], record["terms"]) for record in result.history]


def assert_equal_results(first: AdaptationResult, second: AdaptationResult) -> None:
    assert losses(first) == losses(second)
    assert torch.equal(first.domain.vector, second.domain.vector)
    assert first.domain.metadata == second.domain.metadata
    assert (first.stopped, first.measured) == (second.stopped, second.measured)


def toy_generator(resolution: int = 16, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    channels = (8,) * (resolution.bit_length() - 2)
    generator = Generator(
        GeneratorConfig(resolution=resolution, z_dim=8, w_dim=8, mapping_layers=2, channels=channels)
    )
    for conv in generator.synthesis.convs:
        nn.init.constant_(conv.noise_strength, 0.1)
    return generator


def toy_discriminator(resolution: int = 16, seed: int = 0) -> Discriminator:
    torch.manual_seed(200 + seed)
    channels = (8,) * (resolution.bit_length() - 2)
    discriminator = Discriminator(DiscriminatorConfig(resolution=resolution, channels=channels))
    for name, weight in discriminator.named_parameters():
        nn.init.zeros_(weight) if name.endswith("bias") else nn.init.normal_(weight)
    return discriminator


class ToyEncoder(nn.Module):
    """Random colours and shapes to a unit vector; a text's is drawn from its letters."""

    def __init__(self, seed: int = 0, guidance: Guidance | None = None, image_size: int = 8) -> None:
        super().__init__()
        torch.manual_seed(100 + seed)
        self.linear = nn.Linear(3 * 8 * 8, 16)
        self.name = f"toy-{seed}"
        self.fingerprint = f"toy-fingerprint-{seed}"
        self.guidance = guidance
        self.image_size = image_size

    def encode_images(self, images: Tensor) -> Tensor:
        pixels = F.adaptive_avg_pool2d(images, 8).tanh().flatten(1)
        return F.normalize(self.linear(pixels).float(), dim=-1)

    def encode_images_and_tokens(self, images: Tensor, depth: float = 0.5) -> tuple[Tensor, Tensor]:
        tokens = F.adaptive_avg_pool2d(images.float(), 4).flatten(2).transpose(1, 2)
        return self.encode_images(images), tokens

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        rows = [
            torch.randn(
                16, generator=torch.Generator().manual_seed(hashlib.sha256(text.encode()).digest()[0])
            )
            for text in texts
        ]
        return F.normalize(torch.stack(rows), dim=-1)


class CountingEncoder(ToyEncoder):
    """Counts the images that it is shown."""

    num_encoded = 0

    def encode_images(self, images: Tensor) -> Tensor:
        self.num_encoded += len(images)
        return super().encode_images(images)
