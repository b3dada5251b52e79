"""Quality and Diversity as defined by the papers, on the embeddings of an image-text encoder."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.evaluation.estimate import Estimate, bootstrap, mean_estimate


def text_quality(images: Tensor, texts: Tensor) -> Estimate:
    """Compute the mean cosine similarity of images and a text; higher is better.

    This is the Quality of HyperDomainNet (Alanov et al. 2022, arXiv:2210.08884) and StyleDomain
    (arXiv:2212.10229), which use an encoder that did not guide the training. The embeddings of several
    sentences are averaged and normalised.

    Args:
        images: embeddings of the images, (N, D), of unit length.
        texts: embeddings of the sentences, (T, D), of unit length.

    Returns:
        a number from -1 to 1; comparable only for the same encoder.

    Raises:
        ShapeError: if the embeddings have other shapes, or there are none.
    """
    _check_embeddings(images, min_rows=1)
    _check_embeddings(texts, min_rows=1)
    if images.shape[1] != texts.shape[1]:
        raise ShapeError(
            f"embeddings of images {tuple(images.shape)} and texts {tuple(texts.shape)} have different "
            f"widths; expected those of one encoder"
        )
    return mean_estimate(images @ F.normalize(texts.mean(0), dim=0))


def embedding_diversity(images: Tensor) -> Estimate:
    """Compute the mean cosine distance over all pairs of images, the Diversity of the same papers.

    Args:
        images: embeddings of the images, (N, D), of unit length.

    Returns:
        a number from 0, if all images are equal, to 2; higher is more diverse.

    Raises:
        ShapeError: if the embeddings have another shape, or there are fewer than 2.
    """
    _check_embeddings(images, min_rows=2)
    distances = 1 - images.double() @ images.double().T
    distances.fill_diagonal_(0)

    def mean_of_pairs(rows: Tensor) -> Tensor:
        return distances[rows][:, rows].sum() / (len(rows) * (len(rows) - 1))

    return bootstrap(mean_of_pairs, torch.arange(len(images)))


def _check_embeddings(rows: Tensor, min_rows: int) -> None:
    if rows.ndim != 2 or len(rows) < min_rows:
        raise ShapeError(f"embeddings have shape {tuple(rows.shape)}; expected (N, D), N at least {min_rows}")
