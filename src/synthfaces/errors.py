"""The errors of the face world."""

from __future__ import annotations


class SynthFacesError(ValueError):
    """Base of everything this package raises on purpose."""


class AttributeRangeError(SynthFacesError):
    """Numbers that cannot describe a face: wrong shape, not finite, or out of range."""


class UnknownDomainError(SynthFacesError):
    """A domain name that the world does not have."""


class DrawingError(SynthFacesError):
    """The drawing library cannot be used, or a picture cannot be drawn as asked."""
