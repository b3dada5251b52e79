"""Identity: is the adapted face still the same person?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import in_parts, require_pairs
from domainvec.evaluation.judge import DOMAIN_HEADS, Judge


@dataclass(frozen=True)
class Identity:
    """All 0 to 1, higher is better."""

    agreement: Estimate
    """Mean share of questions that have the same answer before and after."""
    by_question: dict[str, float]
    """Share of pictures, for each question."""
    chance: float
    """The agreement of each picture with another one's: what no identity at all would give."""


def identity(
    judge: Judge, before: Tensor, adapted: Tensor, questions: Sequence[str] | None = None
) -> Identity:
    """Compare the attributes that the judge reads off a face before and after.

    Between a photo and the true drawing of the same face it is the most that an adaptation can reach, since
    a domain hides some attributes.

    Args:
        judge: who reads the attributes.
        before: pictures of faces, (N, 3, H, W), about [-1, 1].
        adapted: the same faces in another domain.
        questions: which attributes count; all that the judge knows if None.

    Raises:
        InputError: if the judge does not know a question, or none is asked.
        ShapeError: if the images are of other shapes, or there is only one pair.
    """
    require_pairs(before, adapted)
    known = [head for head in judge.heads if head not in DOMAIN_HEADS]
    asked = known if questions is None else list(questions)
    unknown = [question for question in asked if question not in known]
    if unknown or not asked:
        raise InputError(f"the questions are {asked}; expected some of {', '.join(known) or 'none'}")

    def answers(images: Tensor) -> Tensor:
        read = judge.attributes(images)
        return torch.stack([read[question].argmax(1) for question in asked], 1)

    first, second = in_parts(answers, before), in_parts(answers, adapted)
    same = (first == second).double()
    return Identity(
        agreement=mean_estimate(same.mean(1)),
        by_question=dict(zip(asked, same.mean(0).tolist(), strict=True)),
        chance=float((first == second.roll(1, 0)).double().mean()),
    )
