"""Guidance by one picture: which terms, with which weights, and their sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor

from domainvec.checks import require_between
from domainvec.errors import InputError
from domainvec.guidance.difa import token_loss
from domainvec.guidance.hyperdomainnet import in_domain_angle_loss
from domainvec.guidance.mindthegap import clip_across_loss, clip_within_loss, pixel_loss
from domainvec.guidance.objective import Objective
from domainvec.guidance.robust import pixel_terms
from domainvec.guidance.settings import Guidance
from domainvec.guidance.viewing import ImageTextEncoder, Seen

_SHORTEST_SHIFT = 0.05
_SEE_THE_STYLE = (
    "across",
    "reference_embedding",
    "reference_pixels",
    "resemblance",
    "tokens",
    "reference_tokens",
)


class TokenEncoder(ImageTextEncoder, Protocol):
    """An encoder that also says what it sees in each patch; `domainvec.Encoder` is one."""

    def encode_images_and_tokens(self, images: Tensor, depth: float = 0.5) -> tuple[Tensor, Tensor]:
        """Embed (N, 3, H, W) to unit length (N, D), and give tokens (N, T, C) of a layer."""


@dataclass(frozen=True, kw_only=True)
class ImageGuidance:
    """Weights of the terms that see the style image, and of those that keep the source's faces.

    Attributes:
        across: weight of the direction from the style image's inversion to the style image (Mind the GAP,
            arXiv:2110.08398).
        within: weight of the CLIP-within loss (same paper).
        reference_embedding: weight of one minus the cosine of the adapted inversion and the style image (same
            paper).
        reference_pixels: weight of their mean square difference at several resolutions (same paper).
        resemblance: weight of the guidance from the inversion to the style image as from one text to another
            (StyleGAN-NADA, arXiv:2108.00946), with a text's terms and random views.
        tokens: weight of the attentive style loss on samples (DiFa, arXiv:2207.08736).
        reference_tokens: weight of the same between the adapted inversion and the style image, in place of
            the paper's LPIPS.
        token_depth: which layer the tokens come from, as a share of all.
        recoloured: share of the reference pictures whose latents from the seventh on are those of another
            face. All of them are to become the style image, so that its colours do not depend on the face's
            (JoJoGAN, arXiv:2112.11641).
        in_domain_angle: weight of the in-domain angle loss (HyperDomainNet, arXiv:2210.08884).
        edges: weight of the edge-map correlation at 16 px with the source picture.
        tones: weight of the correlation, over the batch, of how light the pictures are where.
        changed: weight of the share of pixels that changed, softly counted.
        chroma: weight of the penalty on new colour variation.
        out_of_range: weight of the penalty on pixels beyond [-1, 1].
        l2: weight of the mean square of the domain's numbers.
    """

    across: float = 1.0
    within: float = 0.5
    reference_embedding: float = 30.0
    reference_pixels: float = 10.0
    resemblance: float = 0.0
    tokens: float = 0.0
    reference_tokens: float = 10.0
    token_depth: float = 0.5
    recoloured: float = 0.0
    in_domain_angle: float = 0.0
    edges: float = 0.0
    tones: float = 0.0
    changed: float = 0.0
    chroma: float = 0.0
    out_of_range: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InputError: naming the field, what it holds and what it may hold.
        """
        require_between(self, [field.name for field in fields(self)])
        require_between(self, ["token_depth", "recoloured"], 1.0)
        if not any(getattr(self, name) for name in _SEE_THE_STYLE):
            raise InputError("all weights that see the style image are 0; set one above 0")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `ImageGuidance(**values)` is the inverse."""
        return asdict(self)


MIND_THE_GAP = ImageGuidance()
"""One image as Mind the GAP (arXiv:2110.08398) guides by it, with DiFa's tokens in the place of LPIPS."""

FACES_IMAGE = ImageGuidance(
    across=2.0,
    within=0.5,
    reference_embedding=1.0,
    reference_pixels=60.0,
    resemblance=0.4,
    tokens=1.0,
    reference_tokens=2.0,
    recoloured=0.75,
    in_domain_angle=1.0,
    edges=0.5,
    tones=1.0,
    changed=4.0,
    out_of_range=4.0,
    l2=0.02,
)
"""For the small bundled encoders: pixels lead, since gradients fool such encoders."""


class ImageObjective:
    """Guidance by one style image: a plain function of pictures, with the style embedded beforehand.

    Args:
        encoders: one or several; every term that they see is their mean.
        guidance: the weights.
        style: the style image, (1, 3, H, W), [-1, 1].
        inversion: what the unadapted generator draws for the style's latents, (1, 3, H, W).
        of_texts: the terms and views of the resemblance; needed if it has a weight.

    Raises:
        InputError: if there is no encoder, or `of_texts` is missing.
    """

    def __init__(
        self,
        encoders: Sequence[TokenEncoder],
        guidance: ImageGuidance,
        style: Tensor,
        inversion: Tensor,
        of_texts: Guidance | None = None,
    ) -> None:
        if not encoders:
            raise InputError("got no encoder; pass at least one")
        self.encoders = tuple(encoders)
        self.guidance = guidance
        self.style = style
        with torch.no_grad():
            self._styles = [self._encode(encoder, style) for encoder in self.encoders]
            self._inversions = [self._encode(encoder, inversion)[0] for encoder in self.encoders]
        self._resembling: Objective | None = None
        if guidance.resemblance > 0:
            if of_texts is None:
                raise InputError("the guidance has a resemblance weight; pass of_texts, its terms and views")
            self._resembling = Objective(encoders, of_texts, style, inversion)

    def _encode(self, encoder: TokenEncoder, images: Tensor) -> tuple[Tensor, Tensor]:
        return encoder.encode_images_and_tokens(images, self.guidance.token_depth)

    def __call__(
        self,
        adapted: Tensor,
        source: Seen,
        references: Tensor,
        *,
        domain_l2: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch.

        Args:
            adapted: G_d(w), (N, 3, H, W), about [-1, 1]; the loss is differentiable in them.
            source: G(w) of the same latents, as a `Viewer` saw it that shows whole pictures and the views of
                `of_texts`; with pictures if a term compares them.
            references: G_d of the style's latents, (M, 3, H, W), recoloured or not.
            domain_l2: mean square of the domain's numbers.

        Returns:
            The weighted sum, a float32 scalar, and the detached terms before weighting by name; terms of
            weight 0 are left out.

        Raises:
            ShapeError: if the batches differ, or hold one picture and the in-domain angle or the tones have a
                weight.
        """
        weights = self.guidance
        adapted, references = adapted.float(), references.float()
        seen, terms = pixel_terms(weights, adapted, source.images)

        def add(name: str, value: Callable[[], Tensor], share: float = 1.0) -> None:
            if getattr(weights, name) > 0:
                terms[name] = terms.get(name, torch.zeros((), device=adapted.device)) + share * value()

        add("l2", lambda: domain_l2)
        add("reference_pixels", lambda: pixel_loss(references, self.style))
        if (resembling := self._resembling) is not None:
            add("resemblance", lambda: resembling.compare(seen, source)[0])
        count, share = len(adapted), 1 / len(self.encoders)
        for encoder, (style, style_tokens), inversion, (before, *_) in zip(
            self.encoders, self._styles, self._inversions, source.embeddings, strict=True
        ):
            embeddings, tokens = self._encode(encoder, torch.cat([seen, references]))
            after, drawn = embeddings[:count], embeddings[count:]
            seen_tokens, drawn_tokens = tokens[:count], tokens[count:]
            by_name = _encoder_terms(
                after, before, drawn, style, inversion, seen_tokens, drawn_tokens, style_tokens
            )
            for name, value in by_name.items():
                add(name, value, share)
        total = torch.stack([getattr(weights, name) * term.float() for name, term in terms.items()]).sum()
        return total, {name: term.detach() for name, term in terms.items()}


def _encoder_terms(
    after: Tensor,
    before: Tensor,
    drawn: Tensor,
    style: Tensor,
    inversion: Tensor,
    seen_tokens: Tensor,
    drawn_tokens: Tensor,
    style_tokens: Tensor,
) -> dict[str, Callable[[], Tensor]]:
    """What one encoder contributes to each term; only what has a weight is computed."""
    return {
        "in_domain_angle": lambda: in_domain_angle_loss(after, before),
        "across": lambda: clip_across_loss(after, before, style, inversion, shortest_shift=_SHORTEST_SHIFT),
        "within": lambda: clip_within_loss(after, before, style, inversion),
        "reference_embedding": lambda: (1 - (drawn * style).sum(1)).mean(),
        "tokens": lambda: token_loss(seen_tokens, style_tokens),
        "reference_tokens": lambda: token_loss(drawn_tokens, style_tokens),
    }
