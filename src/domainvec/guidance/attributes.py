"""Attributes that stay: what an encoder reads off a face, before and after.

An encoder that is asked for a sketch is content with one in which everybody wears glasses. But the same
encoder can tell "a pencil sketch of a person with glasses" from "a pencil sketch of a person". So, within
groups of such texts, the zero-shot probabilities (Radford et al. 2021, arXiv:2103.00020, section 3.1) of the
adapted image, by texts of the target, should be those of its source image, by texts of the source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.encoders.templates import compose
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.embeddings import cosine_matrix

_SCALE = 30.0  # from cosines to logits, as in zero-shot classification
_PEOPLE = ("person", "man", "woman")


class TextEncoder(Protocol):
    """What reads the texts; `domainvec.Encoder` is one."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed N texts to unit length (N, D)."""


@dataclass(frozen=True)
class AttributeGroup:
    """Attributes that exclude each other.

    Attributes:
        name: such as "glasses".
        answers: for each attribute, at least two, the sentences that state it, each with one {} for the
            prompt.

    Raises: InputError if there are fewer than two attributes, or one has no sentences.
    """

    name: str
    answers: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if len(self.answers) < 2 or not all(self.answers):
            raise InputError(
                f"the group {self.name!r} has the answers {self.answers!r}; expected at least two, each with "
                "sentences"
            )


def _people(name: str, *attributes: str) -> AttributeGroup:
    """Make a group from what is said of a person, such as "{} with glasses"."""
    answers = [tuple(_sentence(attribute.format(who)) for who in _PEOPLE) for attribute in attributes]
    return AttributeGroup(name, tuple(answers))


def _sentence(person: str) -> str:
    return f"{{}} of {'an' if person[0] in 'aeiou' else 'a'} {person}"


GROUPS: Mapping[str, AttributeGroup] = {
    group.name: group
    for group in (
        _people("glasses", "{}", "{} with glasses", "{} with sunglasses"),
        _people("beard", "clean-shaven {}", "{} with a mustache", "{} with a beard"),
        _people("hat", "{}", "{} with a hat"),
        _people(
            "hair", "bald {}", *(f"{{}} with {hair}" for hair in ("short hair", "long hair", "curly hair"))
        ),
        _people("age", "young {}", "old {}"),
        _people("smile", "smiling {}", "serious {}", "sad {}"),
        AttributeGroup("gender", (("{} of a woman",), ("{} of a man",))),
    )
}
"""Shapes of faces, by name. Colours are not among them: texts do not tell whether a domain shows them."""

_SYNONYMS = {
    "sunglasses": "glasses",
    "mustache": "beard",
    "moustache": "beard",
    "hairstyle": "hair",
    "expression": "smile",
}


def find_group(words: str) -> AttributeGroup:
    """Choose a group by its name, or make one of other words: with them or without.

    Args:
        words: such as "glasses", or "a scarf".

    Raises: InputError if there are no words.
    """
    plain = " ".join(words.split())
    if not plain or "{" in plain:
        raise InputError(f"{words!r} names nothing to keep; expected words such as 'glasses'")
    name = re.sub("^(an?|the) ", "", plain.lower())
    name = _SYNONYMS.get(name, name)
    return GROUPS.get(name) or AttributeGroup(plain, (("{}",), (f"{{}} with {plain}",)))


def attribute_loss(target_logits: Tensor, source_logits: Tensor) -> Tensor:
    """Kullback–Leibler divergence of what is read off adapted images from what is read off their sources.

    Args:
        target_logits: of the attributes of one group, read off adapted images, (N, A).
        source_logits: read off their sources, (N, A).

    Returns:
        Scalar ≥ 0, in nats: the mean over the images of sum_a p_a log(p_a / q_a), with p of the sources.

    Raises:
        ShapeError: if the shapes differ, or there are no images or fewer than two attributes.
    """
    if target_logits.shape != source_logits.shape or target_logits.dim() != 2 or not len(target_logits):
        raise ShapeError(
            f"logits have shapes {tuple(target_logits.shape)} and {tuple(source_logits.shape)}; expected the "
            "same (N, A)"
        )
    if target_logits.shape[1] < 2:
        raise ShapeError("got one attribute; expected at least two to tell apart")
    return F.kl_div(
        target_logits.float().log_softmax(1),
        source_logits.float().log_softmax(1),
        reduction="batchmean",
        log_target=True,
    )


def contrast(answers: Tensor) -> Tensor:
    """Mean Euclidean distance of the answers' embeddings, (A, D): how well an encoder tells them apart."""
    pairs = combinations(range(len(answers)), 2)
    return torch.stack([(answers[i] - answers[j]).norm() for i, j in pairs]).mean()


class AttributeReader:
    """Reads groups of attributes with one encoder, by texts of the source and of the target.

    Texts of a target say less about a face than those of photos: the answers lie nearer to each other, the
    more so the less the target shows of them. So the sources' logits are multiplied by the ratio of the
    contrasts, at most 1. A group that the encoder tells well apart in the target is asked for; one that it
    hardly does (hairstyles of a neon sign) has nearly even probabilities on both sides and asks for nothing.

    Args:
        encoder: reads the texts.
        groups: what stays.
        targets: what the images are to become; several texts are averaged.
        source: what they are.
    """

    def __init__(
        self, encoder: TextEncoder, groups: Sequence[AttributeGroup], targets: Sequence[str], source: str
    ) -> None:
        self._answers = []
        for group in groups:
            before, after = (_embed_answers(encoder, group, prompts) for prompts in ((source,), targets))
            ratio = (contrast(after) / contrast(before).clamp(min=1e-6)).clamp(max=1)
            self._answers.append((before, after, ratio))
        self.ratios = {
            group.name: float(ratio) for group, (*_, ratio) in zip(groups, self._answers, strict=True)
        }
        """For each group how well the target's texts are told apart, as a share of the source's."""

    def loss(self, target: Tensor, source: Tensor) -> Tensor:
        """Compare adapted images with their sources; the mean divergence of the groups.

        Args:
            target: embeddings of adapted images, unit length, (N, D).
            source: embeddings of their sources, unit length, (N, D).

        Returns:
            Scalar ≥ 0, in nats.
        """
        losses = [
            attribute_loss(
                _SCALE * cosine_matrix(target, after), _SCALE * ratio * cosine_matrix(source, before)
            )
            for before, after, ratio in self._answers
        ]
        return torch.stack(losses).mean()


@torch.no_grad()
def _embed_answers(encoder: TextEncoder, group: AttributeGroup, prompts: Sequence[str]) -> Tensor:
    """Embed the answers of a group, the mean of their sentences under all prompts, (A, D)."""
    rows = [
        encoder.encode_texts([text for prompt in prompts for text in compose(prompt, sentences)]).mean(0)
        for sentences in group.answers
    ]
    return F.normalize(torch.stack(rows), dim=1)
