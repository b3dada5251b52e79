"""What guidance will do to an encoder, done to it while it is trained.

One vector for each domain bends the bundled generator to where the encoder in training sees the domain. The
encoder learns that these pictures fit the domain's text less than the true drawings of the same faces, as a
discriminator would; the loss compares the two as Jolicoeur-Martineau (2018), arXiv:1807.00734, does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.adaptation import ROBUST_TRAINING
from domainvec.domains.parameterizations import find_parameterization
from domainvec.evaluation import render_faces
from domainvec.guidance import FACES
from domainvec.guidance.augmentation import augment, squash
from domainvec.guidance.preservation import chroma_loss, edge_loss, out_of_range_loss
from domainvec.seeds import latents
from domainvec.stylegan2 import Generator

FACE_COUNT = 200
DOMAINS_AT_ONCE, FACES_EACH = 5, 3
LIFE = (1, 200)
"""Steps after which a vector starts again from zero, at the earliest and at the latest."""
_FIRST_SEED = 70_000_000
_BETAS = (0.9, 0.99)


class Adversary:
    """Vectors that learn to be taken for the domains.

    Args:
        folder: of the generator.
        names: the domains, without the generator's own.
        generator: of all randomness.
    """

    def __init__(self, folder: Path, names: list[str], generator: torch.Generator) -> None:
        self.names = names
        self._network = Generator.from_pretrained(folder).requires_grad_(False)
        self._zero = find_parameterization(ROBUST_TRAINING.parameterization).zero(self._network)
        self._random = generator
        shape = (len(names), self._zero.size)
        self._vectors, self._mean, self._square = (torch.zeros(shape) for _ in range(3))
        self._ages = torch.zeros(len(names))
        self._lives = torch.randint(*LIFE, (len(names),), generator=generator)
        self._z = latents(range(_FIRST_SEED, _FIRST_SEED + FACE_COUNT), self._network.z_dim)
        with torch.no_grad():
            self._w = self._network.mapping(self._z)
        self._truth = cache(lambda row, name: render_faces(self._z[row : row + 1], name)[0])
        self._source = cache(lambda row: self._network.synthesis(self._w[row : row + 1])[0])

    def __call__(self, encode: Callable[[Tensor], Tensor], texts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw pictures that are to pass for some of the domains, and take a step with their vectors.

        Args:
            encode: pictures to unit-length embeddings; its weights must not ask for gradients.
            texts: an embedding for each of the domains.

        Returns: views of the pictures, (N, 3, H, W); views of the true drawings of the same faces; and the
            domain of each, as an index into the names.
        """
        chosen = torch.randperm(len(self.names), generator=self._random)[:DOMAINS_AT_ONCE]
        labels = chosen.repeat_interleave(FACES_EACH)
        rows = torch.randint(FACE_COUNT, labels.shape, generator=self._random)
        vectors = self._vectors[chosen].requires_grad_(True)
        images = self._network.synthesis(
            self._w[rows],
            self._zero.with_vector(vectors.repeat_interleave(FACES_EACH, dim=0)),
            dtype=torch.bfloat16,
        ).float()
        source = torch.stack([self._source(row) for row in rows.tolist()])
        seen = squash(images)
        views = augment(seen, FACES.augmentation, self._random)
        kept = FACES.preservation
        loss = (
            FACES.global_text * (1 - (encode(views) * texts[labels]).sum(dim=1)).mean()
            + kept.edges * edge_loss(seen, source)
            + kept.chroma * chroma_loss(images, source)
            + kept.out_of_range * out_of_range_loss(images)
        )
        (gradient,) = torch.autograd.grad(loss, vectors)
        self._step(chosen, gradient)
        truth = [
            self._truth(row, self.names[label])
            for row, label in zip(rows.tolist(), labels.tolist(), strict=True)
        ]
        return views.detach(), augment(torch.stack(truth), FACES.augmentation, self._random), labels

    def _step(self, chosen: Tensor, gradient: Tensor) -> None:
        """Adam, and a new start for vectors at the end of their life."""
        self._ages[chosen] += 1
        ages = self._ages[chosen, None]
        mean = self._mean[chosen].lerp(gradient, 1 - _BETAS[0])
        square = self._square[chosen].lerp(gradient.square(), 1 - _BETAS[1])
        move = mean / (1 - _BETAS[0] ** ages) / ((square / (1 - _BETAS[1] ** ages)).sqrt() + 1e-8)
        self._vectors[chosen] -= ROBUST_TRAINING.learning_rate[ROBUST_TRAINING.parameterization] * move
        self._mean[chosen], self._square[chosen] = mean, square
        for i in chosen[self._ages[chosen] > self._lives[chosen]].tolist():
            for state in (self._vectors, self._mean, self._square, self._ages):
                state[i] = 0
            self._lives[i] = torch.randint(*LIFE, (), generator=self._random)


def adversary_loss(fake: Tensor, true: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """How far pictures fit the text as well as the true drawings do: a scalar, 0 if they fit far less.

    Args:
        fake: embeddings (N, D).
        true: embeddings (N, D) of the true drawings of the same faces.
        texts: embeddings (N, D) of the domain's text.
        scale: of the cosines.
    """
    return F.softplus(scale * ((fake - true) * texts).sum(dim=1)).mean()
