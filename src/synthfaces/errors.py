"""Exceptions of synthfaces."""

from __future__ import annotations


class SynthFacesError(ValueError):
    """Base class of the exceptions below."""


class AttributeRangeError(SynthFacesError):
    """A latent, seed or index that cannot describe a face."""


class UnknownDomainError(SynthFacesError):
    """A domain name that does not exist."""


class DrawingError(SynthFacesError):
    """The drawing library is unusable, or a resolution is not supported."""
