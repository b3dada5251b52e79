"""The figures of domains, side by side: what each is called, means, and is for one domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from domainvec.evaluation.estimate import Estimate
from domainvec.evaluation.report import DomainReport


@dataclass(frozen=True)
class Figure:
    """What a column of the table is."""

    key: str
    title: str
    better: Literal["higher", "lower", "near"]
    meaning: str


FIGURES = (
    Figure(
        "quality",
        "Quality",
        "higher",
        "Mean cosine of the adapted pictures and the target text, in the encoder named under the settings. "
        "From -1 to 1; comparable within one encoder only, and flattering if that encoder guided.",
    ),
    Figure(
        "diversity",
        "Diversity",
        "near",
        "Mean over pairs of pictures of one minus the cosine of their embeddings. 0 means that all pictures "
        "are alike; the value before is what the generator had.",
    ),
    Figure(
        "frechet",
        "Fréchet distance",
        "lower",
        "Distance of the adapted pictures to the reference folder, in the features named under the settings. "
        "It is the FID only with Inception's features. Few pictures make it too large: compare values at "
        "equal numbers of pictures.",
    ),
    Figure(
        "kernel",
        "Kernel distance",
        "lower",
        "The squared maximum mean discrepancy to the reference folder with a cubic kernel, in the same "
        "features (the KID with Inception's). Unbiased, so the better one for few pictures; equal sets give "
        "about 0.",
    ),
    Figure(
        "lpips",
        "LPIPS",
        "near",
        "Mean perceptual distance of two adapted pictures: diversity as people see it. 0 means that all "
        "pictures are alike.",
    ),
    Figure(
        "identity",
        "Identity",
        "higher",
        "Share of attributes (hair, glasses, smile, ...) that the judge reads off a face alike before and "
        "after. Different faces agree in many, so chance is far above 0.",
    ),
    Figure(
        "accuracy",
        "Domain accuracy",
        "higher",
        "Share of the adapted pictures that the judge, a network that guidance never saw, takes for the "
        "domain.",
    ),
)
"""Of the sample."""

TRUTH_FIGURES = (
    Figure("accuracy", "Domain accuracy", "higher", "As above; the truth's own is what can be reached."),
    Figure("identity", "Identity", "higher", "As above, asked of what the domain shows."),
    Figure(
        "frechet",
        "Fréchet distance",
        "lower",
        "To true drawings of other faces, in the judge's features; that of the truth is the floor.",
    ),
    Figure("kernel", "Kernel distance", "lower", "The same, unbiased."),
    Figure("precision", "Precision", "higher", "Share of adapted pictures that look like true drawings."),
    Figure("recall", "Recall", "higher", "Share of true drawings that look like adapted pictures."),
    Figure("diversity", "Diversity", "near", "Spread of the pixels, as a share of that before."),
    Figure(
        "paired_distance",
        "Paired distance",
        "lower",
        "Pixel distance to the true drawing of the same face; 1 is doing nothing.",
    ),
    Figure(
        "own_truth_nearest",
        "Own truth nearest",
        "higher",
        "Share of pictures that are nearest to the true drawing of their own face.",
    ),
)
"""Against the true drawings of the face world, on faces of their own at truncation 1."""


@dataclass(frozen=True)
class DomainFigures:
    """What was measured of one domain.

    Attributes:
        name: what the tables call it.
        target: the texts that it was measured against; empty if none is known.
        parameters: how many numbers it has.
        nonzero: how many of them are not zero.
        bytes: size of its file, or None if it has none.
        seconds: for drawing one picture.
        figures: by the keys of FIGURES, those that could be measured.
        before: the same of the unadapted pictures, where it means anything.
        seen_as: the domains that the judge takes most pictures for, with their shares.
        identity_by_question: share of agreement for each attribute.
        report: the measures against true drawings, if the world's domain was named.
        guided_by_encoder: whether the encoder of Quality and Diversity also guided it.
        notes: what a reader has to know.
        metadata: what the file says of itself; anyone may have written it.
        pictures: some of the adapted pictures, (N, 3, H, W) uint8.
        truth: true drawings of the same faces, where the world's domain was named and they are known.
    """

    name: str
    target: tuple[str, ...]
    parameters: int
    nonzero: int
    bytes: int | None
    seconds: float
    figures: Mapping[str, Estimate]
    before: Mapping[str, float]
    seen_as: Mapping[str, float]
    identity_by_question: Mapping[str, float]
    report: DomainReport | None
    guided_by_encoder: bool
    notes: tuple[str, ...]
    metadata: Mapping[str, Any] = field(repr=False)
    pictures: Tensor = field(repr=False, compare=False)
    truth: Tensor | None = field(default=None, repr=False, compare=False)

    def truth_figures(self) -> dict[str, Estimate]:
        """What the report says, by the keys of TRUTH_FIGURES; empty without one."""
        if self.report is None:
            return {}
        values = {figure.key: getattr(self.report, figure.key) for figure in TRUTH_FIGURES}
        return values | {"identity": self.report.identity.agreement}

    def truth_reaches(self) -> dict[str, float]:
        """What the true drawings themselves reach, by the same keys, where it is known."""
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
        """Plain values for JSON; an estimate is {"value", "low", "high"}, what was not measured is absent."""
        return {
            "name": self.name,
            "target": list(self.target),
            "parameters": self.parameters,
            "nonzero": self.nonzero,
            "bytes": self.bytes,
            "seconds_per_picture": self.seconds,
            **{key: asdict(estimate) for key, estimate in self.figures.items()},
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
    """Domains of one generator, measured alike.

    Attributes:
        domains: in the order given.
        settings: what they were measured with, in words and numbers.
        notes: what was left out and why.
        skipped: files of the reference folder that are no pictures, each with the reason.
        before: some pictures of the generator itself, (N, 3, H, W) uint8, the faces of `pictures`.
        reference: some of the reference folder's pictures, (N, 3, H, W) uint8, if there was one.
    """

    domains: tuple[DomainFigures, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    skipped: Mapping[str, str]
    before: Tensor = field(repr=False, compare=False)
    reference: Tensor | None = field(default=None, repr=False, compare=False)

    def measured(self) -> tuple[Figure, ...]:
        """Those of FIGURES that any of the domains has."""
        return tuple(figure for figure in FIGURES if any(figure.key in each.figures for each in self.domains))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "skipped": dict(self.skipped),
            "domains": [each.to_dict() for each in self.domains],
        }
