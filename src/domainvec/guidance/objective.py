"""One number from two batches of pictures: the guidance terms with their weights and their encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.encoders.templates import compose
from domainvec.errors import InputError
from domainvec.guidance.hyperdomainnet import in_domain_angle_loss
from domainvec.guidance.nada import direction_loss, global_loss
from domainvec.guidance.robust import augment, pixel_terms
from domainvec.guidance.settings import PUBLISHED, Guidance

_SHORTEST_SHIFT = 0.05
_LOOKS = 4  # at each picture that says what to become, through random views
_PICTURES_AT_ONCE = 32


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


def default_guidance(encoders: Sequence[ImageTextEncoder]) -> Guidance:
    """Choose the guidance that the encoders' folders carry; PUBLISHED for encoders that carry none.

    Raises:
        InputError: if the encoders disagree, so that the caller must choose.
    """
    wanted = {encoder.name: encoder.guidance or PUBLISHED for encoder in encoders}
    if len(set(wanted.values())) > 1:
        raise InputError(
            f"the encoders {sorted(wanted)} suit different guidance; pass guidance= to say which one to use"
        )
    return next(iter(wanted.values()), PUBLISHED)


@dataclass(frozen=True)
class Seen:
    """The source side of a batch, as the encoders see it: nothing in it depends on the domain.

    Args:
        images: G(w), (N, 3, H, W), or None where only embeddings are needed.
        embeddings: for each encoder those of each view, (N, D).
        generator_state: of the random numbers with which the adapted pictures are viewed.
    """

    images: Tensor | None
    embeddings: Sequence[Sequence[Tensor]]
    generator_state: Tensor


class Objective:
    """Guidance towards one domain: a plain function of pictures; what says the domain is embedded beforehand.

    A few pictures guide as a text does (StyleGAN-NADA, arXiv:2108.00946, section 3.4): the mean of their
    embeddings takes the place of the text's.

    Args:
        encoders: one or several; every text term is their mean, so that weights do not depend on their
            number.
        guidance: weights, views and templates.
        target: what to become: a text, such as "a pencil sketch", several texts, whose embeddings are
            averaged under each template, or pictures, (M, 3, H, W).
        source: what the generator draws: a text, such as "a photo", or pictures if the target is pictures.

    Raises:
        InputError: if there is no encoder, a prompt is empty, or target and source mean the same to an
            encoder.
    """

    def __init__(
        self,
        encoders: Sequence[ImageTextEncoder],
        guidance: Guidance,
        target: str | Sequence[str] | Tensor,
        source: str | Tensor,
    ) -> None:
        if not encoders:
            raise InputError("got no encoder; pass at least one")
        self.encoders = tuple(encoders)
        self.guidance = guidance
        with torch.no_grad():
            self._ends = [
                (self._describe(encoder, target), self._describe(encoder, source))
                for encoder in self.encoders
            ]
        for encoder, (end, start) in zip(self.encoders, self._ends, strict=True):
            if (end - start).mean(dim=1).norm() < 1e-4:
                kind = "pictures" if isinstance(target, Tensor) else "text"
                raise InputError(
                    f"to the encoder {encoder.name} the target {_named(target)} and the source "
                    f"{_named(source)} are the same {kind}: there is no direction to follow; choose another"
                )

    def _describe(self, encoder: ImageTextEncoder, what: str | Sequence[str] | Tensor) -> Tensor:
        """Embed texts under T templates, or pictures, whose mean counts as one template, (1, T, D)."""
        if isinstance(what, Tensor):
            # Random views, as the adapted pictures are seen; the seed makes them the same in every run.
            rng = torch.Generator().manual_seed(0)
            parts = torch.split(what.float(), _PICTURES_AT_ONCE)
            views = [
                view
                for part in parts
                for _ in range(_LOOKS)
                for view in _encode(encoder, self._views(part, rng))
            ]
            return F.normalize(torch.cat(views).mean(dim=0), dim=0)[None, None]
        prompts = (what,) if isinstance(what, str) else tuple(what)
        if not prompts:
            raise InputError("got no target; pass at least one text")
        embeddings = [encoder.encode_texts(compose(prompt, self.guidance.templates)) for prompt in prompts]
        return torch.stack(embeddings).mean(0)[None]

    @property
    def targets(self) -> list[Tensor]:
        """For each encoder the embedding of the target, the mean over the templates, unit length, (D,)."""
        return [F.normalize(end.mean(dim=1), dim=-1)[0] for end, _ in self._ends]

    @property
    def compares_images(self) -> bool:
        """Whether source pictures themselves are needed, and not only their embeddings."""
        weights = self.guidance
        return weights.augmentation is not None or any(
            (weights.chroma, weights.edges, weights.tones, weights.changed)
        )

    @property
    def viewing(self) -> dict[str, Any]:
        """What decides what `look` gives, besides pictures, encoders and random numbers; plain values."""
        values = self.guidance.to_dict()
        decides = ("augmentation", "views", "independent_views")
        return {"whole": self._shows_whole, **{name: values[name] for name in decides}}

    def look(self, images: Tensor, *, generator: torch.Generator) -> list[Tensor]:
        """Look at source pictures as `see` does, so that it need not: what can be kept for later batches.

        Args:
            images: G(w), (N, 3, H, W).
            generator: CPU generator of the random views.

        Returns: for each encoder (N, L, D_i), no gradient: the whole pictures, where a term compares them,
            and the random views, unless the adapted pictures have to be viewed alike.
        """
        views = self._views(images.float(), generator)
        kept = views if self._keeps_views else views[: int(self._shows_whole)]
        with torch.no_grad():
            looks = [_encode(encoder, kept) for encoder in self.encoders]
        return [torch.stack(of_encoder, dim=1) for of_encoder in looks if of_encoder]

    def see(
        self,
        source_images: Tensor | None,
        *,
        generator: torch.Generator,
        looks: Sequence[Tensor] = (),
    ) -> Seen:
        """Look at the source side of a batch; objectives with these encoders and this guidance can share it.

        Args:
            source_images: G(w), (N, 3, H, W); no gradient goes here. None is enough where looks are given
                and `compares_images` is false.
            generator: CPU generator of the random views; the adapted pictures' views go on where it ends.
            looks: what `look` gives for the source pictures, if that is known already.

        Raises: InputError if the source pictures are missing.
        """
        settings = self.guidance
        if source_images is None and (self.compares_images or not looks):
            raise InputError("the guidance compares source pictures; pass source_images")
        images = None if source_images is None else source_images.detach().float()
        known = [list(of_encoder.unbind(1)) for of_encoder in looks] or [[] for _ in self.encoders]
        before = generator.get_state()
        views = [] if images is None or (looks and self._keeps_views) else self._views(images, generator)
        after = generator.get_state() if settings.independent_views else before
        with torch.no_grad():
            rest = [_encode(encoder, views[len(known[0]) :]) for encoder in self.encoders]
        return Seen(images, [first + more for first, more in zip(known, rest, strict=True)], after)

    def compare(
        self, adapted_images: Tensor, source: Seen, *, domain_l2: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, differentiable in the adapted pictures.

        Args:
            adapted_images: G_d(w), (N, 3, H, W), about [-1, 1].
            source: what `see` gave for G(w) of the same latents.
            domain_l2: mean square of the domain's numbers; needed when the weight `l2` is above 0.

        Returns:
            The weighted sum, a float32 scalar, and the detached terms before weighting by the names of their
            weights; terms of weight 0 are left out.

        Raises:
            InputError: if `domain_l2` is missing.
            ShapeError: if the batches differ, or hold one picture and the in-domain angle or the tones have a
                weight.
        """
        weights = self.guidance
        seen, terms = pixel_terms(weights, adapted_images.float(), source.images)
        if weights.l2 > 0:
            if domain_l2 is None:
                raise InputError("the guidance has an l2 weight; pass domain_l2, the domain's mean square")
            terms["l2"] = domain_l2

        generator = torch.Generator()
        generator.set_state(source.generator_state)
        views = self._views(seen, generator)
        for encoder, (end, start), sources in zip(self.encoders, self._ends, source.embeddings, strict=True):
            targets = _encode(encoder, views)
            share = 1 / len(self.encoders)
            if weights.in_domain_angle > 0:
                _add(terms, "in_domain_angle", share * in_domain_angle_loss(targets[0], sources[0]))
            chosen = slice(1, None) if len(targets) > weights.views else slice(None)
            for image_target, image_source in zip(targets[chosen], sources[chosen], strict=True):
                part = share / weights.views
                if weights.direction > 0:
                    loss = direction_loss(
                        image_target, image_source, end, start, shortest_shift=_SHORTEST_SHIFT
                    )
                    _add(terms, "direction", part * loss)
                if weights.global_text > 0:
                    _add(terms, "global_text", part * global_loss(image_target, end))

        total = torch.stack([getattr(weights, name) * term.float() for name, term in terms.items()]).sum()
        return total, {name: term.detach() for name, term in terms.items()}

    def __call__(
        self,
        adapted_images: Tensor,
        source_images: Tensor,
        *,
        generator: torch.Generator,
        domain_l2: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See the source pictures, then compare: for those who do it once."""
        return self.compare(adapted_images, self.see(source_images, generator=generator), domain_l2=domain_l2)

    @property
    def _shows_whole(self) -> bool:
        return self.guidance.augmentation is None or self.guidance.in_domain_angle > 0

    @property
    def _keeps_views(self) -> bool:
        """Whether adapted pictures may be viewed otherwise than their sources."""
        return self.guidance.augmentation is None or self.guidance.independent_views

    def _views(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Give what the encoders see: the whole pictures first where a term needs them, then the views."""
        settings = self.guidance
        whole = [images] if self._shows_whole else []
        if settings.augmentation is None:
            return whole
        return whole + [augment(images, settings.augmentation, generator) for _ in range(settings.views)]


def _named(what: str | Sequence[str] | Tensor) -> str:
    if isinstance(what, Tensor):
        return f"of {len(what)} pictures"
    return repr(what if isinstance(what, str) else " / ".join(what))


def _encode(encoder: ImageTextEncoder, views: Sequence[Tensor]) -> list[Tensor]:
    """Embed views in one batch, (N, D) each."""
    return list(encoder.encode_images(torch.cat([*views])).chunk(len(views))) if views else []


def _add(terms: dict[str, Tensor], name: str, value: Tensor) -> None:
    terms[name] = terms[name] + value if name in terms else value
