"""Image-text encoders: what guides an adaptation."""

from domainvec.encoders.encoder import Encoder, UnknownWordsWarning

__all__ = ["Encoder", "UnknownWordsWarning"]
