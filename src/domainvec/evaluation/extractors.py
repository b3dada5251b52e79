"""Choosing what evaluations compute features and perceptual distances with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from domainvec.encoders import Encoder
from domainvec.errors import InputError
from domainvec.evaluation.features import dequantize
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.perceptual import INCEPTION, inception_features, lpips_distance

FeaturesName = Literal["auto", "inception", "encoder", "judge"]
"""Network whose features the distances to a reference folder use."""

JUDGE = "the judge (faces-judge)"
"""Name of the judge in reports."""


class FeatureExtractor(NamedTuple):
    """A named feature extractor."""

    name: str
    extract: Callable[[Tensor], Tensor]
    """Maps images, (N, 3, H, W) uint8, to features (N, D)."""


def choose_extractor(
    name: FeaturesName,
    encoder: Encoder | None,
    judge: Judge | None,
    device: torch.device,
    notes: list[str],
) -> FeatureExtractor:
    """Choose a feature extractor.

    Args:
        name: "auto" is Inception if it is available, else the judge if given, else the encoder.
        encoder: used for "encoder".
        judge: used for "judge", on the CPU.
        device: of the encoder and of Inception.
        notes: a remark is appended if "auto" does not find Inception.

    Raises:
        InputError: if the extractor is not available.
    """
    if name in ("auto", "inception"):
        try:
            return FeatureExtractor(INCEPTION, inception_features(device))
        except InputError as error:
            if name == "inception":
                raise
            notes.append(f"the distances are not FID and KID, which need Inception: {error}")
    if judge is not None and name != "encoder":
        features = judge.features
        return FeatureExtractor(JUDGE, lambda images: features(dequantize(images)))
    if encoder is not None and name != "judge":
        embed = encoder.encode_images
        return FeatureExtractor(
            f"the encoder {encoder.name}", lambda images: embed(dequantize(images, device))
        )
    raise InputError(
        "no features to compare images with: give an encoder (--encoder), or install Inception with "
        "pip install 'domainvec[metrics]'"
    )


def load_lpips(device: torch.device, notes: list[str]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Load LPIPS, or append a remark to the notes and return None if it is not available."""
    try:
        return lpips_distance(device)
    except InputError as error:
        notes.append(f"LPIPS was left out: {error}")
        return None
