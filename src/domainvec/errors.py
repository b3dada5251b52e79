"""Errors raised on purpose; each message says what arrived, what was expected and what to do."""

from __future__ import annotations


class DomainVecError(Exception):
    """Base of all errors below; the command line prints it as one line and exits with 1."""


class CheckpointError(DomainVecError):
    """A checkpoint is unreadable, of another kind of network, or of a wrong shape."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint asked for something to be built that no StyleGAN2 needs; nothing of it was run."""


class DomainError(DomainVecError):
    """A domain or its file is broken, or does not fit the generator or the other domain."""


class ShapeError(DomainVecError):
    """A tensor has another shape than the one expected."""


class EncoderError(DomainVecError):
    """An image-text encoder cannot be loaded, or does not do what guidance needs."""


class AdaptationError(DomainVecError):
    """An adaptation cannot start, go on or be resumed."""


class DownloadError(DomainVecError):
    """A file could not be fetched, or is not the one expected."""


class InputError(DomainVecError):
    """A value is outside of what is allowed."""
