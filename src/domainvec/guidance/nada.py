"""Text guidance of StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.guidance.embeddings import cosine, require_images, require_same_shape, require_texts


def direction_loss(
    target: Tensor, source: Tensor, text_target: Tensor, text_source: Tensor, *, shortest_shift: float = 1e-8
) -> Tensor:
    """Directional CLIP loss: one minus the cosine of the image shift and the text shift.

    StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946, eq. 2. The text shift is averaged over the templates
    after the difference, so that what a template says of both domains cancels in it.

    Args:
        target: embeddings of adapted images, unit length, (N, D).
        source: embeddings of the same latents' unadapted images, unit length, (N, D).
        text_target: embeddings of the target prompt under T templates, unit length, (1 or N, T, D).
        text_source: embeddings of the source prompt under the same templates, (1 or N, T, D).
        shortest_shift: image shifts shorter than this count as this long. An adaptation starts with shifts of
            exactly zero, where the cosine's gradient has no bound: one such step would stay in Adam's second
            moment for hundreds of steps. 0.05 is a good bound there; the default is the paper's formula.

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if widths, batches or numbers of templates do not agree.
    """
    require_images("target", target)
    require_same_shape("source", source, "target", target)
    require_texts("text_target", text_target, target)
    require_texts("text_source", text_source, target)
    if text_target.shape[1] != text_source.shape[1]:
        raise ShapeError(
            f"text_target has {text_target.shape[1]} templates but text_source has {text_source.shape[1]}; "
            f"expected the same templates on both sides"
        )
    shift = (text_target - text_source).mean(dim=1)
    return (1 - cosine(target - source, shift, shortest=shortest_shift)).mean()


def global_loss(target: Tensor, text_target: Tensor) -> Tensor:
    """Global CLIP loss: one minus the cosine of the images and the target text.

    StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946, eq. 1. Alone it is fooled by adversarial pictures;
    beside the direction it says how far to go.

    Args:
        target: embeddings of adapted images, unit length, (N, D).
        text_target: embeddings of the target prompt under T templates, (1 or N, T, D); their mean is
            compared.

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if widths or batches do not agree.
    """
    require_images("target", target)
    require_texts("text_target", text_target, target)
    return (1 - (target * F.normalize(text_target.mean(dim=1), dim=-1)).sum(dim=-1)).mean()
