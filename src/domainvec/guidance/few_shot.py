"""Guidance by a few pictures: which losses, with which weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.embeddings import cosine_matrix
from domainvec.guidance.preservation import Preservation


@dataclass(frozen=True, kw_only=True)
class FewShotGuidance:
    """Weights of the losses towards a few pictures.

    Attributes:
        adversarial: weight of the adversarial loss (StyleGAN2-ADA, arXiv:2006.06676); 0 trains no
            discriminator.
        resemblance: weight of the text losses with the pictures' mean embedding in place of the text's
            (StyleGAN-NADA, arXiv:2108.00946, section 3.4).
        pairs: weight of the difference between some of the pictures and what the domain makes of their
            inversions (after Mind the GAP, arXiv:2110.08398, eq. 3).
        reinversions: how often, evenly over the first half of the steps, the pictures are inverted again
            through the current domain, which knows by then what the pictures have in common.
        distance_consistency: weight of CDC's distance consistency (arXiv:2104.06820) in the encoders'
            embeddings.
        preservation: what is kept of the source images.
        copies: stop when this share of samples copies a training picture; 0 never stops.
        nearness: a sample is a copy if its distance to the nearest training picture is below this share of
            the mean distance between nearest training pictures.

    Raises: InputError if a value is out of range.
    """

    adversarial: float = 1.0
    resemblance: float = 0.0
    pairs: float = 0.0
    reinversions: int = 0
    distance_consistency: float = 0.0
    preservation: Preservation = field(default_factory=lambda: Preservation(out_of_range=4.0, l2=0.02))
    copies: float = 0.3
    nearness: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.reinversions, bool) or not isinstance(self.reinversions, int):
            raise InputError(f"reinversions is {self.reinversions!r}; expected a whole number from 0")
        require_between(self, ["adversarial", "resemblance", "pairs", "reinversions", "distance_consistency"])
        require_between(self, ["copies", "nearness"], 1.0)
        if not (self.adversarial or self.resemblance or self.pairs):
            raise InputError(
                "adversarial, resemblance and pairs are all 0: nothing sees the pictures; set one above 0"
            )

    def reinversion_steps(self, steps: int) -> frozenset[int]:
        """Before which of so many steps, counted from 0, the pictures are inverted again."""
        if not self.pairs:
            return frozenset()
        return frozenset(round(steps * k / (2 * self.reinversions)) for k in range(1, self.reinversions + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


ADVERSARIAL = FewShotGuidance()
"""A few pictures through a discriminator, as StyleGAN2-ADA learns (arXiv:2006.06676)."""

FACES_FEW_SHOT = FewShotGuidance(
    adversarial=0.0,
    resemblance=1.0,
    pairs=100.0,
    reinversions=3,
    preservation=Preservation(
        in_domain_angle=1.0, edges=1.5, luminance=1.0, pixel_change=4.0, out_of_range=4.0, l2=0.001
    ),
)
"""For the small bundled encoders and generators without a discriminator of their own."""


def distance_consistency_loss(target: Tensor, source: Tensor) -> Tensor:
    """Cross-domain distance consistency: adapted images keep their similarities to each other.

    CDC (Ojha et al. 2021), arXiv:2104.06820, eq. 2, with embeddings in place of the generator's activations:
    for each image the Kullback–Leibler divergence of the softmax of its cosines to the others.

    Args:
        target: embeddings of adapted images, unit length, (N, D), N ≥ 3.
        source: those of the same latents' source images, (N, D).

    Returns: scalar ≥ 0.

    Raises: ShapeError if the shapes differ, or there are fewer than three.
    """
    if target.shape != source.shape or target.dim() != 2 or len(target) < 3:
        raise ShapeError(
            f"embeddings have shapes {tuple(target.shape)} and {tuple(source.shape)}; expected the same "
            "(N, D), N at least 3"
        )
    others = ~torch.eye(len(target), dtype=torch.bool, device=target.device)
    after, before = (
        cosine_matrix(each, each)[others].reshape(len(each), -1).log_softmax(1) for each in (target, source)
    )
    return F.kl_div(after, before, log_target=True, reduction="batchmean")
