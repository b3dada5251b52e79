"""From a few pictures to a domain.

Adversarial, with a discriminator that learns beside it: the recipe of StyleGAN2-ADA (Karras et al. 2020),
arXiv:2006.06676, on a frozen generator, as in StyleDomain (Alanov et al. 2023), arXiv:2212.10229, section 5;
CDC's distance consistency (Ojha et al. 2021, arXiv:2104.06820) as an option. Beside it or alone, the mean of
the pictures' embeddings guides as a text does (StyleGAN-NADA, Gal et al. 2022, arXiv:2108.00946), and what
the domain makes of the pictures' inversions is held to the pictures (after Mind the GAP, Zhu et al. 2022,
arXiv:2110.08398).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.adaptation.adversary import (
    FACES_ADVERSARY,
    Adversary,
    ImagesTarget,
    Opponent,
    distance_consistency_loss,
    fresh_discriminator,
    share_of_copies,
)
from domainvec.adaptation.drawing import draw_step, encoding, synthesize, synthesize_batches
from domainvec.adaptation.image import digest
from domainvec.adaptation.inversion import SourceInversion
from domainvec.adaptation.knee import KneeWatch
from domainvec.adaptation.pictures import Callback
from domainvec.adaptation.precision import Precision, native_precision
from domainvec.adaptation.presets import default_training
from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.running import (
    AdaptationEncoder,
    Checkpointing,
    Run,
    Watch,
    Watches,
    describe,
    finish_runs,
    untrained,
)
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.sources import SourceSide
from domainvec.adaptation.text import text_objective
from domainvec.adaptation.training import Progress
from domainvec.domains.domain import Domain
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.mindthegap import pixel_loss
from domainvec.guidance.objective import Objective, default_guidance
from domainvec.guidance.robust import compares_sources, pixel_terms
from domainvec.guidance.settings import Guidance
from domainvec.guidance.viewing import Viewer
from domainvec.picture_files import PictureFolder
from domainvec.seeds import latents
from domainvec.stylegan2.discriminator import Discriminator
from domainvec.stylegan2.network import Noise

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_FEWEST = 2
_PAIRS = 4  # pictures in a step that their inversions are held to
_DRAWN = 64  # samples whose mean embedding stands for the source
_FIRST_DRAWN = 2_000_000_000  # their seeds
_WATCHED = 32  # samples that are compared with the training pictures
_FIRST_WATCHED = 3_000_000_000  # their seeds, far from anybody's


def default_adversary(guidance: Guidance) -> Adversary:
    """Choose what goes with a text's guidance: `FACES_ADVERSARY` for small encoders, else a discriminator."""
    return Adversary() if guidance.augmentation is None else FACES_ADVERSARY


def adapt_to_images(
    generator: Generator,
    images: str | os.PathLike[str] | PictureFolder | Tensor,
    encoder: AdaptationEncoder | Sequence[AdaptationEncoder] = (),
    target: str | Sequence[str] | None = None,
    source: str = "a photo",
    *,
    discriminator: Discriminator | None = None,
    adversary: Adversary | None = None,
    text_weight: float = 1.0,
    steps: int | Literal["auto"] | None = None,
    seed: int = 0,
    guidance: Guidance | None = None,
    parameterization: str | None = None,
    layers: str | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    warmup_steps: int | None = None,
    decay_fraction: float | None = None,
    style_mixing: float | None = None,
    truncation_psi: float = 1.0,
    noise: Noise = "const",
    precision: Precision | None = None,
    source_pool: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 25,
    resume: bool = False,
    callback: Callback | None = None,
    inverted: Tensor | None = None,
    on_inversion: Callable[[int, float], object] | None = None,
    check_every: int = 20,
    metadata: Mapping[str, Any] | None = None,
) -> AdaptationResult:
    """Find the domain that makes a generator's pictures look as if they were among a few others.

    Deterministic and resumable as `adapt`. Ends early when samples start to copy the pictures, with the
    domain of the last check before.

    Args:
        generator: the frozen generator; the work is done on its device, at its own resolution.
        images: a folder of pictures of any sizes and shapes; or pixels (M, 3, R, R) on [-1, 1], R the
            generator's resolution.
        encoder: one image-text encoder or several; needed for a text, for resemblance and for distance
            consistency only.
        target: a text, or several, that say the same besides; None without.
        source: what the generator's pictures are; used with a text only.
        discriminator: the generator's own, a copy of which is fine-tuned; without, a small fresh one is made
            from the seed.
        adversary: how the pictures guide, how the discriminator learns, and what keeps the source's faces; by
            default what goes with `guidance` (`default_adversary`).
        text_weight: of the text's losses beside the adversary's.
        steps: how many steps of Adam, or "auto"; this and the next arguments are as in `adapt`.
        seed: of all randomness.
        guidance: the text's losses; by default what suits the encoders.
        parameterization: as in `adapt`.
        layers: as in `adapt`.
        learning_rate: as in `adapt`.
        batch_size: drawn pictures, and real ones, a step; a multiple of 4, or less.
        warmup_steps: of the learning rate.
        decay_fraction: as in `adapt`.
        style_mixing: as in `adapt`.
        truncation_psi: as in `adapt`.
        noise: as in `adapt`.
        precision: of the generator's feature maps; the discriminator computes in float32.
        source_pool: as in `adapt`.
        checkpoint: as in `adapt`; the discriminator is in it.
        checkpoint_every: in steps.
        resume: as in `adapt`.
        callback: as in `adapt`.
        inverted: the pictures' latents, (M, num_ws, w_dim), if `invert_into_source` has found them already.
        on_inversion: called after each step of the pictures' inversions, if there are any, with their number
            and the loss.
        check_every: steps between two looks for copies.
        metadata: what to say of the domain besides.

    Returns: the domain, its history and its settings; `stopped` says so if it ended early.

    Raises:
        InputError: if there are fewer than two pictures that can be read, or a value is out of range.
        ShapeError: if pixels or discriminator are of another resolution than the generator, or `inverted`
            does not fit the pictures.
        AdaptationError: if the loss stops being finite, or the checkpoint is broken or of another run.
    """
    if isinstance(encoder, str):
        raise InputError("expected an encoder or several: load them with Encoder.from_pretrained first")
    encoders = tuple(encoder) if isinstance(encoder, Sequence) else (encoder,)
    guidance = default_guidance(encoders) if guidance is None else guidance
    adversary = default_adversary(guidance) if adversary is None else adversary
    looks = adversary.distances or adversary.resemblance or (adversary.pairs and adversary.inversion.features)
    if not encoders and (target is not None or looks):
        raise InputError(
            "a text, features of inversions, resemblance and distance consistency need an encoder; got none"
        )
    if check_every < 1:
        raise InputError(f"check_every is {check_every}, expected 1 or more")
    if steps == "auto" and not encoders:
        raise InputError("steps is 'auto', which watches what an encoder sees; got none: expected a number")
    real, names = _real(images, generator.resolution)
    device = next(generator.parameters()).device
    target = target if target is None or isinstance(target, str) else tuple(target)
    settings = AdaptationSettings(
        target=target,
        source=source,
        guidance=guidance,
        images=ImagesTarget(
            names=names,
            digest=digest(real),
            adversary=adversary,
            discriminator="none" if not adversary.weight else "fresh" if discriminator is None else "loaded",
            text_weight=0.0 if target is None else text_weight,
        ),
        **default_training(guidance, images=True).complete(
            steps=steps,
            parameterization=parameterization,
            batch_size=batch_size,
            learning_rate=learning_rate,
            warmup_steps=warmup_steps,
            decay_fraction=decay_fraction,
            style_mixing=style_mixing,
            source_pool=source_pool,
            noise=noise,
        ),
        layers=layers,
        truncation_psi=truncation_psi,
        resolution=generator.resolution,
        precision=precision or native_precision(device),
        seed=seed,
    )
    checkpointing = Checkpointing(checkpoint, checkpoint_every, resume)
    about = describe(settings, generator, encoders) | dict(metadata or {})
    start = untrained(settings, generator, about)
    bare = guidance.of_texts_alone()
    objectives = {}
    if target is not None and text_weight > 0:
        objectives["text"] = text_objective(encoders, replace(settings, guidance=bare)), text_weight
    if adversary.resemblance > 0:
        resembling = Objective(encoders, bare, real, _drawn_at_random(generator))
        objectives["pictures"] = resembling, adversary.resemblance
    real = real.to(device)
    opponent = None
    if adversary.weight > 0:
        own = fresh_discriminator(generator.resolution, seed) if discriminator is None else discriminator
        together = own.config.mbstd_group_size
        if settings.batch_size > together and settings.batch_size % together:
            raise InputError(
                f"batch_size is {settings.batch_size}; the discriminator looks at {together} pictures "
                f"together: expected a multiple of {together}, or fewer"
            )
        opponent = Opponent(copy.deepcopy(own).to(device), adversary, real, seed)
    viewer = Viewer(
        encoders if objectives or adversary.distances > 0 else (), bare, compares=compares_sources(adversary)
    )
    sources = SourceSide(generator, settings, viewer, about)
    inverting = SourceInversion(
        generator,
        encoders,
        real,
        adversary.inversion,
        precision=settings.precision,
        seed=seed,
        on_step=on_inversion or (lambda *_: None),
        known=inverted,
    )
    loss = _PicturesLoss(
        generator, encoders, settings, sources, start.domain, real, objectives, opponent, inverting
    )
    copies = CopyWatch(generator, real, adversary, start.domain.vector, check_every, settings.steps)
    watch: Watch = copies
    if settings.until_knee:
        with torch.no_grad():
            wanted = [F.normalize(encoder.encode_images(real).mean(0), dim=0) for encoder in encoders]
        knee = KneeWatch(generator, encoders, wanted, start.domain.vector, resolution=generator.resolution)
        watch = Watches(copies=copies, knee=knee)
    run = Run(
        loss,
        settings,
        generator=generator,
        encoders=encoders,
        sources=sources,
        untrained=start,
        checkpointing=checkpointing,
        callback=callback,
        memory=opponent,
        inversion=inverting if adversary.pairs > 0 else None,
        watch=watch,
    )
    return finish_runs([run])[0]


class _PicturesLoss:
    """The loss of a step, before which the discriminator, if there is one, takes its own."""

    def __init__(
        self,
        generator: Generator,
        encoders: Sequence[AdaptationEncoder],
        settings: AdaptationSettings,
        sources: SourceSide,
        template: Domain,
        real: Tensor,
        objectives: Mapping[str, tuple[Objective, float]],
        opponent: Opponent | None,
        inversion: SourceInversion,
    ) -> None:
        assert settings.images is not None
        self.adversary = settings.images.adversary
        self.generator, self.encoders, self.settings = generator, encoders, settings
        self.sources, self.inversion = sources, inversion
        self.reinverts_at = self.adversary.reinverts_at(settings.steps)
        self.template, self.real, self.objectives, self.opponent = template, real, objectives, opponent

    def __call__(self, vector: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        settings, generator, weights = self.settings, self.generator, self.adversary
        domain = self.template.with_vector(vector)
        if self.opponent is not None:
            self._warm_up(self.opponent, domain)
        if step in self.reinverts_at:
            self.inversion.refine(self.template.with_vector(vector.detach()), self.adversary.reinversion)
        w, source = self.sources.at(step)
        rows = self._paired(step)
        batches = [w, self.inversion.latents()[rows]] if len(rows) else [w]
        adapted, *repeated = (
            images.float() for images in synthesize_batches(generator, settings, batches, step, domain)
        )
        total = vector.new_zeros(())
        terms: dict[str, Tensor] = {}

        def add(name: str, weight: float, value: Tensor) -> None:
            nonlocal total
            terms[name] = value
            total = total + weight * value

        learnt = {}
        if self.opponent is not None:
            learnt = self.opponent.learn(adapted)
            value = self.opponent.judge(adapted, step_rng(settings.seed, step, "drawn"))
            add("adversarial", weights.weight, value)
        if repeated:
            add("pairs", weights.pairs, pixel_loss(repeated[0], self.real[rows]))
        seen, by_pixel = pixel_terms(weights, adapted, source.images)
        for name, value in by_pixel.items():
            add(name, getattr(weights, name), value)
        if weights.l2 > 0:
            add("l2", weights.l2, (vector - self.template.vector).square().mean())
        with encoding(settings, vector.device):
            if weights.distances > 0:
                values = [
                    distance_consistency_loss(encoder.encode_images(adapted), before)
                    for encoder, (before, *_) in zip(self.encoders, source.embeddings, strict=True)
                ]
                add("distances", weights.distances, torch.stack(values).mean())
            for kind, (objective, weight) in self.objectives.items():
                said, parts = objective.compare(seen, source)
                total = total + weight * said
                terms |= {f"{kind}_{name}": part for name, part in parts.items()}
        return total, {name: term.detach() for name, term in terms.items()} | learnt

    def _warm_up(self, opponent: Opponent, domain: Domain) -> None:
        while opponent.count < self.adversary.warmup_steps:
            early = -1 - opponent.count
            with torch.no_grad():
                w = draw_step(self.generator, self.settings, early)
                drawn = synthesize(self.generator, self.settings, w, early, domain)
            opponent.learn(drawn.float())

    def _paired(self, step: int) -> Tensor:
        """Numbers of the pictures that a step holds their inversions to."""
        count = _PAIRS if self.adversary.pairs > 0 else 0
        rng = step_rng(self.settings.seed, step, "pairs")
        return torch.randperm(len(self.real), generator=rng)[:count].to(self.real.device)


@torch.no_grad()
def _drawn_at_random(generator: Generator) -> Tensor:
    """What the generator draws, (N, 3, R, R), the same in every run."""
    device = next(generator.parameters()).device
    z = latents(range(_FIRST_DRAWN, _FIRST_DRAWN + _DRAWN), generator.z_dim).to(device)
    return torch.cat([generator(part).float().clamp(-1, 1) for part in torch.split(z, 8)])


class CopyWatch:
    """Ends a run when samples start to copy the training pictures, and goes back to the check before.

    It looks every so many steps, and at the last one.
    """

    def __init__(
        self, generator: Generator, real: Tensor, adversary: Adversary, vector: Tensor, every: int, last: int
    ) -> None:
        self.generator, self.real, self.adversary = generator, real, adversary
        self.every, self.last = every, last
        self.good = vector.clone()
        self.curve: list[tuple[int, float]] = []
        device = next(generator.parameters()).device
        seeds = range(_FIRST_WATCHED, _FIRST_WATCHED + _WATCHED)
        with torch.no_grad():
            self.w = generator.mapping(latents(seeds, generator.z_dim).to(device))

    def __call__(self, progress: Progress, domain: Domain) -> str | None:
        """Look for copies now and then; a reason ends the run."""
        if self.adversary.copies == 0 or (progress.step % self.every and progress.step != self.last):
            return None
        with torch.no_grad():
            drawn = [self.generator.synthesis(w, domain) for w in self.w.split(8)]
        share = share_of_copies(torch.cat(drawn), self.real, self.adversary.nearness)
        before = self.curve[-1][0] if self.curve else 0
        self.curve.append((progress.step, share))
        if share <= self.adversary.copies:
            self.good = domain.vector.detach().clone()
            return None
        return (
            f"{share:.0%} of {_WATCHED} samples copy a training picture after {progress.step} steps; the "
            f"domain is that of step {before}"
        )

    def choose(self, progress: Progress) -> Tensor:
        """The last vector, or that of the check before copies were found."""
        return self.good if progress.stopped else progress.vector

    def record(self) -> dict[str, Any]:
        """The share of copies at each check."""
        return {"copies": [{"step": step, "share": share} for step, share in self.curve]}

    def state(self) -> dict[str, Tensor]:
        """What has been seen."""
        return {"good": self.good, "curve": torch.tensor(self.curve, dtype=torch.float64).reshape(-1, 2)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.good = state["good"].to(self.good.device)
        self.curve = [(int(step), share) for step, share in state["curve"].tolist()]


def _real(
    images: str | os.PathLike[str] | PictureFolder | Tensor, side: int
) -> tuple[Tensor, tuple[str, ...]]:
    """The pictures at a size, (M, 3, side, side), and their names."""
    if isinstance(images, Tensor):
        if images.dim() != 4 or images.shape[1:] != (3, side, side) or len(images) < _FEWEST:
            raise ShapeError(
                f"images have shape {tuple(images.shape)}; expected (M, 3, {side}, {side}), "
                f"M at least {_FEWEST}"
            )
        return images.detach().float(), tuple(map(str, range(len(images))))
    folder = images if isinstance(images, PictureFolder) else PictureFolder.read(images, least=_FEWEST)
    pixels = torch.cat(list(folder.pictures(side, 64))).float().div(127.5).sub(1)
    return pixels, tuple(path.relative_to(folder.folder).as_posix() for path in folder.files)
