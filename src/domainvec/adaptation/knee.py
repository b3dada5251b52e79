"""How many steps are enough: a watch that ends a run at the knee of its curve."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from domainvec.adaptation.training import Progress
from domainvec.domains.domain import Domain
from domainvec.guidance.robust import edge_loss
from domainvec.guidance.viewing import ImageTextEncoder
from domainvec.seeds import latents

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_HELD_OUT = 16  # pictures
_FIRST_SEED = 3_500_000_000  # of theirs, far from anybody's
_AT_ONCE = 8
_SMALLEST = 32  # pixels, for edge maps


class KneeWatch:
    """Watches quality, diversity and identity on held-out latents, and ends a run at the knee.

    The knee is where quality stops to rise: when each of the last `patience` checks has brought less than
    `least_gain` of all that was gained, the run ends with the domain of the check before them. It also ends,
    one check back, when diversity falls below `least_diversity`.

    Quality is the mean cosine of the adapted pictures and what is wanted, in the encoders that guide: it says
    when nothing moves any more, not how good the result is. Diversity is the mean over pairs of pictures of
    one minus the cosine of their embeddings, as a share of the source's. Identity is the mean correlation of
    edge maps with those of the source pictures, at 16 px; it is recorded alone.

    Args:
        generator: the frozen generator.
        encoders: what guides.
        wanted: for each encoder the embedding of the target, unit length, (D,).
        vector: the numbers in the beginning.
        resolution: of the pictures.
        every: steps between two checks.
        patience: how many checks without a gain end the run.
        least_gain: of a check, as a share of the gain since the beginning.
        least_diversity: as a share of the source's.
    """

    def __init__(
        self,
        generator: Generator,
        encoders: Sequence[ImageTextEncoder],
        wanted: Sequence[Tensor],
        vector: Tensor,
        *,
        resolution: int,
        every: int = 10,
        patience: int = 3,
        least_gain: float = 0.05,
        least_diversity: float = 0.4,
    ) -> None:
        self.generator, self.encoders, self.wanted, self.resolution = generator, encoders, wanted, resolution
        self.every, self.patience = every, patience
        self.least_gain, self.least_diversity = least_gain, least_diversity
        self.kept = vector.detach().clone()[None]  # the vectors of the last checks, the latest one last
        self.back = 0  # how many checks back the chosen one is
        device = next(generator.parameters()).device
        seeds = range(_FIRST_SEED, _FIRST_SEED + _HELD_OUT)
        with torch.no_grad():
            self.w = generator.mapping(latents(seeds, generator.z_dim).to(device))
            self.source = self._draw(None)
            self.spread = [_spread(encoder.encode_images(self.source)) for encoder in encoders]
        self.curve: list[tuple[int, float, float, float]] = [(0, *self._measure(self.source))]

    def __call__(self, progress: Progress, domain: Domain) -> str | None:
        """Measure now and then; a reason ends the run."""
        if progress.step % self.every:
            return None
        with torch.no_grad():
            self.curve.append((progress.step, *self._measure(self._draw(domain))))
        self.kept = torch.cat([self.kept, domain.vector.detach()[None]])[-self.patience - 1 :]
        if self.curve[-1][2] < self.least_diversity:
            self.back = 1
            return (
                f"diversity fell to {self.curve[-1][2]:.0%} of the source's; the domain is that of step "
                f"{self.curve[-2][0]}"
            )
        qualities = [quality for _, quality, _, _ in self.curve]
        gains = [after - before for before, after in itertools.pairwise(qualities)][-self.patience :]
        gained = max(qualities) - qualities[0]
        if len(self.curve) > self.patience + 1 and all(gain < self.least_gain * gained for gain in gains):
            self.back = self.patience
            knee = self.curve[-1 - self.patience][0]
            return f"quality has not risen since step {knee}; the domain is that of this step"
        return None

    def choose(self, progress: Progress) -> Tensor:
        """The vector at the knee, or the last one if there was none."""
        return self.kept[-1 - self.back] if progress.stopped else progress.vector

    def record(self) -> dict[str, Any]:
        """The curve."""
        return {
            "curve": [
                {"step": step, "quality": quality, "diversity": diversity}
                | ({} if math.isnan(identity) else {"identity": identity})
                for step, quality, diversity, identity in self.curve
            ]
        }

    def state(self) -> dict[str, Tensor]:
        """What has been seen."""
        return {
            "kept": self.kept,
            "curve": torch.tensor(self.curve, dtype=torch.float64),
            "back": torch.tensor(self.back),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.kept, self.back = state["kept"].to(self.kept.device), int(state["back"])
        self.curve = [(int(step), *rest) for step, *rest in state["curve"].tolist()]

    def _draw(self, domain: Domain | None) -> Tensor:
        parts = [
            self.generator.synthesis(w, domain, resolution=self.resolution) for w in self.w.split(_AT_ONCE)
        ]
        return torch.cat(parts).float()

    def _measure(self, images: Tensor) -> tuple[float, float, float]:
        quality = diversity = 0.0
        for encoder, wanted, spread in zip(self.encoders, self.wanted, self.spread, strict=True):
            embeddings = encoder.encode_images(images).float()
            quality += (embeddings @ wanted.float()).mean().item() / len(self.encoders)
            diversity += _spread(embeddings) / spread / len(self.encoders)
        large = images.shape[-1] >= _SMALLEST
        identity = 1 - edge_loss(images, self.source).item() if large else math.nan
        return quality, diversity, identity


def _spread(embeddings: Tensor) -> float:
    cosines = embeddings.float() @ embeddings.float().T
    others = ~torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    return max((1 - cosines[others]).mean().item(), 1e-6)
