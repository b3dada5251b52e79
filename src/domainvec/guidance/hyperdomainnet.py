"""What HyperDomainNet (Alanov, Titov, Vetrov 2022), arXiv:2210.08884, adds to the directional loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.guidance.embeddings import cosine, require_images, require_same_shape, require_texts


def in_domain_angle_loss(target: Tensor, source: Tensor) -> Tensor:
    """In-domain angle consistency: adapted images keep the angles that their sources have among each other.

    HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, eq. 5: the mean over pairs i < j of the squared
    difference of the two cosines. It keeps the diversity of the source domain.

    Args:
        target: embeddings of adapted images, unit length, (N, D), N ≥ 2.
        source: embeddings of the same latents' unadapted images, unit length, (N, D).

    Returns:
        Scalar in [0, 4].

    Raises:
        ShapeError: if the shapes differ or there is no pair.
    """
    require_images("target", target)
    require_same_shape("source", source, "target", target)
    i, j = _pairs(target)
    cosines_target = (target[i] * target[j]).sum(dim=-1)
    cosines_source = (source[i] * source[j]).sum(dim=-1)
    return (cosines_target - cosines_source).square().mean()


def target_target_direction_loss(target: Tensor, text_target: Tensor) -> Tensor:
    """Target-target direction: shifts between domains of one batch follow the shifts between their texts.

    HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, eq. 7: one minus the cosine of E_i - E_j and T_i -
    T_j, averaged over pairs i < j; T is the mean over the templates.

    Args:
        target: embeddings of adapted images, each of its own domain, unit length, (N, D), N ≥ 2.
        text_target: embeddings of each sample's target prompt, (N, T, D).

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if the widths differ, the texts are not one for each sample, or there is no pair.
    """
    require_images("target", target)
    require_texts("text_target", text_target, target)
    if text_target.shape[0] != target.shape[0]:
        raise ShapeError(
            f"text_target has shape {tuple(text_target.shape)}; expected a text for each of the "
            f"{target.shape[0]} samples, since the shifts between them are compared"
        )
    i, j = _pairs(target)
    texts = text_target.mean(dim=1)
    return (1 - cosine(target[i] - target[j], texts[i] - texts[j])).mean()


def convex_hull(text: Tensor, alphas: Tensor) -> Tensor:
    """New text embeddings inside the convex hull of known ones.

    HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, section 4.3: how the hypernetwork meets domains
    that its training list does not name.

    Args:
        text: embeddings of M prompts under T templates, (M, T, D).
        alphas: weights of the prompts in each new one, rows that sum to 1, (N, M).

    Returns:
        Embeddings of unit length, (N, T, D).

    Raises:
        ShapeError: if the weights do not fit the prompts.
    """
    if text.dim() != 3 or alphas.dim() != 2 or alphas.shape[1] != text.shape[0]:
        raise ShapeError(
            f"alphas has shape {tuple(alphas.shape)} and text {tuple(text.shape)}; "
            f"expected (N, M) and (M, T, D)"
        )
    return F.normalize(torch.einsum("nm,mtd->ntd", alphas, text), dim=-1)


def _pairs(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    count = embeddings.shape[0]
    if count < 2:
        raise ShapeError(f"got a batch of {count}; this loss compares pairs and needs at least 2 samples")
    i, j = torch.triu_indices(count, count, offset=1, device=embeddings.device)
    return i, j
