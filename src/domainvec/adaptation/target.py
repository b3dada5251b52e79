"""Targets: what the generator's images are to become. Targets add up and can be weighted.

A target describes and validates itself, and prepares an objective: the losses of a training step.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, SupportsFloat

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.adaptation.training import PUBLISHED_TRAINING, AdaptationEncoder, Training
from domainvec.errors import InputError
from domainvec.guidance.preservation import Preservation, Terms
from domainvec.guidance.text import Guidance
from domainvec.guidance.viewing import AdaptedBatch, Needs

if TYPE_CHECKING:
    from domainvec.adaptation.inversion import InversionStep
    from domainvec.adaptation.stopping import StopRule
    from domainvec.domains.domain import Domain
    from domainvec.stylegan2.network import Generator


@dataclass(frozen=True)
class Setting:
    """What targets prepare their objectives for.

    Attributes:
        generator: the frozen generator.
        encoders: those that guide; may be empty for adversarial training.
        guidance: the guidance of texts, from which the other kinds of guidance follow.
        training: the resolved settings of the loop.
        start: the domain's numbers before the first step, (P,).
        preservation: what is kept of the source images.
    """

    generator: Generator
    encoders: Sequence[AdaptationEncoder]
    guidance: Guidance
    training: Training
    start: Tensor
    preservation: Preservation = field(default_factory=Preservation)

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        return self.start.device


class Objective:
    """The losses towards one target. Subclasses override what they need.

    `__call__` is a pure function of the batch. Whatever changes from step to step happens in `prepare`,
    `before_step` and `update`, and is part of `state_dict`.
    """

    needs: Needs = Needs()

    def changes_at(self, step: int) -> bool:
        """Whether the state changes in a step, which then cannot be taken again if it is interrupted."""
        return False

    def prepare(self) -> Iterator[InversionStep]:
        """Do what has to be done once before the first step, a piece at a time."""
        return iter(())

    def before_step(self, step: int, domain: Domain) -> Iterator[InversionStep]:
        """Do what has to be done before a step, given the domain as it is."""
        return iter(())

    def extra_latents(self, step: int) -> Tensor | None:
        """Latents of the target's own, (M, num_ws, w_dim), to draw through the domain in this step."""
        return None

    def update(self, batch: AdaptedBatch, step: int) -> None:
        """Learn from the adapted images, before the losses are computed."""

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        """Compute the weighted losses of a batch."""
        raise NotImplementedError

    def target_embeddings(self) -> list[Tensor]:
        """For each encoder the embedding of the target, (D,), unit length; what `Plateau` measures by."""
        raise NotImplementedError

    def stop_rules(self) -> dict[str, StopRule]:
        """Rules of the target's own that may end the training."""
        return {}

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return everything that changes from step to step; empty for objectives without a state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""


class Target:
    """Something to adapt to; `a + 0.5 * b` adapts to both.

    Attributes:
        kind: its name in descriptions and in the names of loss terms.
        precedence: whose preservation counts in a sum: that of the target with the highest.
        published_training: the training that its paper used.
        full_size: whether it needs images at the generator's full resolution.
        needs_encoder: whether it can do without an encoder.
    """

    kind: ClassVar[str]
    precedence: ClassVar[int] = 0
    published_training: Training = PUBLISHED_TRAINING
    full_size: ClassVar[bool] = False
    weight: float = 1.0

    @property
    def parts(self) -> tuple[Target, ...]:
        """The single targets of a sum, each with its weight."""
        return (self,)

    @property
    def label(self) -> str:
        """A short name for people."""
        raise NotImplementedError

    def preservation(self, guidance: Guidance) -> Preservation:
        """What is kept of the source images by default; nothing unless a subclass says so."""
        return Preservation()

    def check(self, setting: Setting) -> None:
        """Raise InputError if the target cannot be trained this way."""

    def describe(self, setting: Setting) -> dict[str, Any]:
        """Return everything that decides the losses, for JSON."""
        raise NotImplementedError

    def objective(self, setting: Setting) -> Objective:
        """Prepare the losses."""
        raise NotImplementedError

    def __add__(self, other: Target) -> Target:
        return Sum((*self.parts, *other.parts)) if isinstance(other, Target) else NotImplemented

    def __mul__(self, weight: SupportsFloat) -> Target:
        if not isinstance(weight, Real):
            return NotImplemented
        if not (0 <= float(weight) < math.inf):
            raise InputError(f"the weight of a target is {weight}, expected a finite number, 0 or more")
        scaled = copy.copy(self)
        scaled.weight = self.weight * float(weight)
        return scaled

    __rmul__ = __mul__


class Sum(Target):
    """Several targets at once, each with its weight."""

    kind = "sum"

    def __init__(self, parts: Sequence[Target]) -> None:
        self._parts = tuple(parts)

    @property
    def parts(self) -> tuple[Target, ...]:
        """The single targets."""
        return self._parts

    @property
    def label(self) -> str:
        """All labels."""
        return " and ".join(part.label for part in self.parts)

    @property
    def main(self) -> Target:
        """The part with the highest precedence, whose training and preservation the sum takes."""
        counting = [part for part in self.parts if part.weight > 0] or self.parts
        return max(counting, key=lambda part: part.precedence)

    @property
    def published_training(self) -> Training:  # type: ignore[override]
        """That of the main part."""
        return self.main.published_training

    @property
    def full_size(self) -> bool:  # type: ignore[override]
        """Whether a part needs full resolution."""
        return any(part.full_size for part in self.parts if part.weight > 0)

    def preservation(self, guidance: Guidance) -> Preservation:
        """That of the main part."""
        return self.main.preservation(guidance)

    def __mul__(self, weight: SupportsFloat) -> Target:
        return Sum([part * weight for part in self.parts])

    __rmul__ = __mul__


def prepare_objective(target: Target, setting: Setting) -> Objective:
    """Prepare the losses towards a target, which may be a sum.

    Raises: InputError if all weights are 0.
    """
    alone = len(target.parts) == 1 and target.parts[0].weight == 1
    return target.parts[0].objective(setting) if alone else WeightedObjectives(target, setting)


class WeightedObjectives(Objective):
    """The losses towards all parts of a target.

    In a sum, the names of terms begin with the kind of the part, such as `text_direction`.

    Args:
        target: one target or a sum.
        setting: what to prepare for.

    Raises: InputError if all weights are 0.
    """

    def __init__(self, target: Target, setting: Setting) -> None:
        parts = [part for part in target.parts if part.weight > 0]
        if not parts:
            raise InputError("the target's weights are all 0: set one above 0")
        self._parts: dict[str, tuple[float, Objective]] = {}
        kinds = [part.kind for part in parts]
        for index, part in enumerate(parts):
            number = str(kinds[: index + 1].count(part.kind)) if kinds.count(part.kind) > 1 else ""
            prefix = f"{part.kind}{number}_" if len(target.parts) > 1 else ""
            self._parts[prefix] = part.weight, part.objective(setting)
        for _, objective in self._parts.values():
            self.needs = self.needs | objective.needs
        self._extra: dict[str, slice] = {}

    def changes_at(self, step: int) -> bool:
        """Whether the state of a part does."""
        return any(objective.changes_at(step) for _, objective in self._parts.values())

    def prepare(self) -> Iterator[InversionStep]:
        """Prepare one part after the other."""
        for _, objective in self._parts.values():
            yield from objective.prepare()

    def before_step(self, step: int, domain: Domain) -> Iterator[InversionStep]:
        """Ask one part after the other."""
        for _, objective in self._parts.values():
            yield from objective.before_step(step, domain)

    def extra_latents(self, step: int) -> Tensor | None:
        """Concatenate what the parts ask for."""
        self._extra, latents, first = {}, [], 0
        for prefix, (_, objective) in self._parts.items():
            if (own := objective.extra_latents(step)) is not None:
                self._extra[prefix] = slice(first, first + len(own))
                latents.append(own)
                first += len(own)
        return torch.cat(latents) if latents else None

    def update(self, batch: AdaptedBatch, step: int) -> None:
        """Let each part learn."""
        for _, objective in self._parts.values():
            objective.update(batch, step)

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        """All terms, their weights multiplied with those of the parts."""
        return {
            f"{prefix}{name}": (weight * own, value)
            for prefix, (weight, objective) in self._parts.items()
            for name, (own, value) in objective(batch.part(self._extra.get(prefix)), step).items()
        }

    def target_embeddings(self) -> list[Tensor]:
        """The weighted mean of the parts'."""
        rows = zip(*(objective.target_embeddings() for _, objective in self._parts.values()), strict=True)
        weights = [weight for weight, _ in self._parts.values()]
        return [
            F.normalize(torch.stack([w * e for w, e in zip(weights, row, strict=True)]).sum(0), dim=0)
            for row in rows
        ]

    def stop_rules(self) -> dict[str, StopRule]:
        """The rules of all parts."""
        return {
            f"{prefix}{name}": rule
            for prefix, (_, objective) in self._parts.items()
            for name, rule in objective.stop_rules().items()
        }

    def state_dict(self) -> Mapping[str, Tensor]:
        """The states of all parts."""
        return {
            f"{prefix}.{name}": value
            for prefix, (_, objective) in self._parts.items()
            for name, value in objective.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back the states of all parts."""
        for prefix, (_, objective) in self._parts.items():
            objective.load_state_dict(sub_state(state, prefix))


def sub_state(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Entries of a state under `prefix.`, without it."""
    mark = f"{prefix}."
    return {name.removeprefix(mark): value for name, value in state.items() if name.startswith(mark)}
