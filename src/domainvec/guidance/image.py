"""Guidance by one picture: which losses, with which weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from domainvec.checks import require_between
from domainvec.errors import InputError
from domainvec.guidance.difa import token_loss
from domainvec.guidance.mindthegap import clip_across_loss, clip_within_loss, pixel_loss
from domainvec.guidance.preservation import Preservation, Terms
from domainvec.guidance.viewing import AdaptedBatch

_SHORTEST_SHIFT = 0.05
_SEE_THE_PICTURE = (
    "clip_across",
    "reference_embedding",
    "reference_pixels",
    "resemblance",
    "tokens",
    "reference_tokens",
)


@dataclass(frozen=True, kw_only=True)
class ImageGuidance:
    """Weights of the losses towards one picture, the reference.

    The picture is inverted into the source domain. Reference images are what the domain makes of the
    inversion; they are compared with the picture itself.

    Attributes:
        clip_across: weight of the direction from the inversion to the picture (Mind the GAP,
            arXiv:2110.08398).
        clip_within: weight of the CLIP-within loss (same paper).
        reference_embedding: weight of one minus the cosine of reference image and picture (same paper).
        reference_pixels: weight of their mean square difference at several resolutions (same paper).
        resemblance: weight of the text losses with the embeddings of inversion and picture in place of texts
            (StyleGAN-NADA, arXiv:2108.00946, section 3.4), seen through the text guidance's views.
        tokens: weight of the attentive style loss on samples (DiFa, arXiv:2207.08736).
        reference_tokens: weight of the same loss on reference images, in place of the paper's LPIPS.
        token_depth: which layer the tokens come from, from 0 for the first to 1 for the last.
        recoloured: share of the reference images that take their fine layers, from the seventh on, from
            another face, so that the picture's colours do not depend on the face (JoJoGAN, arXiv:2112.11641).
        preservation: what is kept of the source images.

    Raises: InputError if a value is out of range.
    """

    clip_across: float = 1.0
    clip_within: float = 0.5
    reference_embedding: float = 30.0
    reference_pixels: float = 10.0
    resemblance: float = 0.0
    tokens: float = 0.0
    reference_tokens: float = 10.0
    token_depth: float = 0.5
    recoloured: float = 0.0
    preservation: Preservation = field(default_factory=Preservation)

    def __post_init__(self) -> None:
        require_between(self, [*_SEE_THE_PICTURE, "clip_within"])
        require_between(self, ["token_depth", "recoloured"], 1.0)
        if not any(getattr(self, name) for name in _SEE_THE_PICTURE):
            raise InputError("all weights that see the picture are 0; set one above 0")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


MIND_THE_GAP = ImageGuidance()
"""One picture as Mind the GAP (arXiv:2110.08398) guides by it, with DiFa's tokens in place of LPIPS."""

FACES_IMAGE = ImageGuidance(
    clip_across=2.0,
    clip_within=0.5,
    reference_embedding=1.0,
    reference_pixels=60.0,
    resemblance=0.4,
    tokens=1.0,
    reference_tokens=2.0,
    recoloured=0.75,
    preservation=Preservation(
        in_domain_angle=1.0, edges=0.5, luminance=1.0, pixel_change=4.0, out_of_range=4.0, l2=0.02
    ),
)
"""For the small bundled encoders: pixels lead, since gradients fool such encoders."""


@dataclass(frozen=True)
class Reference:
    """A picture and its inversion, as one encoder sees them: (1, D), (1, T, C) and (1, D)."""

    picture: Tensor
    tokens: Tensor
    inversion: Tensor


def image_terms(
    guidance: ImageGuidance, picture: Tensor, references: list[Reference], batch: AdaptedBatch
) -> Terms:
    """The losses towards one picture, without resemblance; the mean over the encoders.

    Args:
        guidance: the weights.
        picture: (1, 3, H, W), [-1, 1].
        references: the picture for each encoder.
        batch: adapted images, with the reference images as the further ones.
    """
    assert batch.extra is not None
    values: dict[str, Tensor] = {}
    if guidance.reference_pixels > 0:
        values["reference_pixels"] = pixel_loss(batch.extra, picture)
    share = 1 / len(references)
    for index, reference in enumerate(references):
        for name, loss in _encoder_losses(reference, index, batch).items():
            if getattr(guidance, name) > 0:
                values[name] = values.get(name, torch.zeros((), device=picture.device)) + share * loss()
    return {name: (getattr(guidance, name), value) for name, value in values.items()}


def _encoder_losses(
    reference: Reference, encoder: int, batch: AdaptedBatch
) -> dict[str, Callable[[], Tensor]]:
    """The losses in one encoder by name; only those with a weight are computed."""
    picture, inversion = reference.picture, reference.inversion
    adapted, source = batch.whole(encoder), batch.source.whole[encoder]
    drawn, drawn_tokens = batch.extra_embeddings(encoder)
    return {
        "clip_across": lambda: clip_across_loss(
            adapted, source, picture, inversion, shortest_shift=_SHORTEST_SHIFT
        ),
        "clip_within": lambda: clip_within_loss(adapted, source, picture, inversion),
        "reference_embedding": lambda: (1 - (drawn * picture).sum(1)).mean(),
        "tokens": lambda: token_loss(batch.tokens(encoder), reference.tokens),
        "reference_tokens": lambda: token_loss(drawn_tokens, reference.tokens),
    }
