"""What all adapted faces got in common, such as rings around the eyes, read by a matched filter."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from domainvec.errors import InputError
from domainvec.evaluation.features import check_pairs

_LUMA = (0.299, 0.587, 0.114)


class MatchedReading(NamedTuple):
    """How much of a thing pictures show, in units of what the true drawings show."""

    false: float
    """On faces that have it not: 0 in the true drawings, 1 where it is drawn on everybody."""
    kept: float
    """Difference of the faces that have it and those that have it not: 1 in the true drawings, 0 if lost."""


def matched_reading(
    images: Tensor, truth: Tensor, having: Tensor, *, lacking: Tensor | None = None, rows: tuple[float, float]
) -> MatchedReading:
    """Read a thing, such as glasses, off pictures whose true drawings are known.

    The filter is the mean true drawing of the faces that have the thing less that of the others, in luma,
    less its own mean, so that a lighter or darker picture reads 0. A judge of single faces takes faint rings
    around everybody's eyes for eyes; the mean over many faces shows them.

    Args:
        images: pictures, (N, 3, H, W), about [-1, 1].
        truth: the true drawings of the same faces.
        having: which of the faces have the thing, (N,), bool.
        lacking: which have it not, (N,), bool; all others if None.
        rows: from where to where to look, as shares of the height: (0.25, 0.625) are a centred face's eyes.

    Raises:
        InputError: if no face has the thing or none lacks it, or the rows are none.
        ShapeError: if the images are not of one shape, N at least 2.
    """
    check_pairs(images, truth)
    lacking = ~having if lacking is None else lacking
    height = images.shape[2]
    first, last = (round(share * height) for share in rows)
    if not 0 <= first < last <= height:
        raise InputError(f"rows are {rows}; expected (from, to) with 0 <= from < to <= 1")
    if not having.any() or not lacking.any():
        raise InputError(
            f"{int(having.sum())} faces have it and {int(lacking.sum())} have it not; expected some of each"
        )
    weights = torch.tensor(_LUMA, dtype=torch.float64)
    drawn, true = (
        torch.einsum("nchw,c->nhw", each[:, :, first:last].double().cpu(), weights)
        for each in (images, truth)
    )
    matched = true[having].mean(0) - true[lacking].mean(0)
    matched = matched - matched.mean()
    matched = matched / matched.square().sum()
    return MatchedReading(
        false=float(((drawn - true)[lacking].mean(0) * matched).sum()),
        kept=float(((drawn[having].mean(0) - drawn[lacking].mean(0)) * matched).sum()),
    )
