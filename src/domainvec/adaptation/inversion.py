"""Inversion: the latents whose source images are nearest to given pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.adaptation.adam import load_optimizer_state, optimizer_state
from domainvec.adaptation.pixels import AnyPicture, AnyPictures, one_picture, several_pictures
from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.preservation import edge_loss
from domainvec.guidance.viewing import ImageTextEncoder
from domainvec.picture_files import PictureFile

if TYPE_CHECKING:
    from domainvec.domains.domain import Domain
    from domainvec.stylegan2.network import Generator

_SAMPLES = 2000
_COMPONENTS = 64
_SMALLEST = 8  # pixels, at the top of the pyramid
_SMALLEST_EDGE_INPUT = 32
_RIDGE = 0.03
_BATCH = 4  # pictures inverted together


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """Settings of an inversion.

    The latents move along the principal components of w, in units of their standard deviation, from the mean
    (as the prior of II2S, Zhu et al. 2021, arXiv:2012.09036).

    Attributes:
        steps: of Adam.
        learning_rate: in standard deviations of the latents; it falls as a cosine.
        recoloured: weight of the mean absolute difference that is left after the best affine map from the
            image's colours to the picture's, summed over resolutions down to 8 px. A sketch then asks for a
            face of the same shape, not for a pale one.
        edges: weight of the edge-map correlation at 16 px; pictures below 32 px go without.
        pixels: weight of the plain mean absolute difference, summed over the same resolutions.
        features: weight of one minus the cosine of the encoders' embeddings.
        prior: weight of the latents' mean square in standard deviations. The larger it is, the more plausible
            the image, and the less it resembles the picture.

    Raises: InputError if a value is out of range.
    """

    steps: int = 100
    learning_rate: float = 0.1
    recoloured: float = 1.0
    edges: float = 0.3
    pixels: float = 0.0
    features: float = 0.0
    prior: float = 0.3

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise InputError(f"the inversion's steps are {self.steps!r}; expected a whole number from 1")
        require_between(self, ["learning_rate", "recoloured", "edges", "pixels", "features", "prior"])

    def steps_for(self, count: int) -> int:
        """Number of steps that the inversion of so many pictures takes, a few pictures at a time."""
        return self.steps * math.ceil(count / _BATCH)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


REINVERSION = Inversion(steps=40, learning_rate=0.05, recoloured=0.5, pixels=0.5)
"""Through a domain on its way, which has some of the pictures' colours, but not all."""


class InversionStep(NamedTuple):
    """Progress of an inversion: steps done, of how many, and the loss."""

    step: int
    total: int
    loss: float


class Inverter:
    """Inverts pictures a few at a time, a step at a time; it can be interrupted and resumed.

    Args:
        generator: the frozen generator.
        encoders: whose embeddings are compared, if `features` has a weight.
        images: the pictures, (M, 3, side, side), [-1, 1].
        settings: steps and weights.
        resolution: at which images are drawn; the generator's own by default.
        dtype: of the generator's feature maps.
        seed: of the latents whose principal components are taken.
        known: latents that have already been found, (M, num_ws, w_dim), or None.
        start: latents to start from instead of the mean, (M, num_ws, w_dim).
        domain: draw through this domain instead of the source domain.

    Raises: ShapeError if known latents do not fit the pictures.
    """

    def __init__(
        self,
        generator: Generator,
        encoders: Sequence[ImageTextEncoder],
        images: Tensor,
        settings: Inversion,
        *,
        resolution: int | None = None,
        dtype: torch.dtype | None = None,
        seed: int = 0,
        known: Tensor | None = None,
        start: Tensor | None = None,
        domain: Domain | None = None,
    ) -> None:
        self.generator, self.encoders, self.images, self.settings = generator, encoders, images, settings
        self.resolution, self.dtype, self.seed = resolution, dtype, seed
        self.start, self.domain = start, domain
        self._device = generator.mapping.w_avg.device
        if known is None:
            self.found = torch.zeros(0, generator.num_ws, generator.w_dim, device=self._device)
        else:
            self.found = _require_latents(known, len(images), generator)
        self.step = 0
        self._batch: _Batch | None = None

    @property
    def done(self) -> bool:
        """Whether all pictures are inverted."""
        return len(self.found) == len(self.images)

    def run(self) -> Iterator[InversionStep]:
        """Go on to the end, a step at a time."""
        total = self.settings.steps_for(len(self.images))
        while not self.done:
            loss = self._advance()
            yield InversionStep(self.step, total, loss)

    def latents(self) -> Tensor:
        """Go on to the end and return all latents, (M, num_ws, w_dim)."""
        for _ in self.run():
            pass
        return self.found

    def again(self, domain: Domain, settings: Inversion) -> Inverter:
        """Invert the same pictures through a domain, from the latents found so far."""
        return Inverter(
            self.generator,
            self.encoders,
            self.images,
            settings,
            resolution=self.resolution,
            dtype=self.dtype,
            seed=self.seed,
            start=self.latents(),
            domain=domain,
        )

    @torch.enable_grad()
    def _advance(self) -> float:
        settings = self.settings
        if self._batch is None:
            self._batch = self._begin()
        batch = self._batch
        step = self.step % settings.steps
        rate = settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
        batch.optimizer.param_groups[0]["lr"] = rate
        loss = self._loss(batch)
        (batch.moved.grad,) = torch.autograd.grad(loss, batch.moved)
        batch.optimizer.step()
        self.step += 1
        if step + 1 == settings.steps:
            self.found = torch.cat([self.found, batch.latents().detach()])
            self._batch = None
        return loss.item()

    def state_dict(self) -> dict[str, Tensor]:
        """Return what has been found, and where the current pictures are."""
        state = {"found": self.found, "step": torch.tensor(self.step)}
        if self._batch is not None:
            state["moved"] = self._batch.moved.detach()
            optimizer = optimizer_state(self._batch.optimizer)
            state |= {f"optimizer.{name}": value for name, value in optimizer.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        self.found, self.step = state["found"].to(self._device), int(state["step"])
        if "moved" in state:
            self._batch = self._begin(state["moved"].to(self._device))
            mark = "optimizer."
            kept = {name.removeprefix(mark): t for name, t in state.items() if name.startswith(mark)}
            load_optimizer_state(self._batch.optimizer, kept)

    def _begin(self, moved: Tensor | None = None) -> _Batch:
        """Start on the next few pictures, from the mean or from where they were."""
        rows = slice(len(self.found), len(self.found) + _BATCH)
        images = self.images[rows]
        with torch.no_grad():
            seen = [e.encode_images(images) for e in self.encoders] if self.settings.features > 0 else []
        mean, basis = self._components
        base, first = mean, torch.zeros(len(images), self.generator.num_ws, len(basis), device=self._device)
        if self.start is not None:
            first = (self.start[rows] - mean) @ torch.linalg.pinv(basis)
            base = self.start[rows] - first @ basis  # with what lies outside the components
        moved = (first if moved is None else moved).clone().requires_grad_()
        optimizer = torch.optim.Adam([moved], self.settings.learning_rate, betas=(0.9, 0.95))
        return _Batch(images, seen, base, basis, moved, optimizer)

    def _loss(self, batch: _Batch) -> Tensor:
        settings, images = self.settings, batch.images
        drawn = self.generator.synthesis(
            batch.latents(), self.domain, resolution=self.resolution, dtype=self.dtype
        ).float()
        loss = settings.prior * batch.moved.square().mean()
        if settings.recoloured > 0:
            loss = loss + settings.recoloured * _pyramid(drawn, images, _recoloured_difference)
        if settings.edges > 0 and images.shape[-1] >= _SMALLEST_EDGE_INPUT:
            loss = loss + settings.edges * edge_loss(drawn, images)
        if settings.pixels > 0:
            loss = loss + settings.pixels * _pyramid(drawn, images, _difference)
        if settings.features > 0:
            for encoder, wanted in zip(self.encoders, batch.seen, strict=True):
                cosine = (encoder.encode_images(drawn) * wanted).sum(1).mean()
                loss = loss + settings.features / len(self.encoders) * (1 - cosine)
        return loss

    @cached_property
    def _components(self) -> tuple[Tensor, Tensor]:
        """Mean of w, (w_dim,), and its largest principal components in standard deviations, (K, w_dim)."""
        rng = torch.Generator().manual_seed(self.seed)
        z = torch.randn(_SAMPLES, self.generator.z_dim, generator=rng)
        with torch.no_grad():
            w = self.generator.mapping(z.to(self._device))[:, 0].double().cpu()
        variances, directions = torch.linalg.eigh(torch.cov(w.T))
        kept = min(_COMPONENTS, len(variances))
        basis = (directions[:, -kept:] * variances[-kept:].clamp(min=0).sqrt()).T
        return w.mean(0).to(self._device, torch.float32), basis.to(self._device, torch.float32)


class _Batch(NamedTuple):
    """Pictures that are being inverted, and how far their latents have moved."""

    images: Tensor
    seen: list[Tensor]
    base: Tensor
    basis: Tensor
    moved: Tensor
    optimizer: torch.optim.Adam

    def latents(self) -> Tensor:
        """The current latents, (N, num_ws, w_dim)."""
        latents: Tensor = self.base + self.moved @ self.basis
        return latents


def invert(
    generator: Generator,
    pictures: AnyPicture | AnyPictures,
    encoder: ImageTextEncoder | Sequence[ImageTextEncoder] = (),
    *,
    settings: Inversion | None = None,
    resolution: int | None = None,
    seed: int = 0,
    callback: Callable[[InversionStep], object] | None = None,
) -> Tensor:
    """Find the latents whose images are nearest to given pictures; each picture by itself.

    Args:
        generator: the frozen generator; the work is done on its device.
        pictures: a file, a folder, or pixels, (3, R, R) or (M, 3, R, R) on [-1, 1].
        encoder: whose embeddings are compared, if the settings' `features` has a weight.
        settings: steps and weights; by default those that suit pictures of another domain.
        resolution: at which images are drawn; the generator's own by default.
        seed: of the latents whose principal components are taken.
        callback: called after each step.

    Returns: latents in W+, (M, num_ws, w_dim).

    Raises:
        InputError: if a picture cannot be read.
        ShapeError: if pixels are of another shape.

    Example:
        >>> w = dv.invert(generator, "sketch.png")
        >>> images = generator.draw(w)
    """
    side = resolution or generator.resolution
    single = isinstance(pictures, PictureFile) or (isinstance(pictures, Tensor) and pictures.dim() == 3)
    if single or (isinstance(pictures, str | os.PathLike) and not Path(pictures).is_dir()):
        images, _ = one_picture(pictures, side)  # type: ignore[arg-type]
    else:
        images, _ = several_pictures(pictures, side, least=1)  # type: ignore[arg-type]
    encoders = tuple(encoder) if isinstance(encoder, Sequence) else (encoder,)
    images = images.to(next(generator.parameters()).device)
    inverter = Inverter(
        generator, encoders, images, settings or Inversion(), resolution=resolution, seed=seed
    )
    for progress in inverter.run():
        if callback is not None:
            callback(progress)
    return inverter.found


def _require_latents(latents: Tensor, count: int, generator: Generator) -> Tensor:
    """Return known latents on the generator's device.

    Raises: ShapeError unless there is one for each picture and layer.
    """
    w_avg = generator.mapping.w_avg
    expected = (count, generator.num_ws, len(w_avg))
    if latents.shape != expected:
        raise ShapeError(
            f"the inverted latents have shape {tuple(latents.shape)}; expected {expected}, as invert gives "
            "them for these pictures"
        )
    return latents.detach().to(w_avg.device, torch.float32)


def _pyramid(drawn: Tensor, wanted: Tensor, difference: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    loss = difference(drawn, wanted)
    while drawn.shape[-1] >= 2 * _SMALLEST:
        drawn, wanted = F.avg_pool2d(drawn, 2), F.avg_pool2d(wanted, 2)
        loss = loss + difference(drawn, wanted)
    return loss


def _difference(drawn: Tensor, wanted: Tensor) -> Tensor:
    return (drawn - wanted).abs().mean()


def _recoloured_difference(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference that is left after the best affine map of the drawn image's colours.

    The map is a ridge regression towards no change; it accounts for what the whole picture has in common.
    """
    colours, aims = (images.flatten(2).transpose(1, 2) for images in (drawn, wanted))
    rows = F.pad(colours, (0, 1), value=1.0)
    ridge = _RIDGE * rows.shape[1] * torch.eye(4, device=rows.device)
    change = torch.linalg.solve(rows.mT @ rows + ridge, rows.mT @ (aims - colours))
    left: Tensor = colours + rows @ change - aims
    return left.abs().mean()
