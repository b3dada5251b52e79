"""Inversion into the source domain: the source's picture that is nearest to one of another domain."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.adaptation.precision import Precision
from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.robust import edge_loss
from domainvec.guidance.viewing import ImageTextEncoder

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_SAMPLES = 2000
_COMPONENTS = 64
_SMALLEST = 8
_SMALLEST_WITH_EDGES = 32
_RIDGE = 0.03
_AT_ONCE = 4  # pictures


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """Settings of an inversion.

    Attributes:
        steps: of Adam.
        learning_rate: in standard deviations of the latents; it falls as a cosine.
        recoloured: weight of the mean absolute difference that is left when the colours of the source's
            picture have been mapped to those of the other one, by the affine map that fits best; summed over
            resolutions down to 8 px. A sketch then asks for a face of the same shape, and not for a pale one.
        edges: weight of the edge-map correlation at 16 px; pictures below 32 px go without.
        pixels: weight of the mean absolute difference as it is, summed over the same resolutions.
        features: weight of one minus the cosine of the encoders' embeddings.
        prior: weight of the latents' mean square, in standard deviations from w_avg. The greater, the more
            the inversion is a picture of the source domain, and the less it is the picture.
    """

    steps: int = 100
    learning_rate: float = 0.1
    recoloured: float = 1.0
    edges: float = 0.3
    pixels: float = 0.0
    features: float = 0.0
    prior: float = 0.3

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InputError: naming the field that is out of range.
        """
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise InputError(f"the inversion's steps are {self.steps!r}; expected a whole number from 1")
        require_between(self, ["learning_rate", "recoloured", "edges", "pixels", "features", "prior"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@torch.enable_grad()
def invert_into_source(
    generator: Generator,
    encoders: Sequence[ImageTextEncoder],
    images: Tensor,
    settings: Inversion,
    *,
    resolution: int | None = None,
    precision: Precision = "float32",
    seed: int = 0,
    on_step: Callable[[int, float], object] = lambda step, loss: None,
) -> Tensor:
    """Find latents in W+ whose unadapted pictures are near to those of another domain, each by itself.

    The latents move along the principal components of w, in units of their deviation (as the prior of II2S,
    Zhu et al. 2021, arXiv:2012.09036), from the average.

    Args:
        generator: frozen.
        encoders: whose embeddings are compared besides the pixels.
        images: (M, 3, side, side), [-1, 1], at the resolution below.
        settings: steps and weights.
        resolution: at which pictures are made; the generator's own by default.
        precision: of the generator's feature maps.
        seed: of the noise that the components are taken from.
        on_step: called after each step with the number of steps done and the loss; a few pictures are
            inverted at a time, and the number goes on from those to the next.

    Returns: (M, num_ws, w_dim).
    """
    device = generator.mapping.w_avg.device
    dtype = torch.bfloat16 if precision == "bfloat16" else None
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(_SAMPLES, generator.z_dim, generator=rng)
    with torch.no_grad():
        w = generator.mapping(z.to(device))[:, 0].double().cpu()
    mean = w.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov(w.T))
    kept = min(_COMPONENTS, len(variances))
    basis = (directions[:, -kept:] * variances[-kept:].clamp(min=0).sqrt()).T.to(device, torch.float32)
    mean = mean.to(device, torch.float32)
    found = []
    for number, part in enumerate(torch.split(images, _AT_ONCE)):
        with torch.no_grad():
            described = [encoder.encode_images(part) for encoder in encoders if settings.features > 0]
        moved = torch.zeros(len(part), generator.num_ws, kept, device=device, requires_grad=True)
        optimizer = torch.optim.Adam([moved], settings.learning_rate, betas=(0.9, 0.95))
        for step in range(settings.steps):
            rate = settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
            optimizer.param_groups[0]["lr"] = rate
            drawn = generator.synthesis(mean + moved @ basis, resolution=resolution, dtype=dtype).float()
            loss = settings.prior * moved.square().mean()
            if settings.recoloured > 0:
                loss = loss + settings.recoloured * _pyramid(drawn, part, _recoloured_difference)
            if settings.edges > 0 and part.shape[-1] >= _SMALLEST_WITH_EDGES:
                loss = loss + settings.edges * edge_loss(drawn, part)
            if settings.pixels > 0:
                loss = loss + settings.pixels * _pyramid(drawn, part, _difference)
            if settings.features > 0:
                for encoder, wanted in zip(encoders, described, strict=True):
                    cosine = (encoder.encode_images(drawn) * wanted).sum(1).mean()
                    loss = loss + settings.features / len(encoders) * (1 - cosine)
            (moved.grad,) = torch.autograd.grad(loss, moved)
            optimizer.step()
            on_step(number * settings.steps + step + 1, loss.item())
        found.append((mean + moved @ basis).detach())
    return torch.cat(found)


def require_inverted(inverted: Tensor | None, count: int, generator: Generator) -> Tensor | None:
    """Give known latents of pictures on the generator's device.

    Raises: ShapeError unless there is one for each picture and layer.
    """
    if inverted is None:
        return None
    w_avg = generator.mapping.w_avg
    expected = (count, generator.num_ws, len(w_avg))
    if inverted.shape != expected:
        raise ShapeError(
            f"the inverted latents have shape {tuple(inverted.shape)}; expected {expected}, as "
            "invert_into_source gives them for these pictures"
        )
    return inverted.detach().to(w_avg.device, torch.float32)


def _pyramid(drawn: Tensor, wanted: Tensor, difference: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    loss = difference(drawn, wanted)
    while drawn.shape[-1] >= 2 * _SMALLEST:
        drawn, wanted = F.avg_pool2d(drawn, 2), F.avg_pool2d(wanted, 2)
        loss = loss + difference(drawn, wanted)
    return loss


def _difference(drawn: Tensor, wanted: Tensor) -> Tensor:
    return (drawn - wanted).abs().mean()


def _recoloured_difference(drawn: Tensor, wanted: Tensor) -> Tensor:
    """What is left when one affine map has been applied to all colours of the drawn picture.

    The map is the ridge regression towards no change: it does what the whole picture has in common.
    """
    colours, aims = (images.flatten(2).transpose(1, 2) for images in (drawn, wanted))
    rows = F.pad(colours, (0, 1), value=1.0)
    ridge = _RIDGE * rows.shape[1] * torch.eye(4, device=rows.device)
    change = torch.linalg.solve(rows.mT @ rows + ridge, rows.mT @ (aims - colours))
    left: Tensor = colours + rows @ change - aims
    return left.abs().mean()
