"""Image-text encoders: what guides an adaptation."""

from domainvec.encoders.defaults import default_encoder_names, default_encoders
from domainvec.encoders.encoder import Encoder, UnknownWordsWarning

__all__ = ["Encoder", "UnknownWordsWarning", "default_encoder_names", "default_encoders"]
