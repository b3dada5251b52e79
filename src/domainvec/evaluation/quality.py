"""Quality and Diversity, as the papers of the field define them: on an encoder's embeddings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.evaluation.estimate import Estimate, bootstrap, mean_estimate


def text_quality(images: Tensor, texts: Tensor) -> Estimate:
    """Mean cosine of pictures with a text; higher is better.

    The Quality of HyperDomainNet (Alanov et al. 2022, arXiv:2210.08884) and StyleDomain (arXiv:2212.10229),
    which take an encoder that did not guide. Several sentences count by their mean, at unit length.

    Args:
        images: embeddings of the pictures, (N, D), of unit length.
        texts: embeddings of the sentences, (T, D), of unit length.

    Returns:
        -1 to 1; comparable within one encoder only.

    Raises:
        ShapeError: if the embeddings are of other shapes, or there are none.
    """
    _require_embeddings(images, least=1)
    _require_embeddings(texts, least=1)
    if images.shape[1] != texts.shape[1]:
        raise ShapeError(
            f"images {tuple(images.shape)} and texts {tuple(texts.shape)} are embeddings of different "
            f"widths; expected those of one encoder"
        )
    return mean_estimate(images @ F.normalize(texts.mean(0), dim=0))


def embedding_diversity(images: Tensor) -> Estimate:
    """Mean over all pairs of pictures of one minus their cosine; higher is more diverse.

    The Diversity of the same papers.

    Args:
        images: embeddings of the pictures, (N, D), of unit length.

    Returns:
        0 if all pictures are alike, up to 2.

    Raises:
        ShapeError: if the embeddings are of another shape, or there are fewer than 2.
    """
    _require_embeddings(images, least=2)
    distances = 1 - images.double() @ images.double().T
    distances.fill_diagonal_(0)

    def mean_of_pairs(rows: Tensor) -> Tensor:
        return distances[rows][:, rows].sum() / (len(rows) * (len(rows) - 1))

    return bootstrap(mean_of_pairs, torch.arange(len(images)))


def _require_embeddings(rows: Tensor, least: int) -> None:
    if rows.ndim != 2 or len(rows) < least:
        raise ShapeError(f"embeddings have shape {tuple(rows.shape)}; expected (N, D), N at least {least}")
