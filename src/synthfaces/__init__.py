"""Synthetic faces: rendered procedurally from named attributes in many domains, with captions.

>>> face = sample(seed=0, index=7)
>>> picture = draw(face, "pencil_sketch")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthfaces.attributes import CODE_DIM, Z_DIM, Attributes, code, latent, sample
from synthfaces.errors import AttributeRangeError, DrawingError, SynthFacesError, UnknownDomainError

if TYPE_CHECKING:
    from synthfaces.captions import caption
    from synthfaces.domains import DOMAINS, Domain, compositions, domain, draw, draw_many
    from synthfaces.questions import QUESTIONS, Question

__all__ = [
    "CODE_DIM",
    "DOMAINS",
    "QUESTIONS",
    "Z_DIM",
    "AttributeRangeError",
    "Attributes",
    "Domain",
    "DrawingError",
    "Question",
    "SynthFacesError",
    "UnknownDomainError",
    "caption",
    "code",
    "compositions",
    "domain",
    "draw",
    "draw_many",
    "latent",
    "sample",
]

_LAZY = {
    "DOMAINS": "synthfaces.domains",
    "Domain": "synthfaces.domains",
    "QUESTIONS": "synthfaces.questions",
    "Question": "synthfaces.questions",
    "compositions": "synthfaces.domains",
    "domain": "synthfaces.domains",
    "draw": "synthfaces.domains",
    "draw_many": "synthfaces.domains",
    "caption": "synthfaces.captions",
}


def __getattr__(name: str) -> object:
    """Import the renderer lazily, since it needs skia."""
    if name not in _LAZY:
        raise AttributeError(f"module 'synthfaces' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_LAZY[name]), name)
    return value
