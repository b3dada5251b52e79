"""Inception features and LPIPS from torch-fidelity, an optional dependency."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from domainvec.errors import InputError

INCEPTION = "Inception v3 (2015, TensorFlow's weights; torch-fidelity)"
"""Name of the features of FID and KID in reports."""
LPIPS = "LPIPS (VGG16; torch-fidelity)"

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def inception_features(device: torch.device | str | None = None) -> Callable[[Tensor], Tensor]:
    """Load the feature extractor of FID (Heusel et al. 2017, arXiv:1706.08500), downloading 91 MB once.

    Returns:
        a function of images, (N, 3, H, W) uint8, to features (N, 2048).

    Raises:
        InputError: if torch-fidelity is not installed, or the weights cannot be loaded.
    """
    network = _load(
        "feature_extractor_inceptionv3", "FeatureExtractorInceptionV3", "inception-v3-compat", ["2048"]
    ).to(device or "cpu")

    def features(images: Tensor) -> Tensor:
        found: Tensor = network(images.to(device or "cpu"))[0]
        return found.float().cpu()

    return features


def lpips_distance(device: torch.device | str | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """Load the perceptual distance LPIPS (Zhang et al. 2018, arXiv:1801.03924), downloading 528 MB once.

    Returns:
        a function of two batches of images, each (N, 3, H, W) uint8, to their distances (N,).

    Raises:
        InputError: if torch-fidelity or torchvision is not installed, or the weights cannot be loaded.
    """
    network = _load("sample_similarity_lpips", "SampleSimilarityLPIPS", "lpips-vgg16")
    network.to(device or "cpu")

    def distances(first: Tensor, second: Tensor) -> Tensor:
        found: Tensor = network(first.to(device or "cpu"), second.to(device or "cpu"))
        return found.float().cpu().flatten()

    return distances


def _load(module: str, kind: str, *arguments: object) -> Any:  # noqa: ANN401 -- the library has no types
    try:
        network = getattr(importlib.import_module(f"torch_fidelity.{module}"), kind)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"torch-fidelity cannot be used ({error}); install it with: pip install 'domainvec[metrics]'"
        ) from error
    try:
        with _weights_only():
            return network(*arguments)
    except Exception as error:  # the library, the download and the unpickling raise different types
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"torch-fidelity cannot load the weights of {arguments[0]}: {reason}; they are downloaded once "
            f"to the cache folder of torch.hub"
        ) from error


@contextmanager
def _weights_only() -> Iterator[None]:
    """Restrict unpickling by torch.hub to tensors, for safety."""
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before
