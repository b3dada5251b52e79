"""Everything that decides what an adaptation to a text gives, besides the networks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from domainvec.adaptation.adversary import ImagesTarget
from domainvec.adaptation.inversion import Inversion
from domainvec.adaptation.precision import Precision
from domainvec.domains.parameterizations import find_parameterization
from domainvec.errors import InputError
from domainvec.guidance.image import ImageGuidance
from domainvec.guidance.settings import Guidance
from domainvec.stylegan2.network import Noise


@dataclass(frozen=True, kw_only=True)
class ImageTarget:
    """A picture to become like.

    Args:
        name: of its file, or any other.
        digest: 16 hexadecimal digits that tell its pixels from others'.
        guidance: weights of the losses.
        text_weight: weight of the text beside it; 0 without a text.
        inversion: how its nearest picture of the source domain is found.

    Raises: InputError if the weight is out of range.
    """

    name: str
    digest: str
    guidance: ImageGuidance
    text_weight: float
    inversion: Inversion

    def __post_init__(self) -> None:
        _require("text_weight", self.text_weight, 0 <= self.text_weight < math.inf, "0 or more")


@dataclass(frozen=True, kw_only=True)
class AdaptationSettings:
    """Settings of an adaptation to a text; they are saved inside the domain file.

    Args:
        target: what the pictures are to become, such as "a pencil sketch"; or several texts for it, whose
            embeddings are averaged; None if pictures alone say it.
        source: what they are, such as "a photo".
        guidance: weights of the losses of a text, and how the encoders look at the pictures.
        image: the picture to become like, and how it guides; None without.
        images: the pictures to become like, and how they guide; None without.
        parameterization: which numbers are trained, a name of `domainvec.domains.PARAMETERIZATIONS`; those of
            low rank may carry another rank, as in "lora:16".
        layers: train the numbers of these layers alone, such as "coarse", "middle,fine" or "0-7"
            (`domainvec.domains.parse_layers`); None for all.
        steps: how many steps of Adam, at most.
        until_knee: end when quality stops to rise (`KneeWatch`).
        batch_size: pictures a step.
        learning_rate: of Adam, at its height.
        betas: of Adam.
        warmup_steps: over how many steps the learning rate rises to its height.
        decay_fraction: over which share of the steps, at the end, it falls to 5 % of it, both linearly.
        style_mixing: probability that a picture mixes the styles of two latents, at a random layer.
        truncation_psi: how far latents are drawn towards the average, 1 not at all.
        noise: the generator's noise, "const", "random" or "none".
        resolution: side in pixels at which synthesis stops; the numbers of layers above it stay zero.
        full_size_fraction: over which share of the steps, at the end, synthesis goes on to full size.
        precision: of feature maps and of the encoders; the numbers trained are float32 in either case.
        source_pool: how many latents pictures are drawn from, or 0 for new ones in every step.
        seed: of all randomness.

    Raises: InputError if a value is out of range; the message names it.
    """

    target: str | tuple[str, ...] | None
    source: str
    guidance: Guidance
    image: ImageTarget | None = None
    images: ImagesTarget | None = None
    parameterization: str
    layers: str | None = None
    steps: int
    until_knee: bool = False
    batch_size: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 0
    decay_fraction: float = 0.0
    style_mixing: float = 0.0
    truncation_psi: float = 1.0
    noise: Noise = "const"
    resolution: int
    full_size_fraction: float = 0.0
    precision: Precision = "float32"
    source_pool: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.target is None:
            if self.image is None and self.images is None:
                raise InputError("there is no target: expected a text, a picture or several")
        elif not isinstance(self.target, str):
            several = tuple(self.target)
            object.__setattr__(self, "target", several[0] if len(several) == 1 else several)
        if self.target is not None:
            _require(
                "target", self.target, bool(self.targets) and all(map(str.strip, self.targets)), "a text"
            )
        _require("source", self.source, bool(self.source.strip()), "a text")
        find_parameterization(self.parameterization)
        _one_of("noise", self.noise, get_args(Noise))
        _one_of("precision", self.precision, get_args(Precision))
        _require("steps", self.steps, _whole(self.steps, 1), "a whole number from 1")
        _require("batch_size", self.batch_size, _whole(self.batch_size, 1), "a whole number from 1")
        self._check_comparisons()
        _require("source_pool", self.source_pool, _whole(self.source_pool, 0), "a whole number from 0")
        if self.source_pool and self.noise == "random":
            raise InputError("source_pool keeps pictures, but noise is 'random': expected 'const' or 'none'")
        if self.until_knee and self.full_size_fraction:
            raise InputError("full_size_fraction needs a last step, but steps is 'auto': expected a number")
        _require("seed", self.seed, _whole(self.seed, 0) and self.seed < 2**63, "from 0 to 2**63 - 1")
        _require("warmup_steps", self.warmup_steps, _whole(self.warmup_steps, 0), "a whole number from 0")
        _require("learning_rate", self.learning_rate, 0 < self.learning_rate < math.inf, "above 0")
        object.__setattr__(self, "betas", tuple(self.betas))
        _require(
            "betas", self.betas, len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "two in [0, 1)"
        )
        for name in ("decay_fraction", "full_size_fraction", "style_mixing", "truncation_psi"):
            value = getattr(self, name)
            _require(name, value, 0 <= value <= 1, "from 0 to 1")

    def _check_comparisons(self) -> None:
        """Raise InputError if a batch has fewer pictures than a term compares with each other."""
        image, images = self.image, self.images
        angle = self.guidance.in_domain_angle
        if image is not None:
            compares = image.guidance.in_domain_angle or image.guidance.tones
        elif images is not None:
            seen_as_texts = self.target is not None or images.adversary.resemblance
            compares = images.adversary.tones or (seen_as_texts and angle)
        else:
            compares = self.guidance.tones or angle
        if self.batch_size == 1 and compares:
            raise InputError(
                "batch_size is 1, but the in-domain angle and the tones compare pictures of a batch: "
                "expected 2 or more, or a guidance without them (in_domain_angle=0, tones=0)"
            )
        if self.batch_size < 3 and images is not None and images.adversary.distances:
            raise InputError(
                f"batch_size is {self.batch_size}, but distance consistency compares pairs of pictures of a "
                "batch: expected 3 or more, or an adversary without it (distances=0)"
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """The texts of the target, none, one or several."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        factor = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decay_steps = self.decay_fraction * self.steps
        if step >= self.steps - decay_steps:
            factor *= max(0.05, (self.steps - step) / decay_steps)
        return self.learning_rate * factor

    def resolution_at(self, step: int) -> int | None:
        """Side in pixels of the pictures of a step, counted from 0; None for the generator's own."""
        return self.resolution if step < self.steps * (1 - self.full_size_fraction) else None

    def to_dict(self) -> dict[str, Any]:
        """Give the settings as what JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in fields(self)} | {
            "target": list(self.target) if isinstance(self.target, tuple) else self.target,
            "guidance": self.guidance.to_dict(),
            "betas": list(self.betas),
        }
        for name in ("until_knee", "full_size_fraction"):
            if not values[name]:
                del values[name]
        for name in ("target", "image", "images"):
            if values[name] is None:
                del values[name]
            elif name != "target":
                values[name] = asdict(values[name])
        return values


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _require(name: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise InputError(f"{name} is {value!r}, expected {expected}")


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    _require(name, value, value in choices, "one of " + ", ".join(choices))
