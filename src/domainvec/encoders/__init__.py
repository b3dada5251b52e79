"""Image-text encoders: what guides an adaptation."""

from domainvec.encoders.encoder import Encoder

__all__ = ["Encoder"]
