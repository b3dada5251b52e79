"""Stop rules: what ends a training before its last step, and which of its domains is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.checks import require_between
from domainvec.domains.domain import Domain
from domainvec.errors import InputError
from domainvec.guidance.preservation import edge_loss
from domainvec.guidance.viewing import ImageTextEncoder
from domainvec.seeds import latents

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_PLATEAU_SEED = 3_500_000_000  # first seed of the held-out latents, far from those that users choose
_PLATEAU_SAMPLES = 16
_COPY_SEED = 3_000_000_000
_COPY_SAMPLES = 32
_BATCH = 8
_SMALLEST_EDGE_INPUT = 32  # pixels
_COPY_MAP = 16


class StopRule(Protocol):
    """Observes a training after each step, and may end it."""

    def __call__(self, step: int, domain: Domain) -> str | None:
        """Look at the domain after so many steps; return a reason to stop, or None."""

    @property
    def best_vector(self) -> Tensor:
        """The numbers to keep when this rule has ended the training."""

    def record(self) -> dict[str, Any]:
        """Return what was measured, for JSON."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything needed to go on from here."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Stop once quality no longer improves.

    Quality is the mean cosine of held-out adapted images with the target, in the encoders that guide. It
    shows when nothing moves any more, not how good the result is. Diversity, the mean of one minus the cosine
    between those images as a share of the source's, ends a training that collapses.

    Attributes:
        every: steps between two measurements.
        patience: stop when this many measurements in a row have not improved on the best one.
        least_gain: an improvement counts from this share of the whole gain since the start.
        least_rise: do not stop before quality has risen by this much.
        least_diversity: stop when diversity falls below this share of the source's.

    Raises: InputError if a value is out of range.
    """

    every: int = 10
    patience: int = 3
    least_gain: float = 0.02
    least_rise: float = 0.05
    least_diversity: float = 0.05

    def __post_init__(self) -> None:
        for name in ("every", "patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}, expected a whole number from 1")
        require_between(self, ["least_gain", "least_rise", "least_diversity"], 1.0)


class PlateauRule:
    """Applies a `Plateau` to a training.

    Args:
        settings: when to stop.
        generator: the frozen generator.
        encoders: those that guide.
        wanted: the target's embedding in each encoder, (D,), unit length.
        vector: the domain's numbers at the start.
        resolution: of the images.
    """

    def __init__(
        self,
        settings: Plateau,
        generator: Generator,
        encoders: Sequence[ImageTextEncoder],
        wanted: Sequence[Tensor],
        vector: Tensor,
        resolution: int,
    ) -> None:
        self.settings, self.generator, self.encoders, self.wanted = settings, generator, encoders, wanted
        self.resolution = resolution
        self.best_vector = vector.detach().clone()
        self.best = 0  # index of the best measurement
        device = next(generator.parameters()).device
        seeds = range(_PLATEAU_SEED, _PLATEAU_SEED + _PLATEAU_SAMPLES)
        with torch.no_grad():
            self.w = generator.mapping(latents(seeds, generator.z_dim).to(device))
            self.source = self._draw(None)
            self.spread = [_spread(encoder.encode_images(self.source)) for encoder in encoders]
        self.curve: list[tuple[int, float, float, float]] = [(0, *self._measure(self.source))]

    def __call__(self, step: int, domain: Domain) -> str | None:
        """Measure at every `every` steps."""
        settings = self.settings
        if step % settings.every:
            return None
        with torch.no_grad():
            self.curve.append((step, *self._measure(self._draw(domain))))
        _, quality, diversity, _ = self.curve[-1]
        best_step, best_quality, *_ = self.curve[self.best]
        rise = best_quality - self.curve[0][1]
        if self.best and diversity < settings.least_diversity:
            return f"diversity fell to {diversity:.0%} of the source's: kept the domain of step {best_step}"
        if quality > best_quality + settings.least_gain * max(rise, 0.0):
            self.best = len(self.curve) - 1
            self.best_vector = domain.vector.detach().clone()
        elif rise >= settings.least_rise and len(self.curve) - 1 - self.best >= settings.patience:
            return f"quality has not improved since step {best_step}: kept the domain of that step"
        return None

    def record(self) -> dict[str, Any]:
        """Return the curve."""
        return {
            "curve": [
                {"step": step, "quality": quality, "diversity": diversity}
                | ({} if math.isnan(identity) else {"identity": identity})
                for step, quality, diversity, identity in self.curve
            ]
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return the curve and the best domain so far."""
        return {
            "best_vector": self.best_vector,
            "best": torch.tensor(self.best),
            "curve": torch.tensor(self.curve, dtype=torch.float64),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self.best_vector, self.best = state["best_vector"].to(self.best_vector.device), int(state["best"])
        self.curve = [(int(step), *rest) for step, *rest in state["curve"].tolist()]

    def _draw(self, domain: Domain | None) -> Tensor:
        images = [
            self.generator.synthesis(w, domain, resolution=self.resolution) for w in self.w.split(_BATCH)
        ]
        return torch.cat(images).float()

    def _measure(self, images: Tensor) -> tuple[float, float, float]:
        quality = diversity = 0.0
        for encoder, wanted, spread in zip(self.encoders, self.wanted, self.spread, strict=True):
            embeddings = encoder.encode_images(images).float()
            quality += (embeddings @ wanted.float()).mean().item() / len(self.encoders)
            diversity += _spread(embeddings) / spread / len(self.encoders)
        large = images.shape[-1] >= _SMALLEST_EDGE_INPUT
        identity = 1 - edge_loss(images, self.source).item() if large else math.nan
        return quality, diversity, identity


def _spread(embeddings: Tensor) -> float:
    cosines = embeddings.float() @ embeddings.float().T
    others = ~torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    return max((1 - cosines[others]).mean().item(), 1e-6)


class CopyRule:
    """Ends a training when samples start to copy the training pictures, and goes back one check.

    Args:
        generator: the frozen generator.
        pictures: the training pictures, (M, 3, H, W).
        most: the greatest share of copies.
        nearness: see `share_of_copies`.
        vector: the domain's numbers at the start.
        every: steps between two checks.
        last: number of the last step, after which there is a check in any case.
    """

    def __init__(
        self,
        generator: Generator,
        pictures: Tensor,
        *,
        most: float,
        nearness: float,
        vector: Tensor,
        every: int,
        last: int,
    ) -> None:
        self.generator, self.pictures, self.most, self.nearness = generator, pictures, most, nearness
        self.every, self.last = every, last
        self.best_vector = vector.clone()
        self.curve: list[tuple[int, float]] = []
        device = next(generator.parameters()).device
        seeds = range(_COPY_SEED, _COPY_SEED + _COPY_SAMPLES)
        with torch.no_grad():
            self.w = generator.mapping(latents(seeds, generator.z_dim).to(device))

    def __call__(self, step: int, domain: Domain) -> str | None:
        """Look for copies at every `every` steps and after the last one."""
        if not self.most or (step % self.every and step != self.last):
            return None
        with torch.no_grad():
            images = [self.generator.synthesis(w, domain) for w in self.w.split(_BATCH)]
        share = share_of_copies(torch.cat(images), self.pictures, self.nearness)
        before = self.curve[-1][0] if self.curve else 0
        self.curve.append((step, share))
        if share <= self.most:
            self.best_vector = domain.vector.detach().clone()
            return None
        return (
            f"{share:.0%} of {_COPY_SAMPLES} samples copy a training picture after {step} steps: kept the "
            f"domain of step {before}"
        )

    def record(self) -> dict[str, Any]:
        """Return the share of copies at each check."""
        return {"copies": [{"step": step, "share": share} for step, share in self.curve]}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the checks and the last good domain."""
        return {
            "best_vector": self.best_vector,
            "curve": torch.tensor(self.curve, dtype=torch.float64).reshape(-1, 2),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self.best_vector = state["best_vector"].to(self.best_vector.device)
        self.curve = [(int(step), share) for step, share in state["curve"].tolist()]


def share_of_copies(samples: Tensor, pictures: Tensor, nearness: float) -> float:
    """Share of the samples that copy a training picture.

    Distances are taken at 16 px, mirrored or not: a mirrored copy is a copy.

    Args:
        samples: (N, 3, H, W).
        pictures: the training pictures, (M, 3, H, W), at least two.
        nearness: a sample is a copy if it is nearer to a training picture than this share of the mean
            distance from a training picture to its nearest other one.

    Returns: a share from 0 to 1.
    """
    flat = [F.adaptive_avg_pool2d(each.float().clamp(-1, 1), _COPY_MAP) for each in (samples, pictures)]
    mirrored = torch.cat([flat[1], flat[1].flip(3)]).flatten(1)
    among = torch.cdist(flat[1].flatten(1), flat[1].flatten(1))
    among.fill_diagonal_(math.inf)
    nearest = torch.cdist(flat[0].flatten(1), mirrored).amin(1)
    return (nearest < nearness * among.amin(1).mean()).float().mean().item()
