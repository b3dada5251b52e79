"""How encoders look at images: whole, through random views, or both.

What they see of the generator's own images does not depend on the domain, so it can be kept and shared.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import InputError
from domainvec.guidance.augmentation import Augmentation, augment

if TYPE_CHECKING:
    from domainvec.guidance.text import Guidance


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


class TokenEncoder(ImageTextEncoder, Protocol):
    """An encoder that also gives patch tokens; `domainvec.Encoder` is one."""

    def encode_images_and_tokens(self, images: Tensor, depth: float = 0.5) -> tuple[Tensor, Tensor]:
        """Embed (N, 3, H, W) to unit length (N, D), and give tokens (N, T, C) of a layer."""


class Aliased:
    """An encoder that is shown images resized bicubically, without antialiasing or clamping.

    That is how CLIP's transforms treated tensors before torchvision 0.17, and so how StyleGAN-NADA and
    HyperDomainNet trained and measured. Everything else is the encoder's own.

    Args:
        encoder: it sees images of its own size, which its preprocessing need not resize.
    """

    def __init__(self, encoder: Any) -> None:  # noqa: ANN401 -- an ImageTextEncoder, or a TokenEncoder
        self._encoder = encoder

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._encoder, name)

    def encode_images(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) about [-1, 1] to unit length (N, D)."""
        embeddings: Tensor = self._encoder.encode_images(self._resize(images))
        return embeddings

    def encode_images_and_tokens(self, images: Tensor, depth: float = 0.5) -> tuple[Tensor, Tensor]:
        """Embed (N, 3, H, W) to unit length (N, D), and give tokens (N, T, C) of a layer."""
        embeddings, tokens = self._encoder.encode_images_and_tokens(self._resize(images), depth)
        return embeddings, tokens

    def _resize(self, images: Tensor) -> Tensor:
        size = (self._encoder.image_size,) * 2
        return F.interpolate(images.float(), size, mode="bicubic", align_corners=False)


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a loss looks at; several losses look at the union, `a | b`.

    Attributes:
        whole: embeddings of the whole images.
        views: embeddings of random views (of the whole images, if the guidance has no augmentation).
        source_images: pixels of the source images.
        token_depth: depth of the layer whose patch tokens are compared, from 0 to 1; None for no tokens.
    """

    whole: bool = False
    views: bool = False
    source_images: bool = False
    token_depth: float | None = None

    def __or__(self, other: Needs) -> Needs:
        depths = {self.token_depth, other.token_depth} - {None}
        if len(depths) > 1:
            raise InputError(f"pictures ask for tokens of different layers, {sorted(map(str, depths))}")
        return Needs(
            whole=self.whole or other.whole,
            views=self.views or other.views,
            source_images=self.source_images or other.source_images,
            token_depth=next(iter(depths), None),
        )


@dataclass(frozen=True)
class SourceBatch:
    """The source side of a batch as the encoders see it; nothing in it depends on the domain.

    Attributes:
        images: G(w), (N, 3, H, W), or None where only embeddings are needed.
        whole: for each encoder the embeddings of the whole images, (N, D); empty if nothing needs them.
        views: for each encoder the embeddings of each view, (N, D); without augmentation the whole images
            are the only view.
        rng_state: state of the random generator from which the adapted images' views are drawn.
    """

    images: Tensor | None
    whole: Sequence[Tensor]
    views: Sequence[Sequence[Tensor]]
    rng_state: Tensor


class Viewer:
    """Shows images to encoders.

    Args:
        encoders: none, one or several.
        guidance: its augmentation and views.
        needs: what the losses look at.
    """

    def __init__(self, encoders: Sequence[ImageTextEncoder], guidance: Guidance, needs: Needs) -> None:
        self.augmentation: Augmentation | None = guidance.augmentation if needs.views else None
        self.num_views = guidance.views if self.augmentation is not None else 0
        self.independent = guidance.independent_views
        # Without random views the whole images are what everything looks at.
        self.whole = needs.whole or (needs.views and self.augmentation is None)
        self.token_depth = needs.token_depth
        looking = encoders if self.whole or self.num_views else ()
        self.encoders = tuple(each if guidance.antialias else Aliased(each) for each in looking)
        self.antialias = guidance.antialias
        self.needs_images = needs.source_images or self.augmentation is not None

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the result of `precompute` besides images, encoders and random numbers; JSON."""
        augmentation = None if self.augmentation is None else vars(self.augmentation)
        return {
            "whole": self.whole,
            "augmentation": augmentation,
            "views": self.num_views,
            "independent_views": self.independent,
            **({} if self.antialias else {"antialias": False}),
        }

    def crops(self, images: Tensor, rng: torch.Generator) -> list[Tensor]:
        """The images as the encoders see them: whole, if anything needs that, and then each random view."""
        shown = [images] if self.whole else []
        if self.augmentation is not None:
            shown += [augment(images, self.augmentation, rng) for _ in range(self.num_views)]
        return shown

    def precompute(self, images: Tensor, *, rng: torch.Generator) -> list[Tensor]:
        """Embed source images ahead of `source_batch`, to keep for later batches.

        Args:
            images: G(w), (N, 3, H, W).
            rng: CPU generator of the random views.

        Returns: for each encoder (N, L, D), no gradient: the whole images, if anything needs them, and the
            random views, unless adapted images must be seen through the same ones.
        """
        if not self.encoders:
            return []
        crops = self.crops(images.float(), rng)
        kept = crops if self._keeps_views else crops[: int(self.whole)]
        with torch.no_grad():
            embeddings = [encode_crops(encoder, kept) for encoder in self.encoders]
        return [torch.stack(each, dim=1) for each in embeddings if each]

    def source_batch(
        self, images: Tensor | None, *, rng: torch.Generator, precomputed: Sequence[Tensor] = ()
    ) -> SourceBatch:
        """Look at the source side of a batch; all losses with these encoders and views can share it.

        Args:
            images: G(w), (N, 3, H, W); no gradient goes here. May be None where embeddings are precomputed
                and `needs_images` is false.
            rng: CPU generator of the random views; the adapted images' views are drawn from where it ends.
            precomputed: what `precompute` gave for these images.

        Raises: InputError if the images are missing.
        """
        if images is None and (self.needs_images or (self.encoders and not precomputed)):
            raise InputError("the guidance compares source images: pass them")
        images = None if images is None else images.detach().float()
        known = [list(each.unbind(1)) for each in precomputed] or [[] for _ in self.encoders]
        before = rng.get_state()
        crops = [] if images is None or (precomputed and self._keeps_views) else self.crops(images, rng)
        after = rng.get_state() if self.independent else before
        with torch.no_grad():
            rest = [encode_crops(encoder, crops[len(known[0]) :]) for encoder in self.encoders]
        seen = [first + more for first, more in zip(known, rest, strict=True)]
        whole = [each[0] for each in seen] if self.whole else []
        return SourceBatch(images, whole, [each[-max(1, self.num_views) :] for each in seen], after)

    def adapted_batch(
        self,
        images: Tensor,
        source: SourceBatch,
        *,
        shown: Tensor | None = None,
        extra: Tensor | None = None,
        autocast: torch.autocast | None = None,
    ) -> AdaptedBatch:
        """Look at the adapted images of a batch.

        Args:
            images: G_d(w), (N, 3, H, W), about [-1, 1].
            source: the source side of the same latents.
            shown: the images as the encoders see them, if they see them otherwise.
            extra: further adapted images, (M, 3, H, W), of a target's own latents.
            autocast: the context in which encoders compute.
        """
        return AdaptedBatch(self, images, source, shown, extra, autocast)

    @property
    def _keeps_views(self) -> bool:
        """Whether adapted images may be seen through other views than their sources."""
        return self.augmentation is None or self.independent


class AdaptedBatch:
    """The adapted images of a batch as the encoders see them; embeddings are computed when first asked for.

    Attributes:
        images: G_d(w), (N, 3, H, W), about [-1, 1], float32.
        shown: the same as the encoders see them.
        source: the source side of the same latents.
    """

    def __init__(
        self,
        viewer: Viewer,
        images: Tensor,
        source: SourceBatch,
        shown: Tensor | None = None,
        extra: Tensor | None = None,
        autocast: torch.autocast | None = None,
    ) -> None:
        self.viewer, self.source, self._autocast = viewer, source, autocast
        self.images = images.float()
        self.shown = self.images if shown is None else shown
        self._all_extra = None if extra is None else extra.float()
        self._rows = slice(None)
        self._rng = torch.Generator()
        self._rng.set_state(source.rng_state)
        self._crops: list[Tensor] = []
        self._embedded: dict[int, list[Tensor]] = {}
        self._tokens: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def source_images(self) -> Tensor:
        """G(w), (N, 3, H, W).

        Raises: InputError if they are missing.
        """
        if self.source.images is None:
            raise InputError("the guidance compares source images: pass them")
        return self.source.images

    @property
    def extra(self) -> Tensor | None:
        """Further adapted images, (M, 3, H, W), or None."""
        return None if self._all_extra is None else self._all_extra[self._rows]

    def part(self, rows: slice | None) -> AdaptedBatch:
        """The same batch with some of the further images only, or none; embeddings are shared."""
        part = copy.copy(self)
        part._rows = rows or slice(0, 0)
        return part

    def whole(self, encoder: int) -> Tensor:
        """Embeddings of the whole images in an encoder, by its number, (N, D)."""
        if self.viewer.token_depth is not None:
            return self._whole_and_tokens(encoder)[0][: len(self.images)]
        return self._embeddings(encoder)[0]

    def views(self, encoder: int) -> list[Tensor]:
        """Embeddings of each view in an encoder, (N, D); without augmentation those of the whole images."""
        if self.viewer.augmentation is None:
            return [self.whole(encoder)]
        return self._embeddings(encoder)[-self.viewer.num_views :]

    def tokens(self, encoder: int) -> Tensor:
        """Patch tokens of the whole images, (N, T, C)."""
        return self._whole_and_tokens(encoder)[1][: len(self.images)]

    def extra_embeddings(self, encoder: int) -> tuple[Tensor, Tensor]:
        """Embeddings (M, D) and tokens (M, T, C) of the further images."""
        embeddings, tokens = self._whole_and_tokens(encoder)
        count = len(self.images)
        return embeddings[count:][self._rows], tokens[count:][self._rows]

    def _embeddings(self, encoder: int) -> list[Tensor]:
        if encoder not in self._embedded:
            with self._autocast or _float32(self.images):
                if not self._crops:  # Filled in place: parts of the batch share them.
                    self._crops += self.viewer.crops(self.shown, self._rng)
                    if self.viewer.whole and self.viewer.token_depth is not None:
                        del self._crops[0]  # Embedded along with the tokens.
                self._embedded[encoder] = encode_crops(self.viewer.encoders[encoder], self._crops)
        return self._embedded[encoder]

    def _whole_and_tokens(self, encoder: int) -> tuple[Tensor, Tensor]:
        if encoder not in self._tokens:
            extra = self._all_extra
            images = self.shown if extra is None else torch.cat([self.shown, extra])
            depth = self.viewer.token_depth
            assert depth is not None
            network: Any = self.viewer.encoders[encoder]  # a TokenEncoder wherever tokens are needed
            with self._autocast or _float32(self.images):
                self._tokens[encoder] = network.encode_images_and_tokens(images, depth)
        return self._tokens[encoder]


def _float32(images: Tensor) -> torch.autocast:
    return torch.autocast(images.device.type, torch.bfloat16, enabled=False)


def encode_crops(encoder: ImageTextEncoder, crops: Sequence[Tensor]) -> list[Tensor]:
    """Embed several batches as one, (N, D) each."""
    return list(encoder.encode_images(torch.cat([*crops])).chunk(len(crops))) if crops else []
