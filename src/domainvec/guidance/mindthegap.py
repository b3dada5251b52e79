"""One-image guidance of Mind the GAP (Zhu et al. 2022), arXiv:2110.08398."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.guidance.embeddings import cosine, require_images, require_same_shape, require_texts
from domainvec.guidance.nada import direction_loss


def clip_within_loss(
    target: Tensor, source: Tensor, reference_target: Tensor, reference_source: Tensor
) -> Tensor:
    """CLIP-within: samples lie about the style image as their sources lie about its inversion.

    Mind the GAP (Zhu et al. 2022), arXiv:2110.08398, eq. 5: one minus the cosine of E(G_d(w)) - E(style) and
    E(G(w)) - E(G(w_ref)).

    Args:
        target: embeddings of adapted images, unit length, (N, D).
        source: embeddings of the same latents' unadapted images, unit length, (N, D).
        reference_target: embedding of the style image, (1 or N, D).
        reference_source: embedding of its inversion into the source domain, (1 or N, D).

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if widths or batches do not agree.
    """
    require_images("target", target)
    require_same_shape("source", source, "target", target)
    require_texts("reference_target", reference_target.unsqueeze(1), target)
    require_texts("reference_source", reference_source.unsqueeze(1), target)
    return (1 - cosine(target - reference_target, source - reference_source)).mean()


def clip_across_loss(
    target: Tensor,
    source: Tensor,
    reference_target: Tensor,
    reference_source: Tensor,
    *,
    shortest_shift: float = 1e-8,
) -> Tensor:
    """CLIP-across: samples move as the style image's inversion has to move to become the style image.

    Mind the GAP (Zhu et al. 2022), arXiv:2110.08398, eq. 4: the directional loss with embeddings of images in
    place of texts, one minus the cosine of E(G_d(w)) - E(G(w)) and E(style) - E(G(w_ref)).

    Args:
        target: embeddings of adapted images, unit length, (N, D).
        source: embeddings of the same latents' unadapted images, unit length, (N, D).
        reference_target: embedding of the style image, (1 or N, D).
        reference_source: embedding of its inversion into the source domain, (1 or N, D).
        shortest_shift: as in `direction_loss`.

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if widths or batches do not agree.
    """
    return direction_loss(
        target,
        source,
        reference_target.unsqueeze(1),
        reference_source.unsqueeze(1),
        shortest_shift=shortest_shift,
    )


def pixel_loss(target: Tensor, reference: Tensor) -> Tensor:
    """Mean square difference of pictures, at their own resolution and at half of it, down to 8 px.

    The part of Mind the GAP's reconstruction (arXiv:2110.08398, eq. 3) that looks at pixels.

    Args:
        target: what the domain makes of the inversion, (N, 3, H, W).
        reference: the style image, (1 or N, 3, H, W).

    Returns:
        Scalar ≥ 0: the mean over the resolutions.

    Raises:
        ShapeError: if the sizes differ.
    """
    if (
        target.dim() != 4
        or reference.shape[0] not in (1, len(target))
        or target.shape[1:] != reference.shape[1:]
    ):
        raise ShapeError(
            f"pictures have shapes {tuple(target.shape)} and {tuple(reference.shape)}; expected (N, 3, H, W) "
            "and (1 or N, 3, H, W)"
        )
    target, reference = target.float(), reference.float()
    losses = [(target - reference).square().mean()]
    while min(target.shape[-2:]) >= 16:
        target, reference = F.avg_pool2d(target, 2), F.avg_pool2d(reference, 2)
        losses.append((target - reference).square().mean())
    return torch.stack(losses).mean()
