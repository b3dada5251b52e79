"""Paired measures: an adapted face against the true drawing of the same face."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.evaluation.estimate import Estimate, bootstrap, mean_estimate
from domainvec.evaluation.features import require_pairs

_SIDE = 32


def paired_distance(adapted: Tensor, truth: Tensor, before: Tensor) -> Estimate:
    """Mean absolute difference to the true drawings, as a share of the unadapted pictures'.

    Args:
        adapted: pictures, (N, 3, H, W), about [-1, 1].
        truth: the true drawings of the same faces.
        before: the same faces, unadapted.

    Returns:
        0 for the truth itself; below 1 is nearer than doing nothing.

    Raises:
        ShapeError: if the images are not all of one shape, N at least 2.
    """
    require_pairs(adapted, truth, before)
    after, unadapted = ((images - truth).abs().mean((1, 2, 3)) for images in (adapted, before))
    return bootstrap(lambda a, b: a.mean() / b.mean(), after, unadapted, n=1000, paired=True)


def own_truth_nearest(adapted: Tensor, truth: Tensor) -> Estimate:
    """Share of pictures whose own true drawing correlates best with them, grey, at 32 px.

    Args:
        adapted: pictures, (N, 3, H, W), about [-1, 1].
        truth: the true drawings of the same faces.

    Returns:
        0 to 1, higher is better; chance is 1 / N.

    Raises:
        ShapeError: if the images are not of one shape, N at least 2.
    """
    require_pairs(adapted, truth)
    nearest = (_standardised(adapted) @ _standardised(truth).T).argmax(1)
    return mean_estimate(nearest == torch.arange(len(truth), device=nearest.device))


def _standardised(images: Tensor) -> Tensor:
    small = F.avg_pool2d(images.mean(1, keepdim=True), max(1, images.shape[-1] // _SIDE))
    flat: Tensor = small.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return F.normalize(flat, dim=1, eps=1e-6)
