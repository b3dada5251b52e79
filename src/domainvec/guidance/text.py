"""Guidance by a text: which losses, what the encoders are shown, and the sentences around the prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.checks import require_between
from domainvec.encoders.templates import FACE_TEMPLATES, GENERAL_TEMPLATES, compose, require_templates
from domainvec.errors import InputError
from domainvec.guidance.augmentation import Augmentation
from domainvec.guidance.nada import direction_loss, global_loss
from domainvec.guidance.preservation import Preservation, Terms

if TYPE_CHECKING:
    from domainvec.guidance.viewing import AdaptedBatch, ImageTextEncoder

Endpoints = Sequence[tuple[Tensor, Tensor]]
"""For each encoder the embeddings of target and source, each (1, T, D) for T templates, unit length."""


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Weights of the losses towards a text, and how the encoders look at the images.

    It is saved in every domain file, and an encoder's folder may carry the one that suits it as
    `guidance.json`.

    Attributes:
        direction: weight of the directional loss (StyleGAN-NADA, arXiv:2108.00946).
        global_text: weight of the global loss (same paper).
        preservation: what is kept of the source images.
        augmentation: the random views that the text losses look at; None for the whole images.
        views: number of random views of each image; 1 without augmentation.
        independent_views: draw other views for the adapted images than for their sources.
        templates: sentences around the prompt, each with one {}.
        verbatim_templates: fill them with the prompt exactly as given, not grammatically
            (`domainvec.encoders.templates.compose`).
        shortest_shift: image shifts shorter than this count as this long (`direction_loss`).
        antialias: resize images to the encoders' size with their own preprocessing; otherwise bicubically
            without antialiasing or clamping, as CLIP's transforms for tensors once did.

    Raises: InputError if a value is out of range.
    """

    direction: float = 1.0
    global_text: float = 0.0
    preservation: Preservation = field(default_factory=lambda: Preservation(in_domain_angle=0.5))
    augmentation: Augmentation | None = None
    views: int = 1
    independent_views: bool = False
    templates: tuple[str, ...] = GENERAL_TEMPLATES
    verbatim_templates: bool = False
    shortest_shift: float = 0.05
    antialias: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "templates", tuple(self.templates))
        require_between(self, ["direction", "global_text"])
        if self.direction == 0 and self.global_text == 0:
            raise InputError("direction and global_text are both 0: no loss sees the text; set one above 0")
        if self.views < 1:
            raise InputError(f"views is {self.views}; expected 1 or more")
        if self.augmentation is None and (self.views > 1 or self.independent_views):
            raise InputError("views and independent_views need an augmentation; pass one or leave them out")
        if not 0 < self.shortest_shift < math.inf:
            raise InputError(f"shortest_shift is {self.shortest_shift}; expected a number above 0")
        require_templates(self.templates)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        values = asdict(self)
        values["templates"] = list(self.templates)
        values["preservation"]["keep"] = list(self.preservation.keep)
        if self.augmentation is not None:
            values["augmentation"]["crop"] = list(self.augmentation.crop)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Guidance:
        """Build from plain values, as `to_dict` gives them or a `guidance.json` holds them.

        Raises: InputError for an unknown name, or a value of the wrong type or out of range.
        """
        plain = _known(cls, values)
        for name, kind in (("preservation", Preservation), ("augmentation", Augmentation)):
            if plain.get(name) is not None:
                plain[name] = _build(kind, _known(kind, plain[name]))
        return _build(cls, plain)


PUBLISHED = Guidance()
"""HyperDomainNet's losses for texts; the default for encoders as large as CLIP ViT-B/32.

It is not the reference implementation to the letter: that is `domainvec.adaptation.HYPERDOMAINNET_FACES`.
"""

FACES = Guidance(
    direction=1.0,
    global_text=9.0,
    preservation=Preservation(
        in_domain_angle=1.0,
        edges=1.5,
        orientation=3.0,
        luminance=1.0,
        pixel_change=0.3,
        chroma=3.0,
        out_of_range=4.0,
        l2=0.001,
    ),
    # Colours are half of what a domain is: the views leave them nearly as they are.
    augmentation=Augmentation(contrast=0.05, brightness=0.03, tint=0.0, noise=0.15),
    views=2,
    independent_views=True,
    templates=FACE_TEMPLATES,
)
"""Robust guidance for the small bundled encoders, which the published recipe fools."""


def default_guidance(encoders: Sequence[ImageTextEncoder]) -> Guidance:
    """Choose the guidance that the encoders' folders carry; `PUBLISHED` for encoders that carry none.

    Raises: InputError if the encoders disagree, so that the caller must choose.
    """
    wanted = {encoder.name: encoder.guidance or PUBLISHED for encoder in encoders}
    if len(set(wanted.values())) > 1:
        raise InputError(
            f"the encoders {sorted(wanted)} suit different guidance; pass guidance= to say which one to use"
        )
    return next(iter(wanted.values()), PUBLISHED)


@torch.no_grad()
def embed_texts(
    encoder: ImageTextEncoder, prompts: Sequence[str], templates: Sequence[str], verbatim: bool = False
) -> Tensor:
    """Embed prompts in T templates (`compose`), averaged over the prompts: (1, T, D)."""
    rows = [encoder.encode_texts(compose(prompt, templates, verbatim)) for prompt in prompts]
    return torch.stack(rows).mean(0)[None]


def mean_embedding(endpoint: Tensor) -> Tensor:
    """Average an endpoint (1, T, D) over its templates: (D,), unit length."""
    return F.normalize(endpoint.mean(dim=1), dim=-1)[0]


def require_direction(
    encoders: Sequence[ImageTextEncoder], endpoints: Endpoints, target: str, source: str, kind: str
) -> None:
    """Raise InputError if target and source look the same to an encoder."""
    for encoder, (end, start) in zip(encoders, endpoints, strict=True):
        if (end - start).mean(dim=1).norm() < 1e-4:
            raise InputError(
                f"to the encoder {encoder.name} the target {target} and the source {source} are the same "
                f"{kind}: there is no direction to follow; choose another"
            )


def directional_terms(guidance: Guidance, endpoints: Endpoints, batch: AdaptedBatch) -> Terms:
    """The directional and the global loss towards the endpoints, averaged over encoders and views.

    Args:
        guidance: the weights.
        endpoints: where to and where from; texts, or images that stand in for them (StyleGAN-NADA, section
            3.4).
        batch: the adapted images as the encoders see them.
    """
    values: dict[str, Tensor] = {}

    def add(name: str, value: Tensor) -> None:
        values[name] = values[name] + value if name in values else value

    share = 1 / len(endpoints)
    for index, (end, start) in enumerate(endpoints):
        adapted, sources = batch.views(index), batch.source.views[index]
        part = share / len(adapted)
        for target, source in zip(adapted, sources, strict=True):
            if guidance.direction > 0:
                shortest = guidance.shortest_shift
                add("direction", part * direction_loss(target, source, end, start, shortest_shift=shortest))
            if guidance.global_text > 0:
                add("global_text", part * global_loss(target, end))
    return {name: (getattr(guidance, name), value) for name, value in values.items()}


Kind = TypeVar("Kind")


def _known(kind: type, values: object) -> dict[str, Any]:
    name = kind.__name__.lower()
    if not isinstance(values, Mapping):
        raise InputError(f"{name} is {values!r}; expected an object with named values")
    names = [each.name for each in fields(kind)]
    if unknown := sorted(set(values) - set(names)):
        raise InputError(f"{name} has unknown values {unknown}; known are {names}")
    return dict(values)


def _build(kind: type[Kind], values: dict[str, Any]) -> Kind:
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{kind.__name__.lower()} has a value of the wrong type: {error}") from error
