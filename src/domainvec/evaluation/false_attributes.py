"""False attributes: what adapted faces wear or look like that the faces before did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import check_pairs, map_batches
from domainvec.evaluation.judge import DOMAIN_HEADS, Judge

ABSENT: Mapping[str, str] = MappingProxyType({"glasses": "none", "hat": "no", "beard": "none"})
"""Questions about things that a face has or has not, and the answer that it has none."""
EXPRESSIONS = ("smile",)
"""Questions of whose answers each face shows one."""
SURE = 0.8
"""Probability from which the judge counts as sure. Even true drawings change less sure readings: by domain,
in 5 to 28 % of the faces one crosses 0.5, but in at most 3 % one goes from below 0.2 to above 0.8."""


@dataclass(frozen=True)
class FalseAttributes:
    """All 0 to 1, lower is better."""

    share: Estimate
    """Share of faces with at least one false attribute."""
    by_question: dict[str, float]
    """Share of faces, for each question."""


def false_attributes(
    judge: Judge,
    before: Tensor,
    adapted: Tensor,
    *,
    absent: Mapping[str, str] = ABSENT,
    expressions: Sequence[str] = EXPRESSIONS,
    sure: float = SURE,
) -> FalseAttributes:
    """Share of faces to which an adaptation gives glasses, a hat, a beard or another expression.

    A thing is false where the judge is sure that the adapted face has it, and was sure that the face before
    had it not; an expression where it is sure of one now, and was sure of another. Things that get lost are
    not counted; `identity` counts them. The true drawings in place of the adapted faces give the floor.

    Args:
        judge: who reads the attributes.
        before: pictures of faces, (N, 3, H, W), about [-1, 1].
        adapted: the same faces in another domain.
        absent: questions about things, each with the answer that there is none.
        expressions: questions of whose answers any other one is false.
        sure: the least probability of an answer that the judge is sure of, above 0.5.

    Raises:
        InputError: if the judge does not know a question or an answer, none is asked, or `sure` is out of
            range.
        ShapeError: if the images are of other shapes, or there is only one pair.
    """
    check_pairs(before, adapted)
    if not 0.5 < sure <= 1:
        raise InputError(f"sure is {sure}; expected a probability above 0.5, at most 1")
    asked = (*absent, *expressions)
    known = {head: answers for head, answers in judge.heads.items() if head not in DOMAIN_HEADS}
    if not asked or any(head not in known for head in asked):
        raise InputError(f"the questions are {list(asked)}; expected some of {', '.join(known) or 'none'}")
    for head, answer in absent.items():
        if answer not in known[head]:
            raise InputError(f"{answer!r} is no answer to {head!r}; expected one of {', '.join(known[head])}")
    columns = [
        torch.tensor([known[head].index(absent[head])]) if head in absent else torch.arange(len(known[head]))
        for head in asked
    ]

    def read(images: Tensor) -> Tensor:
        answers = judge.attributes(images)
        chosen = [answers[head][:, column] for head, column in zip(asked, columns, strict=True)]
        return torch.cat(chosen, 1).exp()

    # Who was surely so and is surely not any more: without glasses, or serious.
    lost = (map_batches(read, before) >= sure) & (map_batches(read, adapted) <= 1 - sure)
    parts = torch.split(lost, [len(column) for column in columns], 1)
    false = torch.stack([part.any(1) for part in parts], 1)
    return FalseAttributes(
        share=mean_estimate(false.any(1)),
        by_question=dict(zip(asked, false.double().mean(0).tolist(), strict=True)),
    )


def answer_kept(judge: Judge, before: Tensor, adapted: Tensor, question: str, answer: str) -> float:
    """Of the faces of which the judge read an answer before, the share of which it still does: smiles kept.

    Args:
        judge: who reads the attributes.
        before: pictures of faces, (N, 3, H, W), about [-1, 1].
        adapted: the same faces in another domain.
        question: a head of the judge, such as "smile".
        answer: one of its answers, such as "smiling".

    Returns:
        0 to 1, higher is better; NaN if no face before had the answer.

    Raises:
        InputError: if the judge does not know the question or the answer.
        ShapeError: if the images are of other shapes, or there is only one pair.
    """
    check_pairs(before, adapted)
    if answer not in judge.heads.get(question, ()):
        raise InputError(
            f"the judge has no answer {answer!r} to {question!r}; its answers are {dict(judge.heads)}"
        )
    column = judge.heads[question].index(answer)

    def shows(images: Tensor) -> Tensor:
        return judge.attributes(images)[question].argmax(1) == column

    return float(map_batches(shows, adapted)[map_batches(shows, before)].double().mean())
