"""The metrics of domains, side by side: their names and explanations, and their values for each domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from domainvec.evaluation.estimate import Estimate
from domainvec.evaluation.report import DomainReport


@dataclass(frozen=True)
class Metric:
    """A column of the table."""

    key: str
    title: str
    better: Literal["higher", "lower", "near"]
    explanation: str


METRICS = (
    Metric(
        "quality",
        "Quality",
        "higher",
        "Mean cosine similarity of the adapted images and the target text, for the encoder in the settings, "
        "from -1 to 1. Comparable only for the same encoder, and too high for one that guided the training.",
    ),
    Metric(
        "diversity",
        "Diversity",
        "near",
        "Mean cosine distance between the embeddings of two adapted images. 0 means that all images are the "
        "same; the value before adaptation is the one to keep.",
    ),
    Metric(
        "frechet",
        "Fréchet distance",
        "lower",
        "Distance between the adapted images and the reference folder, for the features in the settings. It "
        "is the FID only with Inception features. Biased for few images: compare equal numbers of images.",
    ),
    Metric(
        "kernel",
        "Kernel distance",
        "lower",
        "Squared maximum mean discrepancy between the adapted images and the reference folder with a cubic "
        "kernel, for the same features (the KID with Inception features). Unbiased, so preferable for few "
        "images; about 0 for equal distributions.",
    ),
    Metric(
        "lpips",
        "LPIPS",
        "near",
        "Mean perceptual distance between two adapted images. 0 means that all images are the same.",
    ),
    Metric(
        "identity",
        "Identity",
        "higher",
        "Share of attributes (hair, glasses, smile, ...) that the judge, a classifier of faces, predicts "
        "equally before and after adaptation. Different people share many attributes, so chance is well "
        "above 0.",
    ),
    Metric(
        "accuracy",
        "Domain accuracy",
        "higher",
        "Share of the adapted images that the judge, which never guides the training, assigns to the domain.",
    ),
)
"""Metrics of the sampled images."""

RENDERING_METRICS = (
    Metric(
        "accuracy", "Domain accuracy", "higher", "As above; the value of the renderings is the upper bound."
    ),
    Metric("identity", "Identity", "higher", "As above, for the attributes that the domain shows."),
    Metric(
        "frechet",
        "Fréchet distance",
        "lower",
        "Distance to renderings of other faces, for the judge's features; that of the renderings of the same "
        "faces is the lower bound.",
    ),
    Metric("kernel", "Kernel distance", "lower", "The unbiased distance for the same features."),
    Metric("precision", "Precision", "higher", "Share of adapted images that resemble renderings."),
    Metric("recall", "Recall", "higher", "Share of renderings that resemble adapted images."),
    Metric(
        "diversity", "Diversity", "near", "Mean pairwise pixel distance, relative to that before adaptation."
    ),
    Metric(
        "paired_distance",
        "Paired distance",
        "lower",
        "Mean absolute error against the rendering of the same face, relative to that before adaptation.",
    ),
    Metric(
        "own_truth_nearest",
        "Nearest-neighbour accuracy",
        "higher",
        "Share of images whose nearest rendering is that of the same face.",
    ),
)
"""Metrics against renderings, on faces of their own without truncation."""


@dataclass(frozen=True)
class DomainMetrics:
    """The evaluation of one domain.

    Attributes:
        name: name in tables.
        target: texts that Quality was measured with; empty if unknown.
        parameters: number of parameters.
        nonzero: number of nonzero parameters.
        bytes: size of the file, if there is one.
        seconds: time to generate an image.
        values: metrics, by the keys of METRICS; those that could not be measured are absent.
        before: values before adaptation, where meaningful.
        seen_as: the domains that the judge predicts most often, with their shares.
        identity_by_question: agreement for each attribute.
        report: metrics against renderings, if the ground truth is known.
        guided_by_encoder: whether the encoder of Quality and Diversity also guided the training.
        notes: remarks for the reader.
        metadata: the metadata of the domain file, untrusted.
        images: some adapted images, (N, 3, H, W) uint8.
        renderings: renderings of the same faces, if they are known.
    """

    name: str
    target: tuple[str, ...]
    parameters: int
    nonzero: int
    bytes: int | None
    seconds: float
    values: Mapping[str, Estimate]
    before: Mapping[str, float]
    seen_as: Mapping[str, float]
    identity_by_question: Mapping[str, float]
    report: DomainReport | None
    guided_by_encoder: bool
    notes: tuple[str, ...]
    metadata: Mapping[str, Any] = field(repr=False)
    images: Tensor = field(repr=False, compare=False)
    renderings: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def rendering_values(self) -> dict[str, Estimate]:
        """Metrics against renderings, by the keys of RENDERING_METRICS; empty without a report."""
        if self.report is None:
            return {}
        values = {metric.key: getattr(self.report, metric.key) for metric in RENDERING_METRICS}
        return values | {"identity": self.report.identity.agreement}

    @property
    def rendering_bounds(self) -> dict[str, float]:
        """Values of the renderings themselves, by the same keys, where they are known."""
        if self.report is None:
            return {}
        return {
            "accuracy": self.report.accuracy_on_truth,
            "identity": self.report.identity_ceiling,
            "frechet": self.report.frechet_floor,
            "kernel": self.report.kernel_floor,
            "diversity": self.report.diversity_of_truth,
        }

    def to_dict(self) -> dict[str, Any]:
        """Convert to a JSON-serializable dictionary; estimates become {"value", "low", "high"}."""
        return {
            "name": self.name,
            "target": list(self.target),
            "parameters": self.parameters,
            "nonzero": self.nonzero,
            "bytes": self.bytes,
            "seconds_per_picture": self.seconds,
            **{key: asdict(estimate) for key, estimate in self.values.items()},
            **{f"{key}_before": value for key, value in self.before.items()},
            "seen_as": dict(self.seen_as),
            "identity_by_question": dict(self.identity_by_question),
            "report": None if self.report is None else self.report.to_dict(),
            "guided_by_encoder": self.guided_by_encoder,
            "notes": list(self.notes),
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of domains of one generator.

    Attributes:
        domains: in the order given.
        settings: how they were evaluated.
        notes: what was left out, and why.
        skipped: unreadable files of the reference folder, with the reasons.
        before: some images of the unadapted generator, (N, 3, H, W) uint8, of the same faces as the others.
        reference: some images of the reference folder, (N, 3, H, W) uint8, if there is one.
    """

    domains: tuple[DomainMetrics, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    skipped: Mapping[str, str]
    before: Tensor = field(repr=False, compare=False)
    reference: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The METRICS that at least one domain has."""
        return tuple(metric for metric in METRICS if any(metric.key in each.values for each in self.domains))

    @property
    def encoder(self) -> str:
        """The encoder of Quality and Diversity, and which domains it guided; "" without an encoder."""
        name = self.settings.get("encoder")
        guided = [each.name for each in self.domains if each.guided_by_encoder]
        return "" if name is None else f"{name}, which also guided {', '.join(guided)}" if guided else name

    def to_dict(self) -> dict[str, Any]:
        """Convert to a JSON-serializable dictionary."""
        return {
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "skipped": dict(self.skipped),
            "domains": [each.to_dict() for each in self.domains],
        }
