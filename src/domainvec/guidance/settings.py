"""How an encoder guides: the weight of each term, what it is shown, and the sentences it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from domainvec.checks import require_between
from domainvec.encoders.templates import FACE_TEMPLATES, GENERAL_TEMPLATES, require_templates
from domainvec.errors import InputError
from domainvec.guidance.robust import PIXEL_TERMS, Augmentation

_WEIGHTS = (
    "direction",
    "global_text",
    "in_domain_angle",
    "edges",
    "tones",
    "changed",
    "chroma",
    "out_of_range",
    "l2",
)


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Weights of the guidance terms and how the encoders look at the pictures.

    It is saved inside every domain file, and an encoder's folder may carry the one that suits it as
    `guidance.json`.

    Attributes:
        direction: weight of the directional loss (StyleGAN-NADA, arXiv:2108.00946).
        global_text: weight of the global loss (same paper).
        in_domain_angle: weight of the in-domain angle loss (HyperDomainNet, arXiv:2210.08884); always on
            whole pictures, not on augmented views.
        edges: weight of the edge-map correlation at 16 px with the source picture.
        tones: weight of the correlation, over the batch, of how light the pictures are where.
        changed: weight of the share of pixels that changed, softly counted.
        chroma: weight of the penalty on new colour variation.
        out_of_range: weight of the penalty on pixels beyond [-1, 1]; above 0 the encoders also see such
            pixels squashed.
        l2: weight of the mean square of the domain's numbers.
        augmentation: random views shown to the text terms, or None for the pictures as they are.
        views: how many views of each picture and step; 1 without augmentation.
        independent_views: whether source and adapted picture are augmented independently.
        templates: sentences around the prompt, each with one {}.
    """

    direction: float = 1.0
    global_text: float = 0.0
    in_domain_angle: float = 0.5
    edges: float = 0.0
    tones: float = 0.0
    changed: float = 0.0
    chroma: float = 0.0
    out_of_range: float = 0.0
    l2: float = 0.0
    augmentation: Augmentation | None = None
    views: int = 1
    independent_views: bool = False
    templates: tuple[str, ...] = GENERAL_TEMPLATES

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InputError: naming the field, what it holds and what it may hold.
        """
        object.__setattr__(self, "templates", tuple(self.templates))
        require_between(self, _WEIGHTS)
        if self.direction == 0 and self.global_text == 0:
            raise InputError(
                "direction and global_text are both 0; set one above 0, or no term sees the text"
            )
        if self.views < 1:
            raise InputError(f"views is {self.views}; expected 1 or more")
        if self.augmentation is None and (self.views > 1 or self.independent_views):
            raise InputError(
                "views and independent_views need an augmentation; pass one, or leave them alone"
            )
        require_templates(self.templates)

    def of_texts_alone(self) -> Guidance:
        """Leave out the terms that look at pixels or numbers alone: for texts beside other guidance."""
        nothing: dict[str, Any] = dict.fromkeys((*PIXEL_TERMS, "l2"), 0.0)
        return replace(self, **nothing)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        values = asdict(self)
        values["templates"] = list(self.templates)
        if self.augmentation is not None:
            values["augmentation"]["crop"] = list(self.augmentation.crop)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Guidance:
        """Build from plain values, as `to_dict` gives them or a `guidance.json` holds them.

        Raises:
            InputError: for an unknown name, a value of the wrong type or out of range.
        """
        plain = _known(cls, values)
        if plain.get("augmentation") is not None:
            plain["augmentation"] = _build(Augmentation, _known(Augmentation, plain["augmentation"]))
        guidance: Guidance = _build(cls, plain)
        return guidance


PUBLISHED = Guidance()
"""Text guidance as HyperDomainNet published it; the default for encoders as large as CLIP ViT-B/32."""

FACES = Guidance(
    direction=1.0,
    global_text=9.0,
    in_domain_angle=1.0,
    edges=1.5,
    tones=1.0,
    changed=0.3,
    chroma=3.0,
    out_of_range=4.0,
    l2=0.001,
    # Colours are half of what a domain is: the views leave them nearly as they are.
    augmentation=Augmentation(contrast=0.05, brightness=0.03, tint=0.0, noise=0.15),
    views=2,
    independent_views=True,
    templates=FACE_TEMPLATES,
)
"""Robust guidance for the small bundled encoders, which the published recipe fools."""


def _known(kind: type, values: object) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise InputError(f"{kind.__name__.lower()} is {values!r}; expected an object with named values")
    names = [field.name for field in fields(kind)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise InputError(f"{kind.__name__.lower()} has unknown values {unknown}; known are {names}")
    return dict(values)


def _build(kind: type, values: dict[str, Any]) -> Any:  # noqa: ANN401 -- an instance of `kind`
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{kind.__name__.lower()} has a value of the wrong type: {error}") from error
