"""How to train: everything that the training loop needs besides networks and target, as one value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args

import torch

from domainvec.adaptation.precision import Precision, native_precision
from domainvec.adaptation.stopping import Plateau
from domainvec.domains.parameterizations import PARAMETERIZATIONS, find_parameterization
from domainvec.errors import InputError
from domainvec.guidance.text import Guidance, default_guidance
from domainvec.guidance.viewing import ImageTextEncoder
from domainvec.stylegan2.network import Noise

if TYPE_CHECKING:
    from domainvec.adaptation.target import Target
    from domainvec.stylegan2.network import Generator

AnyEncoder = TypeVar("AnyEncoder", bound=ImageTextEncoder)

_FULL_UP_TO = 256  # pixels: generators up to this size are trained at their own


class AdaptationEncoder(ImageTextEncoder, Protocol):
    """What adaptation needs of an encoder besides what guidance does."""

    @property
    def fingerprint(self) -> str:
        """Digits that tell its weights from others."""

    @property
    def image_size(self) -> int:
        """Side of the images that it looks at, in pixels."""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(choices: object) -> str:
    return "one of " + ", ".join(get_args(choices))


def _require(name: str, value: object, fits: bool, expected: str) -> None:
    if not fits:
        raise InputError(f"{name} is {value!r}, expected {expected}")


def _relative(learning_rate: float) -> dict[str, float]:
    """Learning rates of all parameterizations in the ratios of the papers."""
    return {name: learning_rate * each.relative_learning_rate for name, each in PARAMETERIZATIONS.items()}


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of the training loop; they are saved in every domain file.

    Attributes:
        parameterization: which numbers are trained, a name of `domainvec.domains.PARAMETERIZATIONS`; those of
            low rank may carry another rank, as in "lora:16".
        layers: train only these layers: coarse (0-3), middle (4-7), fine (from 8), numbers and ranges,
            separated by commas (`domainvec.domains.parse_layers`); None for all.
        steps: number of steps, at most.
        plateau: stop once quality no longer improves; None to take all steps.
        batch_size: images per step.
        learning_rate: peak learning rate of Adam; or one for each parameterization, by name.
        betas: of Adam.
        forget_first_gradient: let Adam forget the gradient of its first step. Images and their sources are
            equal then, and the direction's gradient is many times what it is later, which Adam would remember
            for hundreds of steps (docs/published.md).
        warmup_steps: steps over which the learning rate rises to its peak.
        decay_fraction: share of the steps, at the end, over which it falls to 5 % of the peak. Both are
            linear.
        style_mixing: probability that an image mixes the styles of two latents at a random layer.
        truncation_psi: how far latents are drawn towards the mean; 1 for not at all.
        noise: the generator's noise, "const", "random" or "none".
        shared_draws: draw random noise and style mixing once for an image and its source. Otherwise each has
            its own, and the style mixing of a step is one for its whole batch, as in HyperDomainNet's code:
            one decision whether to mix, and for adapted and source images one layer each.
        resolution: side in pixels at which synthesis stops, or "full" for the generator's own; layers above
            it are not trained. None trains up to 256 px at full resolution, and larger generators at the
            smallest power of two, from 256, that fills what the encoders look at.
        full_size_fraction: share of the steps, at the end, in which synthesis goes on to full resolution.
        precision: of feature maps and encoders, "float32" or "bfloat16"; None for bfloat16 on machines that
            compute in it. The trained numbers are float32 either way.
        source_pool: number of latents to train on, whose source images are embedded once and cached; 0 draws
            new latents in every step.
        seed: of all random numbers, from 0 to 2**63 - 1.

    Raises: InputError if a value is out of range.
    """

    parameterization: str = "modulation"
    layers: str | None = None
    steps: int = 300
    plateau: Plateau | None = None
    batch_size: int = 4
    learning_rate: float | Mapping[str, float] = dataclasses.field(default_factory=lambda: _relative(0.1))
    betas: tuple[float, float] = (0.9, 0.999)
    forget_first_gradient: bool = False
    warmup_steps: int = 0
    decay_fraction: float = 0.0
    style_mixing: float = 0.0
    truncation_psi: float = 1.0
    noise: Noise = "const"
    shared_draws: bool = True
    resolution: int | Literal["full"] | None = None
    full_size_fraction: float = 0.0
    precision: Precision | None = None
    source_pool: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        find_parameterization(self.parameterization)
        for name, least in (("steps", 1), ("batch_size", 1), ("warmup_steps", 0), ("source_pool", 0)):
            value = getattr(self, name)
            _require(name, value, _is_whole(value) and value >= least, f"a whole number from {least}")
        _require("noise", self.noise, self.noise in get_args(Noise), _one_of(Noise))
        formats = (None, *get_args(Precision))
        _require("precision", self.precision, self.precision in formats, _one_of(Precision))
        _require("seed", self.seed, _is_whole(self.seed) and 0 <= self.seed < 2**63, "from 0 to 2**63 - 1")
        if not isinstance(self.learning_rate, Mapping):
            rate = self.learning_rate
            _require("learning_rate", rate, _is_number(rate) and 0 < rate < math.inf, "above 0")
        betas_fit = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        _require("betas", self.betas, betas_fit, "two numbers in [0, 1)")
        for name in ("decay_fraction", "full_size_fraction", "style_mixing", "truncation_psi"):
            value = getattr(self, name)
            _require(name, value, _is_number(value) and 0 <= value <= 1, "from 0 to 1")
        if self.source_pool and self.noise == "random":
            raise InputError("source_pool keeps images, but noise is 'random': expected 'const' or 'none'")
        if self.source_pool and not self.shared_draws:
            raise InputError("source_pool keeps images, but shared_draws is False: expected True")
        if self.plateau is not None and self.full_size_fraction:
            raise InputError("full_size_fraction needs a last step, but steps is 'auto': expected a number")

    @classmethod
    def for_encoder(
        cls,
        encoder: ImageTextEncoder | Sequence[ImageTextEncoder],
        target: Target | None = None,
        guidance: Guidance | None = None,
    ) -> Training:
        """Choose the training that suits the encoders.

        Args:
            encoder: one encoder or several.
            target: what to adapt to; a text by default.
            guidance: the guidance of a text, if it is not the encoders' own.
        """
        encoders = as_encoders(encoder)
        guidance = default_guidance(encoders) if guidance is None else guidance
        if guidance.augmentation is not None:
            return ROBUST_TRAINING
        return PUBLISHED_TRAINING if target is None else target.published_training

    def replace(self, **changes: Any) -> Training:  # noqa: ANN401 -- the types of the fields
        """Return a copy with other values.

        Besides the fields' own types, `steps` may be "auto": stop at the plateau, after twice the steps at
        the latest, at a constant learning rate. Random noise and draws that are not shared go
        without a source pool by default.

        Raises: InputError for an unknown name or a value out of range.
        """
        names = [field.name for field in fields(self)]
        if unknown := changes.keys() - set(names):
            raise InputError(f"training has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
        if changes.get("noise") == "random" or changes.get("shared_draws") is False:
            changes.setdefault("source_pool", 0)
        if changes.get("steps") == "auto":
            automatic = {"plateau": Plateau(), "decay_fraction": 0.0}
            changes = {**automatic, **changes, "steps": 2 * self.steps}
        elif isinstance(changes.get("steps"), str):
            raise InputError(f"steps is {changes['steps']!r}, expected a number or 'auto'")
        return dataclasses.replace(self, **changes)

    def resolve(self, generator: Generator, encoders: Sequence[AdaptationEncoder]) -> Training:
        """Return a copy in which everything that depends on generator, encoders and machine is decided.

        Raises: InputError if the generator has no such resolution.
        """
        rate = self.learning_rate
        if isinstance(rate, Mapping):
            name = self.parameterization.partition(":")[0]
            if name not in rate and "modulation" not in rate:
                raise InputError(f"learning_rate has no rate for {name!r}, only for {', '.join(rate)}")
            # A parameterization that was added later has its ratio to the domain vector.
            relative = find_parameterization(name).relative_learning_rate
            rate = rate[name] if name in rate else rate["modulation"] * relative
        return dataclasses.replace(
            self,
            learning_rate=rate,
            resolution=training_resolution(self.resolution, generator, encoders),
            precision=self.precision or native_precision(next(generator.parameters()).device),
        )

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        assert not isinstance(self.learning_rate, Mapping), "resolve() chooses one"
        factor = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decay_steps = self.decay_fraction * self.steps
        if step >= self.steps - decay_steps:
            factor *= max(0.05, (self.steps - step) / decay_steps)
        return self.learning_rate * factor

    def resolution_at(self, step: int) -> int | None:
        """Side in pixels of the images of a step, counted from 0; None for the generator's own."""
        assert isinstance(self.resolution, int), "resolve() chooses one"
        return self.resolution if step < self.steps * (1 - self.full_size_fraction) else None

    @property
    def dtype(self) -> torch.dtype | None:
        """Type of the feature maps, as `Generator.synthesis` takes it."""
        return torch.bfloat16 if self.precision == "bfloat16" else None

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which encoders compute."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        values = asdict(self)
        values["betas"] = list(self.betas)
        if self.plateau is None:
            del values["plateau"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Training:
        """Build from plain values, as `to_dict` gives them and a domain's metadata holds them.

        Raises: InputError for an unknown name or a value out of range.
        """
        plain = dict(values)
        if plain.get("plateau") is not None:
            plain["plateau"] = Plateau(**plain["plateau"])
        return cls().replace(**plain)


def as_encoders(encoder: AnyEncoder | Sequence[AnyEncoder]) -> tuple[AnyEncoder, ...]:
    """Return one encoder or several as a tuple.

    Raises: InputError if it is a name.
    """
    if isinstance(encoder, str):
        raise InputError(f"encoder is the text {encoder!r}: load it with Encoder.from_pretrained first")
    return tuple(encoder) if isinstance(encoder, Sequence) else (encoder,)


def training_resolution(
    wanted: int | Literal["full"] | None, generator: Generator, encoders: Sequence[AdaptationEncoder]
) -> int:
    """Side in pixels at which images are drawn in training (`Training.resolution`).

    Raises: InputError if the generator has no such resolution.
    """
    if wanted == "full" or (wanted is None and generator.resolution <= _FULL_UP_TO):
        return generator.resolution
    if wanted is None:
        needed = max([_FULL_UP_TO, *(encoder.image_size for encoder in encoders)])
        return min(generator.resolution, 1 << (needed - 1).bit_length())
    allowed = [4 << k for k in range(len(generator.rgb_channels))]
    if wanted not in allowed:
        raise InputError(f"resolution is {wanted!r}, expected 'full' or one of {allowed}")
    return wanted


PUBLISHED_TRAINING = Training(style_mixing=0.9, forget_first_gradient=True)
"""A domain vector towards a text with the settings of HyperDomainNet (arXiv:2210.08884), but shared draws."""

PUBLISHED_IMAGE_TRAINING = Training(style_mixing=0.9, learning_rate=_relative(0.01))
"""A domain vector towards one picture as HyperDomainNet (arXiv:2210.08884) trains it."""

ROBUST_TRAINING = Training(
    parameterization="modulation+rgb",
    steps=240,
    batch_size=8,
    learning_rate={
        **_relative(0.05),
        "modulation": 0.15,
        "stylespace": 0.25,
        "stylespace+rgb": 0.25,
        "stylespace-sparse": 0.25,
        "affine": 0.003,
        "affine-light+": 0.003,
        "lora": 0.01,
    },
    warmup_steps=10,
    decay_fraction=0.4,
    source_pool=256,
)
"""For small encoders, whatever guides: the noise of their random views asks for more images per step, and for
a decay. The learning rates are those that served best for a text (docs/fidelity.md)."""

PUBLISHED_FEW_SHOT_TRAINING = ROBUST_TRAINING.replace(steps=300, learning_rate=_relative(0.02), source_pool=0)
"""A few pictures, adversarially; the learning rate is that of StyleDomain (arXiv:2212.10229)."""
