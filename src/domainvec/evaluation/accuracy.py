"""Domain accuracy: does the judge see the domain that was meant?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import in_parts
from domainvec.evaluation.judge import Judge


class DomainAccuracy(NamedTuple):
    """Both 0 to 1, higher is better."""

    accuracy: Estimate
    """Share of the pictures that the judge takes for the domain."""
    probability: Estimate
    """Mean probability that it gives to a single domain among the single ones, to a composition among all."""


def domain_accuracy(judge: Judge, images: Tensor, name: str) -> DomainAccuracy:
    """Share of pictures that the judge takes for the domain.

    A single domain has to be the most probable of the single ones. Of a composition, each part has to be the
    most probable one of its kind.

    Args:
        judge: who names the domains.
        images: (N, 3, H, W), about [-1, 1].
        name: a domain, or a composition such as "pencil_sketch+zombie".

    Raises:
        InputError: if the judge does not know the domain, or there are no images.
        ShapeError: if the images are of another shape.
    """
    probability, right = domain_verdicts(judge, images, name)
    return DomainAccuracy(mean_estimate(right), mean_estimate(probability))


def domain_verdicts(judge: Judge, images: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """What `domain_accuracy` gives the means of: probabilities and whether right, both (N,)."""
    answers = judge.answers(name)
    if not len(images):
        raise InputError("no images; expected at least one")

    def verdicts(part: Tensor) -> Tensor:
        if name in judge.names:
            likely = judge.domain_log_probabilities(part)
            column = judge.names.index(name)
            return torch.stack([likely.softmax(1)[:, column], (likely.argmax(1) == column).float()], 1)
        logits = judge(part)
        right = torch.stack([logits[head].argmax(1) == answer for head, answer in answers.items() if answer])
        likely = judge.domain_log_probabilities(part, [name])
        return torch.stack([likely[:, 0].exp(), right.all(0).float()], 1)

    probabilities, right = in_parts(verdicts, images).unbind(1)
    return probabilities, right > 0.5
