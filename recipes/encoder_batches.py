"""What an encoder learns from: batches of views of drawings with captions, and a quiz on each batch.

A batch is made of photos, drawings of the single domains, compositions, and, for a robust encoder, pictures
that are faces no more. Beside its caption a picture has answers to the quiz: which domain it is, and for a
photo what the attributes of its face are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import drawings
import numpy as np
import torch
from drawings import COMPOSITIONS, PHOTO, Drawings
from numpy.typing import NDArray
from random_looks import RandomLook
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

import synthfaces
from domainvec.encoders.templates import FACE_TEMPLATES, compose
from domainvec.guidance.augmentation import Augmentation, augment
from domainvec.images import from_uint8
from domainvec.stylegan2 import Generator
from synthfaces import QUESTIONS
from synthfaces.captions import words

BATCH = 128
PHOTO_SHARE = 0.38
COMPOSITION_SHARE = 0.18
DISTORTED_SHARE = 0.08
TEMPLATE_SHARE = 0.2
"""Share of captions in the plain grammar that guidance asks in."""
UNKNOWN_SHARE = 0.01
LOOK_FACES = 6
"""That are shown in each random look."""
LONGEST_TEXT = 40
CAPTIONS = 4
"""For each picture."""
DISTORTED = ("distorted photo", "broken picture", "distorted picture", "photo with artifacts")
DOMAINS = tuple(synthfaces.DOMAINS)
VIEWS = Augmentation(crop=(0.6, 1.05), noise=0.15)
"""At color changes of 1."""
NOISE = 0.25
"""Of every other batch."""
CLOSE_VIEWS = Augmentation(crop=(0.85, 1.02), contrast=0.05, brightness=0.05, tint=0.05, noise=0.05)
_NONE = -1


@dataclass(frozen=True)
class Pool:
    """Pictures to draw batches from, with what is true of each."""

    pictures: NDArray[np.uint8]
    captions: list[list[int]]
    """For each picture, numbers of texts."""
    templated: list[list[int]]
    """For each picture, numbers of texts in the templates' grammar."""
    domains: NDArray[np.int64]
    """Index into DOMAINS, their number for a distorted picture, -1 for a composition."""
    answers: NDArray[np.int64]
    """For each question the index of the answer, -1 for none."""
    cumulative: NDArray[np.float64]
    """How often each picture is shown, as cumulative shares."""


@dataclass(frozen=True)
class Batch:
    """Views, their captions, and the quiz."""

    images: Tensor
    """(BATCH, 3, 64, 64)."""
    tokens: Tensor
    masks: Tensor
    captions: Tensor
    """Number of each caption: equal numbers are equal texts."""
    quiz_tokens: Tensor
    """One text for each domain, for the distorted picture, and for each answer to each question."""
    quiz_masks: Tensor
    answers: Tensor
    """(BATCH, 1 + questions): the domain, then the answer to each question; -1 for none."""


class Batches:
    """Draws batches from the sets of a world, and from samples of a generator if there are any."""

    def __init__(
        self,
        data: list[Drawings],
        samples: tuple[Drawings, Drawings] | None,
        tokenizer: PreTrainedTokenizerFast,
        robust: bool,
        seed: int,
        color_changes: float,
    ) -> None:
        self.robust = robust
        self.color_changes = color_changes
        self._views = replace(
            VIEWS,
            contrast=VIEWS.contrast * color_changes,
            brightness=VIEWS.brightness * color_changes,
            tint=VIEWS.tint * color_changes,
        )
        self._texts: dict[str, int] = {}
        self._random = np.random.default_rng(seed)
        plain, distorted = samples if samples is not None else (None, None)
        self._photos = [self._pool(drawn, rare=True) for drawn in data if drawn.name == PHOTO]
        self._others = [self._pool(drawn) for drawn in data if drawn.name not in (PHOTO, COMPOSITIONS)]
        self._compositions = [self._pool(drawn) for drawn in data if drawn.name == COMPOSITIONS]
        self._plain = [] if plain is None else [self._pool(plain)]
        self._distorted = [] if distorted is None else [self._pool(distorted)]
        self._distorted_texts = self._templated(DISTORTED)
        self._quiz = [self._templated(synthfaces.DOMAINS[name].phrases) for name in DOMAINS]
        self._quiz.append(self._distorted_texts)
        self._quiz += [self._numbers(texts) for asked in QUESTIONS.values() for texts in asked.texts.values()]
        encoded = tokenizer(list(self._texts), padding=True, truncation=True, max_length=LONGEST_TEXT)
        self._tokens = torch.tensor(encoded["input_ids"])
        self._masks = torch.tensor(encoded["attention_mask"])
        self._unknown = int(tokenizer.unk_token_id)

    @property
    def text_count(self) -> int:
        """How many different texts there are."""
        return len(self._tokens)

    def __call__(self, random: np.random.Generator, generator: torch.Generator) -> Batch:
        """Draw a batch."""
        distorted = int(BATCH * DISTORTED_SHARE) if self.robust else 0
        photos = int((BATCH - distorted) * PHOTO_SHARE)
        compositions = int((BATCH - distorted) * COMPOSITION_SHARE) if self._compositions else 0
        samples = photos // 3 if self._plain else 0
        counts = (
            (self._photos, photos - samples),
            (self._plain, samples),
            (self._compositions, compositions),
            (self._others, BATCH - distorted - photos - compositions),
        )
        rows = [self._pick(pools, random) for pools, count in counts for _ in range(count)]
        images, answers = _shown(rows)
        captions = [self._caption(pool, i, random) for pool, i in rows]
        if distorted:
            images = torch.cat([images, self._distort(distorted, random, generator)])
            captions += random.choice(self._distorted_texts, distorted).tolist()
            none = np.full((distorted, answers.shape[1]), _NONE)
            none[:, 0] = len(DOMAINS)
            answers = np.concatenate([answers, none])
        noisy = replace(self._views, noise=NOISE) if random.random() < 0.5 else self._views
        images = augment(images, noisy, generator)
        if self.robust:
            images = corrupt(images, random, self.color_changes)
        numbers = torch.tensor(captions)
        tokens, masks = self._encoded(numbers)
        inner = (tokens > self._unknown + 1) & (tokens < self._tokens.max())
        tokens[inner & (torch.rand(tokens.shape, generator=generator) < UNKNOWN_SHARE)] = self._unknown
        quiz = torch.tensor([int(random.choice(texts)) for texts in self._quiz])
        return Batch(images, tokens, masks, numbers, *self._encoded(quiz), torch.from_numpy(answers))

    def close(
        self, count: int, random: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Two thirds photos, the rest other domains, hardly changed: what is small can be seen.

        Returns: views (count, 3, 64, 64), and answers to the quiz as in a batch.
        """
        photos = 2 * count // 3
        samples = photos // 4 if self._plain else 0
        pools = [self._photos] * (photos - samples) + [self._plain] * samples
        pools += [self._others] * (count - photos)
        images, answers = _shown([self._pick(each, random) for each in pools])
        return augment(images, CLOSE_VIEWS, generator), torch.from_numpy(answers)

    def in_looks(self, count: int, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The same photos in each of some random looks.

        Returns: pictures (count · LOOK_FACES, 3, 64, 64), the number of each one's look, and answers to the
            quiz as in a batch, but for the domain and for what needs colours.
        """
        images, answers = _shown([self._pick(self._photos, random) for _ in range(LOOK_FACES)])
        hidden = [True, *(asked.needs_color for asked in QUESTIONS.values())]
        answers[:, hidden] = _NONE
        shown = torch.cat([RandomLook(random)(images) for _ in range(count)])
        return (
            shown,
            torch.arange(count).repeat_interleave(LOOK_FACES),
            torch.from_numpy(answers).repeat(count, 1),
        )

    def _encoded(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        masks = self._masks[numbers]
        longest = int(masks.sum(dim=1).max())
        return self._tokens[numbers][:, :longest].clone(), masks[:, :longest]

    def _pool(self, drawn: Drawings, rare: bool = False) -> Pool:
        asks = drawn.name == PHOTO
        captions, templated, domains, answers = [], [], [], []
        by_name = {name: self._by_gender(name) for name in set(drawn.domains)}
        for face, name in zip(drawn.faces, drawn.domains, strict=True):
            if name == "distorted":
                captions.append(self._templated(DISTORTED))
                domains.append(len(DOMAINS))
            else:
                captions.append(
                    self._numbers([synthfaces.caption(face, name, self._random) for _ in range(CAPTIONS)])
                )
                domains.append(DOMAINS.index(name) if name in DOMAINS else _NONE)
            templated.append(by_name[name][face.gender])
            answers.append(answer(face) if asks else [_NONE] * len(QUESTIONS))
        weights = self._rarity(captions) if rare else np.ones(len(captions))
        return Pool(
            drawn.pictures,
            captions,
            templated,
            np.array(domains),
            np.array(answers),
            np.cumsum(weights / weights.sum()),
        )

    def _by_gender(self, name: str) -> dict[str, list[int]]:
        phrases = DISTORTED if name == "distorted" else synthfaces.domain(name).phrases
        return {
            gender: self._templated(phrases, but=" of a woman" if gender == "man" else " of a man")
            for gender in ("woman", "man")
        }

    def _templated(self, phrases: Sequence[str], but: str = "\n") -> list[int]:
        texts = [text for phrase in phrases for text in compose(phrase, FACE_TEMPLATES)]
        return self._numbers([text for text in texts if not text.endswith(but)])

    def _numbers(self, texts: Sequence[str]) -> list[int]:
        return [self._texts.setdefault(text, len(self._texts)) for text in texts]

    def _rarity(self, captions: list[list[int]]) -> NDArray[np.float64]:
        """Show a face more often, the rarer the words that describe it."""
        texts = list(self._texts)
        said = [{word for number in numbers for word in words(texts[number])} for numbers in captions]
        counts = Counter(word for known in said for word in known)
        rarities = [[min(8.0, math.sqrt(len(said) / counts[word])) for word in known] for known in said]
        return np.array([np.mean(values) for values in rarities])

    def _pick(self, pools: list[Pool], random: np.random.Generator) -> tuple[Pool, int]:
        pool = pools[int(random.integers(len(pools)))]
        index = int(np.searchsorted(pool.cumulative, random.random()))
        return pool, min(index, len(pool.pictures) - 1)

    def _caption(self, pool: Pool, index: int, random: np.random.Generator) -> int:
        texts = pool.templated[index] if random.random() < TEMPLATE_SHARE else pool.captions[index]
        return texts[int(random.integers(len(texts)))]

    def _distort(self, count: int, random: np.random.Generator, generator: torch.Generator) -> Tensor:
        """Pictures that are faces no more: bent by the generator, or drowned in coloured patterns."""
        bent = count // 2 if self._distorted else 0
        sources = [self._distorted] * bent
        sources += [self._photos if random.random() < 0.5 else self._others for _ in range(count - bent)]
        rows = [self._pick(pools, random) for pools in sources]
        pictures = from_uint8(np.stack([pool.pictures[i] for pool, i in rows]))
        side = int(random.choice([8, 16, 32, 64]))
        pattern = torch.randn(count - bent, 3, side, side, generator=generator)
        pattern = F.interpolate(pattern, drawings.RESOLUTION, mode="bilinear")
        strength = torch.rand(count - bent, 1, 1, 1, generator=generator) * 0.8 + 0.4
        if self.color_changes < 1:  # then a wrong tint is a distortion, too
            tint = torch.randn(count - bent, 3, 1, 1, generator=generator)
            tint = F.normalize(tint - tint.mean(dim=1, keepdim=True), dim=1)
            tinted = torch.rand(count - bent, 1, 1, 1, generator=generator) < 0.6
            pattern = torch.where(tinted, tint.expand_as(pattern), pattern)
            strength = torch.where(tinted, strength * 0.6, strength)
        pictures[bent:] += strength * pattern
        return pictures.clamp(-1, 1)


def _shown(rows: list[tuple[Pool, int]]) -> tuple[Tensor, NDArray[np.int64]]:
    """The pictures of some rows, and their answers to the quiz."""
    images = from_uint8(np.stack([pool.pictures[i] for pool, i in rows]))
    return images, np.stack([np.concatenate([pool.domains[i : i + 1], pool.answers[i]]) for pool, i in rows])


def answer(face: synthfaces.Attributes) -> list[int]:
    """For each question the index of the answer, -1 for none."""
    given = [(asked.answers, asked.read(face)) for asked in QUESTIONS.values()]
    return [_NONE if answered is None else answers.index(answered) for answers, answered in given]


def corrupt(images: Tensor, random: np.random.Generator, color_changes: float) -> Tensor:
    """Damage a third of the pictures so mildly that their captions still hold."""
    damaged = images.clone()
    for i in np.flatnonzero(random.random(len(images)) < 1 / 3):
        image = damaged[i]
        kind = int(random.integers(6))
        if kind == 0:  # colours too strong or nearly gone
            grey = image.mean(dim=0, keepdim=True)
            saturation = 1 + color_changes * float(random.uniform(-0.6, 0.8))
            damaged[i] = grey + (image - grey) * saturation
        elif kind == 1:  # blotches
            side = int(random.choice([4, 8, 16, 32]))
            pattern = torch.from_numpy(random.standard_normal((1, 3, side, side)).astype(np.float32))
            pattern = F.interpolate(pattern, drawings.RESOLUTION, mode="bilinear")[0]
            damaged[i] = image + pattern * float(random.uniform(0.05, 0.3))
        elif kind == 2:  # fewer pixels
            small = F.interpolate(
                image[None], int(random.choice([24, 32, 48])), mode="bilinear", antialias=True
            )
            damaged[i] = F.interpolate(small, drawings.RESOLUTION, mode="bilinear")[0]
        elif kind == 3:  # contrast cut off at both ends
            damaged[i] = (image * float(random.uniform(1.1, 1.6))).clamp(-1, 1)
        elif kind == 4:  # out of focus
            side = 2 * int(random.integers(1, 3)) + 1
            padded = F.pad(image[None], [side // 2] * 4, mode="replicate")
            damaged[i] = F.avg_pool2d(padded, side, 1)[0]
        else:  # speckle
            noise = torch.from_numpy(random.standard_normal(image.shape).astype(np.float32))
            damaged[i] = image + noise * float(random.uniform(0.1, 0.5))
    return damaged


def sample_generator(folder: Path, count: int, seed: int) -> tuple[Drawings, Drawings]:
    """Samples of the bundled generator, as photos and bent by random multipliers as distorted photos."""
    network = Generator.from_pretrained(folder)
    random = np.random.default_rng(seed)
    torch_random = torch.Generator().manual_seed(seed)
    plain, bent, faces = [], [], []
    with torch.no_grad():
        for start in range(0, count, 50):
            z = np.stack([synthfaces.latent(seed, start + i) for i in range(50)])
            # The bundled generator draws the face at the normalised z; see train_generator.py.
            normalised = z / np.sqrt(np.mean(np.square(z), axis=1, keepdims=True))
            faces += [synthfaces.Attributes.from_normal(row) for row in normalised]
            w = network.mapping(torch.from_numpy(z.astype(np.float32)))
            plain.append(_bytes(network.synthesis(w)))
            strength = float(random.choice([0.15, 0.3, 0.5, 0.8]))
            bend = _RandomMultipliers(network, strength, torch_random)
            bent.append(_bytes(network.synthesis(w, bend)))
    return (
        Drawings(PHOTO, np.concatenate(plain), faces, [PHOTO] * count),
        Drawings("distorted", np.concatenate(bent), faces, ["distorted"] * count),
    )


class _RandomMultipliers:
    """A domain without meaning: what guidance must not be led to."""

    def __init__(self, network: Generator, strength: float, generator: torch.Generator) -> None:
        def draw(widths: tuple[int, ...]) -> list[Tensor]:
            return [torch.randn(width, generator=generator) * strength for width in widths]

        self.offsets = draw(network.conv_channels)
        self.rgb_offsets = draw(network.rgb_channels)
        self.rgb_bias = [bias * 0.3 for bias in draw((3,) * len(network.rgb_channels))]


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    pixels = images.clamp(-1, 1).mul(127.5).add(127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).numpy()
