"""Image-text encoders: what guides an adaptation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainvec.encoders.encoder import Encoder as Encoder
    from domainvec.encoders.encoder import UnknownWordsWarning as UnknownWordsWarning

__all__ = ["Encoder", "UnknownWordsWarning"]


def __getattr__(name: str) -> object:
    """Load the encoder when it is first asked for: prompts and vocabularies need no PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from domainvec.encoders import encoder

    return getattr(encoder, name)
