"""Image-text encoders: what guides an adaptation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainvec.encoders.defaults import default_encoder_names as default_encoder_names
    from domainvec.encoders.defaults import default_encoders as default_encoders
    from domainvec.encoders.encoder import Encoder as Encoder
    from domainvec.encoders.encoder import UnknownWordsWarning as UnknownWordsWarning

_MODULE_OF = {
    "Encoder": "encoder",
    "UnknownWordsWarning": "encoder",
    "default_encoder_names": "defaults",
    "default_encoders": "defaults",
}

__all__ = ["Encoder", "UnknownWordsWarning", "default_encoder_names", "default_encoders"]


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: prompts and vocabularies need no PyTorch."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"domainvec.encoders.{_MODULE_OF[name]}"), name)
