"""One number from two batches of pictures: the guidance terms with their weights and their encoders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.encoders.templates import compose
from domainvec.errors import InputError
from domainvec.guidance.hyperdomainnet import in_domain_angle_loss
from domainvec.guidance.nada import direction_loss, global_loss
from domainvec.guidance.robust import compares_sources, pixel_terms
from domainvec.guidance.settings import PUBLISHED, Guidance
from domainvec.guidance.viewing import ImageTextEncoder, Seen, Viewer, encode_views

_SHORTEST_SHIFT = 0.05
_LOOKS = 4  # at each picture that says what to become, through random views
_PICTURES_AT_ONCE = 32


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
        self.viewer = Viewer(
            encoders, guidance, whole=guidance.in_domain_angle > 0, compares=compares_sources(guidance)
        )
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
                for view in encode_views(encoder, self.viewer.views(part, rng))
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

    def compare(
        self, adapted_images: Tensor, source: Seen, *, domain_l2: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, differentiable in the adapted pictures.

        Args:
            adapted_images: G_d(w), (N, 3, H, W), about [-1, 1].
            source: what `viewer.see` gave for G(w) of the same latents.
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
        views = self.viewer.views(seen, generator)
        for encoder, (end, start), sources in zip(self.encoders, self._ends, source.embeddings, strict=True):
            targets = encode_views(encoder, views)
            sources = sources[-len(targets) :]  # Others may compare whole pictures where this one does not.
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
        return self.compare(
            adapted_images, self.viewer.see(source_images, generator=generator), domain_l2=domain_l2
        )


def _named(what: str | Sequence[str] | Tensor) -> str:
    if isinstance(what, Tensor):
        return f"of {len(what)} pictures"
    return repr(what if isinstance(what, str) else " / ".join(what))


def _add(terms: dict[str, Tensor], name: str, value: Tensor) -> None:
    terms[name] = terms[name] + value if name in terms else value
