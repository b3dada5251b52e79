"""How encoders look at pictures: as they are, through random views, or both.

What they see of the generator's own pictures does not depend on the domain: it can be kept, and shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.guidance.robust import augment
from domainvec.guidance.settings import Guidance


class ImageTextEncoder(Protocol):
    """What guidance needs of an encoder; `domainvec.Encoder` is one."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def guidance(self) -> Guidance | None:
        """The guidance that suits it, or None."""

    def encode_images(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) about [-1, 1] to unit length (N, D), differentiable in the images."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed N texts to unit length (N, D)."""


@dataclass(frozen=True)
class Seen:
    """The source side of a batch, as the encoders see it: nothing in it depends on the domain.

    Args:
        images: G(w), (N, 3, H, W), or None where only embeddings are needed.
        embeddings: for each encoder those of each view, (N, D), the whole pictures first.
        generator_state: of the random numbers with which the adapted pictures are viewed.
    """

    images: Tensor | None
    embeddings: Sequence[Sequence[Tensor]]
    generator_state: Tensor


class Viewer:
    """Shows pictures to encoders, the views that are drawn at random among them.

    Args:
        encoders: none, one or several.
        guidance: says which random views, how many, and whether adapted pictures have others than sources.
        whole: whether a term compares whole pictures; without random views they are always shown.
        compares: whether a term compares the pixels of sources.
    """

    def __init__(
        self,
        encoders: Sequence[ImageTextEncoder],
        guidance: Guidance,
        *,
        whole: bool = True,
        compares: bool = True,
    ) -> None:
        self.encoders = tuple(encoders)
        self.whole = whole or guidance.augmentation is None
        self.needs_images = compares or guidance.augmentation is not None
        self._guidance = guidance

    @property
    def settings(self) -> dict[str, Any]:
        """What decides what `look` gives, besides pictures, encoders and random numbers; plain values."""
        values = self._guidance.to_dict()
        decides = ("augmentation", "views", "independent_views")
        return {"whole": self.whole, **{name: values[name] for name in decides}}

    def views(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Give what the encoders see: the whole pictures first where a term needs them, then the views."""
        settings = self._guidance
        whole = [images] if self.whole else []
        if settings.augmentation is None:
            return whole
        return whole + [augment(images, settings.augmentation, generator) for _ in range(settings.views)]

    def look(self, images: Tensor, *, generator: torch.Generator) -> list[Tensor]:
        """Look at source pictures as `see` does, so that it need not: what can be kept for later batches.

        Args:
            images: G(w), (N, 3, H, W).
            generator: CPU generator of the random views.

        Returns: for each encoder (N, L, D_i), no gradient: the whole pictures, where a term compares them,
            and the random views, unless the adapted pictures have to be viewed alike.
        """
        views = self.views(images.float(), generator)
        kept = views if self._keeps_views else views[: int(self.whole)]
        with torch.no_grad():
            looks = [encode_views(encoder, kept) for encoder in self.encoders]
        return [torch.stack(of_encoder, dim=1) for of_encoder in looks if of_encoder]

    def see(
        self,
        source_images: Tensor | None,
        *,
        generator: torch.Generator,
        looks: Sequence[Tensor] = (),
    ) -> Seen:
        """Look at the source side of a batch; all that guides with these encoders and views can share it.

        Args:
            source_images: G(w), (N, 3, H, W); no gradient goes here. None is enough where looks are given
                and `needs_images` is false.
            generator: CPU generator of the random views; the adapted pictures' views go on where it ends.
            looks: what `look` gives for the source pictures, if that is known already.

        Raises: InputError if the source pictures are missing.
        """
        if source_images is None and (self.needs_images or (self.encoders and not looks)):
            raise InputError("the guidance compares source pictures; pass source_images")
        images = None if source_images is None else source_images.detach().float()
        known = [list(of_encoder.unbind(1)) for of_encoder in looks] or [[] for _ in self.encoders]
        before = generator.get_state()
        views = [] if images is None or (looks and self._keeps_views) else self.views(images, generator)
        after = generator.get_state() if self._guidance.independent_views else before
        with torch.no_grad():
            rest = [encode_views(encoder, views[len(known[0]) :]) for encoder in self.encoders]
        return Seen(images, [first + more for first, more in zip(known, rest, strict=True)], after)

    @property
    def _keeps_views(self) -> bool:
        """Whether adapted pictures may be viewed otherwise than their sources."""
        return self._guidance.augmentation is None or self._guidance.independent_views


def encode_views(encoder: ImageTextEncoder, views: Sequence[Tensor]) -> list[Tensor]:
    """Embed views in one batch, (N, D) each."""
    return list(encoder.encode_images(torch.cat([*views])).chunk(len(views))) if views else []
