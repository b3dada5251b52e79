"""Domain accuracy: how often a classifier recognises the intended domain."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.estimate import Estimate, mean_estimate
from domainvec.evaluation.features import map_batches
from domainvec.evaluation.judge import Judge


class DomainAccuracy(NamedTuple):
    """Both from 0 to 1, higher is better."""

    accuracy: Estimate
    """Share of images that are classified as the domain."""
    probability: Estimate
    """Mean probability of the domain, among all single domains or, for a composition, all compositions."""


def domain_accuracy(judge: Judge, images: Tensor, name: str) -> DomainAccuracy:
    """Compute the share of images that the judge classifies as a domain.

    For a composition, each of its parts must be the most probable one of its family.

    Args:
        judge: the classifier.
        images: (N, 3, H, W), about [-1, 1].
        name: a domain, or a composition such as "pencil_sketch+zombie".

    Raises:
        InputError: if the judge does not know the domain, or there are no images.
        ShapeError: if the images have another shape.
    """
    indices = judge.class_indices(name)
    if not len(images):
        raise InputError("no images; expected at least one")

    def classify(batch: Tensor) -> Tensor:
        if name in judge.names:
            log_probabilities = judge.domain_log_probabilities(batch)
            index = judge.names.index(name)
            correct = log_probabilities.argmax(1) == index
            return torch.stack([log_probabilities.softmax(1)[:, index], correct.float()], 1)
        logits = judge(batch)
        correct = torch.stack([logits[head].argmax(1) == i for head, i in indices.items() if i]).all(0)
        probability = judge.domain_log_probabilities(batch, [name])[:, 0].exp()
        return torch.stack([probability, correct.float()], 1)

    probability, correct = map_batches(classify, images).unbind(1)
    return DomainAccuracy(mean_estimate(correct > 0.5), mean_estimate(probability))
