"""Inversion into the source domain: the source's picture that is nearest to one of another domain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.adaptation.adam import moments, put_back
from domainvec.adaptation.precision import Precision
from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.robust import edge_loss
from domainvec.guidance.viewing import ImageTextEncoder

if TYPE_CHECKING:
    from domainvec.domains.domain import Domain
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

    def steps_for(self, count: int) -> int:
        """How many steps the inversion of so many pictures takes, which are inverted a few at a time."""
        return self.steps * math.ceil(count / _AT_ONCE)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


class SourceInversion:
    """Pictures on their way into the source domain, a few at a time, which can be left and gone on with.

    Args: those of `invert_into_source`; and
        known: latents that have been found already, or None.
        start: latents to begin from, in place of the average, (M, num_ws, w_dim).
        domain: through which the pictures are looked at, in place of the source domain.
    """

    def __init__(
        self,
        generator: Generator,
        encoders: Sequence[ImageTextEncoder],
        images: Tensor,
        settings: Inversion,
        *,
        resolution: int | None = None,
        precision: Precision = "float32",
        seed: int = 0,
        on_step: Callable[[int, float], object] = lambda step, loss: None,
        known: Tensor | None = None,
        start: Tensor | None = None,
        domain: Domain | None = None,
    ) -> None:
        self.generator, self.encoders, self.images, self.settings = generator, encoders, images, settings
        self.resolution, self.precision, self.seed, self.on_step = resolution, precision, seed, on_step
        self.start, self.domain = start, domain
        self._device = generator.mapping.w_avg.device
        if known is None:
            self.found = torch.zeros(0, generator.num_ws, generator.w_dim, device=self._device)
        else:
            self.found = require_inverted(known, len(images), generator)
        self.step = 0
        self._part: _Part | None = None
        self._state: dict[str, Tensor] = {"found": self.found}

    @property
    def done(self) -> bool:
        """Whether all pictures are inverted."""
        return len(self.found) == len(self.images)

    def latents(self) -> Tensor:
        """Go on to the end: (M, num_ws, w_dim)."""
        while not self.done:
            self.advance()
        return self.found

    @torch.enable_grad()
    def advance(self) -> None:
        """Do one step."""
        settings, part = self.settings, self._part or self._begin()
        step = self.step % settings.steps
        rate = settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
        part.optimizer.param_groups[0]["lr"] = rate
        loss = self._loss(part)
        (part.moved.grad,) = torch.autograd.grad(loss, part.moved)
        part.optimizer.step()
        self.step += 1
        if step + 1 == settings.steps:
            self.found = torch.cat([self.found, part.latents().detach()])
            self._part = None
        self._state = {"found": self.found, "step": torch.tensor(self.step), **self._midway()}
        self.on_step(self.step, loss.item())

    def refine(self, domain: Domain, settings: Inversion) -> None:
        """Invert all pictures again, from where they are, through a domain that is known meanwhile."""
        again = SourceInversion(
            self.generator,
            self.encoders,
            self.images,
            settings,
            resolution=self.resolution,
            precision=self.precision,
            seed=self.seed,
            start=self.latents(),
            domain=domain,
        )
        self.found = again.latents()
        self._state = {**self._state, "found": self.found}

    def state(self) -> dict[str, Tensor]:
        """What has been found, and how far the pictures are that are under way, as of the last whole step."""
        return self._state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self._state = {name: tensor.to(self._device) for name, tensor in state.items()}
        self.found, self.step = self._state["found"], int(state.get("step", 0))
        if "moved" in state:
            part = self._begin(self._state["moved"])
            put_back(part.optimizer, part.moved, self.step % self.settings.steps, self._state)

    def _midway(self) -> dict[str, Tensor]:
        if self._part is None:
            return {}
        moved = self._part.moved
        return {"moved": moved.detach().clone(), **moments(self._part.optimizer, moved)}

    def _begin(self, moved: Tensor | None = None) -> _Part:
        """Take the next few pictures, from the average on or from where they were."""
        rows = slice(len(self.found), len(self.found) + _AT_ONCE)
        images = self.images[rows]
        with torch.no_grad():
            seen = [e.encode_images(images) for e in self.encoders] if self.settings.features > 0 else []
        mean, basis = self._components
        base, first = mean, torch.zeros(len(images), self.generator.num_ws, len(basis), device=self._device)
        if self.start is not None:
            first = (self.start[rows] - mean) @ torch.linalg.pinv(basis)
            base = self.start[rows] - first @ basis  # With what no component can say.
        moved = (first if moved is None else moved).clone().requires_grad_()
        optimizer = torch.optim.Adam([moved], self.settings.learning_rate, betas=(0.9, 0.95))
        self._part = _Part(images, seen, base, basis, moved, optimizer)
        return self._part

    def _loss(self, part: _Part) -> Tensor:
        settings, images = self.settings, part.images
        drawn = self.generator.synthesis(
            part.latents(),
            self.domain,
            resolution=self.resolution,
            dtype=torch.bfloat16 if self.precision == "bfloat16" else None,
        ).float()
        loss = settings.prior * part.moved.square().mean()
        if settings.recoloured > 0:
            loss = loss + settings.recoloured * _pyramid(drawn, images, _recoloured_difference)
        if settings.edges > 0 and images.shape[-1] >= _SMALLEST_WITH_EDGES:
            loss = loss + settings.edges * edge_loss(drawn, images)
        if settings.pixels > 0:
            loss = loss + settings.pixels * _pyramid(drawn, images, _difference)
        if settings.features > 0:
            for encoder, wanted in zip(self.encoders, part.seen, strict=True):
                cosine = (encoder.encode_images(drawn) * wanted).sum(1).mean()
                loss = loss + settings.features / len(self.encoders) * (1 - cosine)
        return loss

    @cached_property
    def _components(self) -> tuple[Tensor, Tensor]:
        """The mean of w, (w_dim,), and its greatest principal components, scaled by deviation, (K, w_dim)."""
        rng = torch.Generator().manual_seed(self.seed)
        z = torch.randn(_SAMPLES, self.generator.z_dim, generator=rng)
        with torch.no_grad():
            w = self.generator.mapping(z.to(self._device))[:, 0].double().cpu()
        variances, directions = torch.linalg.eigh(torch.cov(w.T))
        kept = min(_COMPONENTS, len(variances))
        basis = (directions[:, -kept:] * variances[-kept:].clamp(min=0).sqrt()).T
        return w.mean(0).to(self._device, torch.float32), basis.to(self._device, torch.float32)


class _Part(NamedTuple):
    """Pictures that are under way, what the encoders see in them, and how far their latents have moved."""

    images: Tensor
    seen: list[Tensor]
    base: Tensor
    basis: Tensor
    moved: Tensor
    optimizer: torch.optim.Adam

    def latents(self) -> Tensor:
        """Where the pictures are, (N, num_ws, w_dim)."""
        latents: Tensor = self.base + self.moved @ self.basis
        return latents


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
        on_step: called after each step with the number of steps done, of `settings.steps_for(M)`, and the
            loss.

    Returns: (M, num_ws, w_dim).
    """
    return SourceInversion(
        generator,
        encoders,
        images,
        settings,
        resolution=resolution,
        precision=precision,
        seed=seed,
        on_step=on_step,
    ).latents()


def require_inverted(inverted: Tensor, count: int, generator: Generator) -> Tensor:
    """Give known latents of pictures on the generator's device.

    Raises: ShapeError unless there is one for each picture and layer.
    """
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
