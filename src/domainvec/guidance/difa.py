"""Local guidance of DiFa (Zhang et al. 2022), arXiv:2207.08736."""

from __future__ import annotations

import torch
from torch import Tensor

from domainvec.errors import ShapeError
from domainvec.guidance.embeddings import cosine_matrix


def token_loss(target: Tensor, reference: Tensor) -> Tensor:
    """Attentive style loss: every patch has one like it in the style image, and every one there is met.

    DiFa (Zhang et al. 2022), arXiv:2207.08736, section 3.2. With C_ij one minus the cosine of the i-th token
    of an adapted image and the j-th of the style image, the loss of an image is the greater one of
    mean_i min_j C_ij and mean_j min_i C_ij.

    Args:
        target: tokens of adapted images, of an intermediate layer, without the class token, (N, T, C).
        reference: tokens of the style image, (1 or N, S, C).

    Returns:
        Scalar in [0, 2]: the mean over the images.

    Raises:
        ShapeError: if the widths or batches do not agree.
    """
    if (
        target.dim() != 3
        or reference.dim() != 3
        or reference.shape[0] not in (1, target.shape[0])
        or reference.shape[2] != target.shape[2]
        or 0 in (*target.shape, *reference.shape)
    ):
        raise ShapeError(
            f"tokens have shapes {tuple(target.shape)} and {tuple(reference.shape)}; expected (N, T, C) and "
            "(1 or N, S, C)"
        )
    cosines = cosine_matrix(target, reference)
    to_reference = (1 - cosines.amax(2)).mean(1)
    to_target = (1 - cosines.amax(1)).mean(1)
    return torch.maximum(to_reference, to_target).mean()
