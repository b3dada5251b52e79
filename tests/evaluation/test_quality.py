from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec.errors import ShapeError
from domainvec.evaluation import embedding_diversity, text_quality


def test_quality_is_the_mean_cosine(normal):
    images, texts = (F.normalize(normal(n, 6, seed=n)) for n in (5, 3))
    expected = F.cosine_similarity(images, texts.mean(0, keepdim=True)).mean()
    quality = text_quality(images, texts)
    assert quality.value == pytest.approx(expected.item(), abs=1e-6)
    assert quality.low < quality.value < quality.high
    assert text_quality(texts[:1], texts[:1]).value == pytest.approx(1)


def test_diversity_is_the_mean_over_pairs(normal):
    images = F.normalize(normal(6, 4))
    pairs = [1 - float(images[i] @ images[j]) for i in range(6) for j in range(i)]
    assert embedding_diversity(images).value == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


def test_equal_images_have_no_diversity(normal):
    assert embedding_diversity(F.normalize(normal(1, 4)).expand(5, 4)).value == pytest.approx(0, abs=1e-6)


def test_shapes_are_checked(normal):
    with pytest.raises(ShapeError, match="different widths"):
        text_quality(normal(3, 4), normal(1, 5))
    with pytest.raises(ShapeError, match="at least 1"):
        text_quality(normal(3, 4), torch.empty(0, 4))
    with pytest.raises(ShapeError, match="at least 2"):
        embedding_diversity(normal(1, 4))
