"""One-image guidance of Mind the GAP (Zhu et al. 2022), arXiv:2110.08398."""

from __future__ import annotations

from torch import Tensor

from domainvec.guidance.embeddings import cosine, require_images, require_same_shape, require_texts


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
