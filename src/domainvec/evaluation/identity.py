"""Identity preservation: agreement of the attributes of a face before and after adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import check_pairs, map_batches
from domainvec.evaluation.judge import DOMAIN_HEADS, Judge


@dataclass(frozen=True)
class Identity:
    """All from 0 to 1, higher is better."""

    agreement: Estimate
    """Mean share of questions with the same answer before and after."""
    by_question: dict[str, float]
    """Share of images with the same answer, for each question."""
    chance: float
    """Agreement of unrelated faces, the lower bound."""


def identity(
    judge: Judge, before: Tensor, adapted: Tensor, questions: Sequence[str] | None = None
) -> Identity:
    """Compute how often the judge predicts the same attributes before and after adaptation.

    A domain can hide attributes, so the upper bound is below 1: it is the identity of photos and renderings.

    Args:
        judge: predicts the attributes.
        before: images of faces, (N, 3, H, W), about [-1, 1].
        adapted: the same faces in another domain.
        questions: names of the attributes to compare; all that the judge knows if None.

    Raises:
        InputError: if the judge does not know a question, or the list is empty.
        ShapeError: if the images have other shapes, or there is only one pair.
    """
    check_pairs(before, adapted)
    known = [head for head in judge.heads if head not in DOMAIN_HEADS]
    asked = known if questions is None else list(questions)
    unknown = [question for question in asked if question not in known]
    if unknown or not asked:
        raise InputError(f"the questions are {asked}; expected some of {', '.join(known) or 'none'}")

    def answers(images: Tensor) -> Tensor:
        predicted = judge.attributes(images)
        return torch.stack([predicted[question].argmax(1) for question in asked], 1)

    first, second = map_batches(answers, before), map_batches(answers, adapted)
    same = (first == second).double()
    return Identity(
        agreement=mean_estimate(same.mean(1)),
        by_question=dict(zip(asked, same.mean(0).tolist(), strict=True)),
        chance=float((first == second.roll(1, 0)).double().mean()),
    )
