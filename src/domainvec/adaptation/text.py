"""From a text to a domain.

StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946, trains a generator by the words for what its pictures are
and what they should become. HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, freezes the generator and
trains the domain vector alone. So nothing here needs the gradient of a weight, but for parameterizations that
change weights, and pictures need be no larger than the encoders look at.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from inspect import signature
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from domainvec.adaptation.drawing import encoding, synthesize
from domainvec.adaptation.knee import KneeWatch
from domainvec.adaptation.pictures import Callback
from domainvec.adaptation.precision import Precision, native_precision
from domainvec.adaptation.presets import Training, default_training
from domainvec.adaptation.prompts import describe_unknown_words
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.running import (
    AdaptationEncoder,
    Checkpointing,
    Run,
    describe,
    finish_runs,
    training_resolution,
    untrained,
)
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.sources import SourceSide
from domainvec.adaptation.training import Loss
from domainvec.domains.domain import Domain
from domainvec.encoders.encoder import UnknownWordsWarning
from domainvec.errors import InputError
from domainvec.guidance.objective import Objective, default_guidance
from domainvec.guidance.settings import Guidance
from domainvec.stylegan2.network import Noise

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_SHARED = (
    "guidance",
    "batch_size",
    "style_mixing",
    "truncation_psi",
    "noise",
    "resolution",
    "full_size_fraction",
    "precision",
    "source_pool",
    "seed",
)
"""Settings that decide what a run sees of the source side."""


def adapt(
    generator: Generator,
    encoder: AdaptationEncoder | Sequence[AdaptationEncoder],
    target: str | Sequence[str],
    source: str = "a photo",
    *,
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
    resolution: int | Literal["full"] | None = None,
    full_size_fraction: float = 0.0,
    precision: Precision | None = None,
    source_pool: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 25,
    resume: bool = False,
    callback: Callback | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> AdaptationResult:
    """Find the domain that brings a generator's pictures from one text to another.

    The same arguments give the same domain, bit for bit, on one machine with one number of threads, whether
    or not the run was interrupted and resumed. The generator is not changed.

    Args:
        generator: the frozen generator; the work is done on its device.
        encoder: one image-text encoder or several, on the same device.
        target: what the pictures are to become, such as "a pencil sketch"; or several texts for it, whose
            embeddings are averaged.
        source: what they are.
        steps: how many steps of Adam, or "auto" to end at the knee of the curve (`KneeWatch`), after twice
            the default at the latest; this and the next arguments are by default what suits the guidance
            (`default_training`).
        seed: of all randomness, from 0 to 2**63 - 1.
        guidance: the losses; by default what the encoder asks for, the published ones if it asks for none.
        parameterization: which numbers are trained, a name of `domainvec.domains.PARAMETERIZATIONS`; those of
            low rank may carry another rank, as in "lora:16".
        layers: train the numbers of these layers alone, the rest staying zero: coarse (0-3), middle (4-7),
            fine (from 8), numbers and ranges, with commas between them.
        learning_rate: of Adam, at its height; by default what suits guidance and parameterization.
        batch_size: pictures a step.
        warmup_steps: over how many steps the learning rate rises.
        decay_fraction: over which share of the steps, at the end, it falls to 5 %.
        style_mixing: probability that a picture mixes the styles of two latents.
        truncation_psi: how far latents are drawn towards the average, 1 not at all.
        noise: the generator's noise, "const", "random" or "none".
        resolution: side in pixels at which pictures are made in training, "full" for the generator's own. By
            default its own up to 256 px; for larger ones the smallest power of two, from 256, that fills what
            the encoders look at. The numbers of the layers above stay zero.
        full_size_fraction: over which share of the steps, at the end, synthesis goes on to full size, so that
            the layers above the resolution learn, too.
        precision: of feature maps and encoders, "float32" or "bfloat16"; by default bfloat16 on a CPU or GPU
            that computes in it. The numbers that are learnt are float32 in either case.
        source_pool: how many latents to draw from, or 0 for new ones in every step, as always with random
            noise. The pictures that the generator itself makes of a pool, as the encoders see them, are
            computed once and kept in the cache folder ($DOMAINVEC_CACHE, or domainvec in the user's): all
            domains that are trained with this generator, these encoders and this number share them. By
            default what suits the guidance, as for the arguments above.
        checkpoint: a file to keep where the run stands, every `checkpoint_every` steps, and when it is
            stopped by an error, Ctrl-C or SIGTERM.
        checkpoint_every: in steps.
        resume: go on from the checkpoint; if there is none yet, start. Without, an earlier run's checkpoint
            is kept beside, with ".old" after its name.
        callback: called after each step with the number of steps done, the loss, its parts, and the domain as
            it is then.
        metadata: what to say of the domain besides, such as `generator` (a name) and `license`.

    Returns: the domain, its history and its settings.

    Raises:
        InputError: if a value is out of range, or the prompts mean the same to an encoder.
        AdaptationError: if the loss stops being finite, or the checkpoint is broken or of another run.

    Warns:
        UnknownWordsWarning: if a prompt has words that none of the encoders was taught.
    """
    options = {name: value for name, value in locals().items() if name not in ("generator", "encoder")}
    return adapt_many(generator, encoder, [options])[0]


def adapt_many(
    generator: Generator,
    encoder: AdaptationEncoder | Sequence[AdaptationEncoder],
    jobs: Sequence[str | Mapping[str, Any]],
    **shared: Any,  # noqa: ANN401
) -> list[AdaptationResult]:
    """Find several domains of one generator side by side, a step of each in turn.

    Jobs that draw the same source pictures (same source of randomness, batch and guidance; targets,
    parameterizations and learning rates may differ) share them, and what the encoders see in them. Each
    result is that of `adapt` alone, bit for bit.

    Args:
        generator: the frozen generator.
        encoder: one image-text encoder or several.
        jobs: for each domain its target, or those arguments of `adapt` that are its own.
        shared: arguments of `adapt` that are the same for all.

    Returns: the result of each job; its seconds are those of all jobs together.

    Raises:
        InputError: as `adapt`, or for an argument that `adapt` has not; before anything is trained.
        AdaptationError: as `adapt`. The checkpoints of all jobs are written then.

    Example:
        >>> results = dv.adapt_many(generator, encoders, ["a pencil sketch", "a zombie"], steps=100)
    """
    if isinstance(encoder, str):
        raise InputError(f"encoder is the text {encoder!r}: load it with Encoder.from_pretrained first")
    encoders = tuple(encoder) if isinstance(encoder, Sequence) else (encoder,)
    if not encoders:
        raise InputError("got no encoder, expected one or several")
    if isinstance(jobs, str) or not jobs:
        raise InputError(f"jobs is {jobs!r}, expected one or several, in a list")
    sides: dict[tuple[object, ...], SourceSide] = {}
    runs = []
    for job in jobs:
        own = {"target": job} if isinstance(job, str) else dict(job)
        runs.append(_text_run(generator, encoders, sides, {**shared, **own}))
    return finish_runs(runs)


def _text_run(
    generator: Generator,
    encoders: Sequence[AdaptationEncoder],
    sides: dict[tuple[object, ...], SourceSide],
    options: Mapping[str, Any],
) -> Run:
    """Prepare a run from arguments of `adapt`."""
    defaults = {name: each.default for name, each in signature(adapt).parameters.items()}
    del defaults["generator"], defaults["encoder"]
    if unknown := options.keys() - defaults.keys():
        raise InputError(f"adapt has no argument {', '.join(sorted(unknown))}; it has {', '.join(defaults)}")
    if "target" not in options:
        raise InputError("a job has no target; expected a text, or several that are averaged")
    given = SimpleNamespace(**{**defaults, **options})
    guidance = default_guidance(encoders) if given.guidance is None else given.guidance
    settings = AdaptationSettings(
        target=given.target if isinstance(given.target, str) else tuple(given.target),
        source=given.source,
        guidance=guidance,
        **default_training(guidance).complete(
            noise=given.noise,
            **{each.name: getattr(given, each.name) for each in fields(Training) if each.name in defaults},
        ),
        layers=given.layers,
        truncation_psi=given.truncation_psi,
        resolution=training_resolution(given.resolution, generator, encoders),
        full_size_fraction=given.full_size_fraction,
        precision=given.precision or native_precision(next(generator.parameters()).device),
        seed=given.seed,
    )
    checkpointing = Checkpointing(given.checkpoint, given.checkpoint_every, given.resume)
    about = describe(settings, generator, encoders) | dict(given.metadata or {})
    start = untrained(settings, generator, about)
    objective = text_objective(encoders, settings, stacklevel=5)
    key = *(getattr(settings, name) for name in _SHARED), settings.full_size_fraction and settings.steps
    if key not in sides:
        sides[key] = SourceSide(generator, settings, objective.viewer, about)
    watch = None
    if settings.until_knee:
        targets = objective.targets
        watch = KneeWatch(generator, encoders, targets, start.domain.vector, resolution=settings.resolution)
    return Run(
        _text_loss(generator, objective, start.domain, settings, sides[key]),
        settings,
        generator=generator,
        encoders=encoders,
        sources=sides[key],
        untrained=start,
        checkpointing=checkpointing,
        callback=given.callback,
        watch=watch,
    )


def text_objective(
    encoders: Sequence[AdaptationEncoder], settings: AdaptationSettings, stacklevel: int = 3
) -> Objective:
    """Embed the prompts; what no encoder can read in them is said once, and not of every template."""
    several = len(settings.targets) > 1
    prompts = {f"target {n}" if several else "target": text for n, text in enumerate(settings.targets, 1)}
    unknown = describe_unknown_words(encoders, prompts | {"source": settings.source})
    if unknown:
        warnings.warn(unknown, UnknownWordsWarning, stacklevel=stacklevel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownWordsWarning)
        return Objective(encoders, settings.guidance, settings.targets, settings.source)


def _text_loss(
    generator: Generator,
    objective: Objective,
    template: Domain,
    settings: AdaptationSettings,
    sources: SourceSide,
) -> Loss:
    start = template.vector  # Zeros, but for the second factors of changes of low rank.

    def loss(vector: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        w, seen = sources.at(step)
        adapted_images = synthesize(generator, settings, w, step, template.with_vector(vector))
        with encoding(settings, start.device):
            return objective.compare(adapted_images, seen, domain_l2=(vector - start).square().mean())

    return loss
