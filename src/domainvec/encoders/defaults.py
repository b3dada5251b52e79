"""Which encoders guide a generator by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from domainvec.encoders.encoder import Encoder

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

# The bundled generators, by fingerprint, have encoders that were trained on their world.
_FACES = ("faces-clip", "faces-clip-robust")
_TRAINED_WITH = {"8194638904321357": _FACES, "e455b665de3ab569": _FACES}
_CLIP = ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16")


def default_encoder_names(generator: Generator) -> tuple[str, ...]:
    """Name the encoders that guide a generator by default: its own if it is bundled, else two CLIP models."""
    return _TRAINED_WITH.get(generator.fingerprint, _CLIP)


def default_encoders(generator: Generator) -> list[Encoder]:
    """Load the encoders that guide a generator by default, on its device.

    Raises: EncoderError if one cannot be fetched.

    Example:
        >>> generator = dv.Generator.from_pretrained("faces")
        >>> encoders = dv.default_encoders(generator)
    """
    device: torch.device = next(generator.parameters()).device
    return [Encoder.from_pretrained(name, device=device) for name in default_encoder_names(generator)]
