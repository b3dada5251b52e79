"""Paired metrics, which compare an adapted face with the rendering of the same face."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.evaluation.estimate import Estimate, bootstrap, mean_estimate
from domainvec.evaluation.features import check_pairs

_SIDE = 32


def paired_distance(adapted: Tensor, truth: Tensor, before: Tensor) -> Estimate:
    """Compute the mean absolute error against renderings, divided by that of the source images.

    Args:
        adapted: images, (N, 3, H, W), about [-1, 1].
        truth: renderings of the same faces in the target domain.
        before: the source images of the same faces.

    Returns:
        0 for a perfect adaptation, 1 for none; lower is better.

    Raises:
        ShapeError: if the images do not have one shape, N at least 2.
    """
    check_pairs(adapted, truth, before)
    after, source = ((images - truth).abs().mean((1, 2, 3)) for images in (adapted, before))
    return bootstrap(lambda a, b: a.mean() / b.mean(), after, source, n=1000, paired=True)


def nearest_neighbor_accuracy(adapted: Tensor, truth: Tensor) -> Estimate:
    """Compute how often the rendering most similar to an image is that of the same face.

    The similarity is the correlation of the images in grey, at 32 px.

    Args:
        adapted: images, (N, 3, H, W), about [-1, 1].
        truth: renderings of the same faces.

    Returns:
        a share from 0 to 1, higher is better; chance level is 1 / N.

    Raises:
        ShapeError: if the images do not have one shape, N at least 2.
    """
    check_pairs(adapted, truth)
    nearest = (_standardize(adapted) @ _standardize(truth).T).argmax(1)
    return mean_estimate(nearest == torch.arange(len(truth), device=nearest.device))


def _standardize(images: Tensor) -> Tensor:
    small = F.avg_pool2d(images.mean(1, keepdim=True), max(1, images.shape[-1] // _SIDE))
    flat: Tensor = small.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return F.normalize(flat, dim=1, eps=1e-6)
