"""What encoders cannot read in prompts; it lives in `domainvec.encoders.prompts`."""

from domainvec.encoders.prompts import describe_unknown_words, require_known_words

__all__ = ["describe_unknown_words", "require_known_words"]
