"""Evaluation of one domain against its ground truth, renderings of the same faces."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.accuracy import domain_accuracy
from domainvec.evaluation.diversity import diversity
from domainvec.evaluation.estimate import Estimate, bootstrap
from domainvec.evaluation.features import map_batches
from domainvec.evaluation.frechet import frechet_distance
from domainvec.evaluation.identity import Identity, identity
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.kernel import kernel_distance
from domainvec.evaluation.pairing import nearest_neighbor_accuracy, paired_distance
from domainvec.evaluation.precision_recall import precision_recall
from domainvec.evaluation.reconstruction import resample
from domainvec.evaluation.renderings import (
    FACE_DIM,
    MAX_RENDER_RESOLUTION,
    FacePairs,
    Renderer,
    find_pairs,
    render_faces,
    visible_questions,
)
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator, Multipliers

_OTHER_FACES = 2**31  # flips a bit of the seeds, which are below 2**32
_MIN_FACES = 8
_NUM_RESAMPLES = 100


@dataclass(frozen=True)
class DomainReport:
    """Metrics of an adapted domain against renderings; `docs/measures.md` explains them.

    They compare three images of each face: before adaptation, adapted, and the rendering ("truth").
    """

    name: str
    count: int
    """Number of faces."""
    seed: int
    accuracy: Estimate
    probability: Estimate
    accuracy_before: float
    accuracy_on_truth: float
    """Upper bound: the accuracy of the renderings."""
    frechet: Estimate
    """Distance between the adapted images and renderings of other faces."""
    frechet_floor: float
    """Lower bound: the distance between renderings of the same and of other faces."""
    kernel: Estimate
    kernel_floor: float
    precision: Estimate
    recall: Estimate
    identity: Identity
    identity_ceiling: float
    """Upper bound: the identity of photos and renderings."""
    diversity: Estimate
    diversity_of_truth: float
    paired_distance: Estimate
    own_truth_nearest: Estimate
    """Nearest-neighbour accuracy."""
    own_truth_nearest_before: float

    def to_dict(self) -> dict[str, Any]:
        """Convert to a JSON-serializable dictionary; estimates become {"value", "low", "high"}."""
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
    renderer: Renderer = render_faces,
) -> DomainReport:
    """Compare a generator's adapted images with renderings of the same faces.

    Args:
        generator: a generator of rendered faces.
        domain: the adapted domain, or None for the unadapted generator.
        name: the target: a domain of the renderer, or a composition.
        judge: the classifier; the bundled one if None.
        count: number of faces, at least 8.
        seed: of the first face.
        pairs: at least `count` faces of this generator; found by `find_pairs` if None.
        cache_folder: as in `find_pairs`.
        renderer: renders the ground truth.

    Raises:
        InputError: if there are too few faces, or the judge does not know the domain.
        ShapeError: if the domain does not fit the generator.
        UnknownDomainError: if the renderer does not know the domain.
    """
    judge = Judge.from_pretrained() if judge is None else judge
    judge.class_indices(name)
    if count < _MIN_FACES or (pairs is not None and len(pairs) < count):
        given = "" if pairs is None else f" with {len(pairs)} pairs"
        raise InputError(
            f"count is {count}{given}; expected at least {_MIN_FACES} faces, and a pair for each"
        )
    if pairs is None:
        pairs = find_pairs(generator, seed, count, cache_folder, features=judge.features, renderer=renderer)
    w, z = pairs.w[:count], pairs.z[:count]
    side = min(generator.resolution, MAX_RENDER_RESOLUTION)

    def synthesize(domain: Multipliers | None) -> Tensor:
        return map_batches(
            lambda batch: resample(generator.synthesis(batch, domain).float().cpu(), side).clamp(-1, 1), w
        )

    before, adapted = synthesize(None), synthesize(domain)
    photos, truth = renderer(z, "photo", side), renderer(z, name, side)
    other_z = latents([each ^ _OTHER_FACES for each in range(seed, seed + count)], FACE_DIM)
    adapted_features, truth_features, target_features = (
        map_batches(judge.features, images) for images in (adapted, truth, renderer(other_z, name, side))
    )
    questions = questions_about(name, judge, renderer)
    accuracy = domain_accuracy(judge, adapted, name)
    manifold = precision_recall(target_features, adapted_features)
    return DomainReport(
        name=name,
        count=count,
        seed=seed,
        accuracy=accuracy.accuracy,
        probability=accuracy.probability,
        accuracy_before=domain_accuracy(judge, before, name).accuracy.value,
        accuracy_on_truth=domain_accuracy(judge, truth, name).accuracy.value,
        frechet=bootstrap(frechet_distance, adapted_features, target_features, n=_NUM_RESAMPLES),
        frechet_floor=frechet_distance(truth_features, target_features),
        kernel=bootstrap(kernel_distance, adapted_features, target_features, n=_NUM_RESAMPLES),
        kernel_floor=kernel_distance(truth_features, target_features),
        precision=manifold.precision,
        recall=manifold.recall,
        identity=identity(judge, before, adapted, questions),
        identity_ceiling=identity(judge, photos, truth, questions).agreement.value,
        diversity=diversity(adapted, before),
        diversity_of_truth=diversity(truth, photos).value,
        paired_distance=paired_distance(adapted, truth, before),
        own_truth_nearest=nearest_neighbor_accuracy(adapted, truth),
        own_truth_nearest_before=nearest_neighbor_accuracy(before, truth).value,
    )


def questions_about(name: str, judge: Judge, renderer: Renderer) -> list[str] | None:
    """Return the questions whose answers the domain shows; None, for all, with a custom renderer."""
    if renderer is not render_faces:
        return None
    return [question for question in visible_questions(name) if question in judge.heads]
