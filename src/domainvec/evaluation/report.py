"""Everything that is measured of one adapted domain, in one call."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.accuracy import DomainAccuracy, domain_accuracy
from domainvec.evaluation.diversity import diversity
from domainvec.evaluation.estimate import Estimate, bootstrap
from domainvec.evaluation.features import in_parts
from domainvec.evaluation.frechet import frechet_distance
from domainvec.evaluation.identity import Identity, identity
from domainvec.evaluation.inversion import resample
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.kernel import kernel_distance
from domainvec.evaluation.pairing import own_truth_nearest, paired_distance
from domainvec.evaluation.precision_recall import PrecisionRecall, precision_recall
from domainvec.evaluation.truth import (
    FACE_DIM,
    LARGEST_DRAWING,
    Draw,
    FacePairs,
    pairs_for,
    true_drawings,
    visible_questions,
)
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator, Multipliers

_OTHER_FACES = 2**31  # lies between a face's seed and that of another one; seeds go to 2**32
_LEAST = 8
_DRAWN_AGAIN = 100


@dataclass(frozen=True)
class DomainReport:
    """How near an adapted domain is to the true one; `docs/measures.md` explains each measure.

    A `Judge` looks at three sets of the same faces: before (unadapted), adapted, and truth (drawn).
    """

    name: str
    count: int
    """Number of faces."""
    seed: int
    accuracy: Estimate
    probability: Estimate
    accuracy_before: float
    accuracy_on_truth: float
    frechet: Estimate
    """To true drawings of other faces."""
    frechet_floor: float
    """Of the truth to them."""
    kernel: Estimate
    kernel_floor: float
    precision: Estimate
    recall: Estimate
    identity: Identity
    identity_ceiling: float
    """The agreement of the world's photos with the truth, asked what the domain shows."""
    diversity: Estimate
    diversity_of_truth: float
    paired_distance: Estimate
    own_truth_nearest: Estimate
    own_truth_nearest_before: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: an estimate is {"value", "low", "high"}."""
        return asdict(self)


@torch.no_grad()
def evaluate_domain(
    generator: Generator,
    domain: Multipliers | None,
    name: str,
    judge: Judge | None = None,
    *,
    count: int = 400,
    seed: int = 0,
    pairs: FacePairs | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
    draw: Draw = true_drawings,
) -> DomainReport:
    """Measure how near a generator's adapted pictures are to what the world draws.

    Args:
        generator: of faces of the world.
        domain: the adapted domain, or None for the generator as it is.
        name: what the domain should be: a domain of the world or a composition of them.
        judge: who looks; the bundled one if None.
        count: number of faces, at least 8.
        seed: of the first face.
        pairs: known faces of this generator, `count` of them or more; found by `pairs_for` if None.
        cache_folder: for `pairs_for`.
        draw: the world.

    Raises:
        InputError: if there are too few faces, or the judge does not know the domain.
        ShapeError: if the domain does not fit the generator.
        UnknownDomainError: if the world has no such domain.
    """
    judge = Judge.from_pretrained() if judge is None else judge
    judge.answers(name)
    if count < _LEAST or (pairs is not None and len(pairs) < count):
        given = "" if pairs is None else f" with {len(pairs)} pairs"
        raise InputError(f"count is {count}{given}; expected at least {_LEAST} faces, and a pair for each")
    if pairs is None:
        pairs = pairs_for(generator, seed, count, cache_folder, features=judge.features, draw=draw)
    w, z = pairs.w[:count], pairs.z[:count]
    side = min(generator.resolution, LARGEST_DRAWING)

    def pictures(domain: Multipliers | None) -> Tensor:
        return in_parts(
            lambda part: resample(generator.synthesis(part, domain).float().cpu(), side).clamp(-1, 1), w
        )

    before, adapted = pictures(None), pictures(domain)
    photos, truth = draw(z, "photo", side), draw(z, name, side)
    others = draw(latents([each ^ _OTHER_FACES for each in range(seed, seed + count)], FACE_DIM), name, side)
    ours, true, target = (in_parts(judge.features, images) for images in (adapted, truth, others))
    # Another world's drawings tell nothing of what they hide: all questions are asked of them.
    questions = None
    if draw is true_drawings:
        questions = [question for question in visible_questions(name) if question in judge.heads]
    reached: DomainAccuracy = domain_accuracy(judge, adapted, name)
    manifold: PrecisionRecall = precision_recall(target, ours)
    return DomainReport(
        name=name,
        count=count,
        seed=seed,
        accuracy=reached.accuracy,
        probability=reached.probability,
        accuracy_before=domain_accuracy(judge, before, name).accuracy.value,
        accuracy_on_truth=domain_accuracy(judge, truth, name).accuracy.value,
        frechet=bootstrap(frechet_distance, ours, target, n=_DRAWN_AGAIN),
        frechet_floor=frechet_distance(true, target),
        kernel=bootstrap(kernel_distance, ours, target, n=_DRAWN_AGAIN),
        kernel_floor=kernel_distance(true, target),
        precision=manifold.precision,
        recall=manifold.recall,
        identity=identity(judge, before, adapted, questions),
        identity_ceiling=identity(judge, photos, truth, questions).agreement.value,
        diversity=diversity(adapted, before),
        diversity_of_truth=diversity(truth, photos).value,
        paired_distance=paired_distance(adapted, truth, before),
        own_truth_nearest=own_truth_nearest(adapted, truth),
        own_truth_nearest_before=own_truth_nearest(before, truth).value,
    )
