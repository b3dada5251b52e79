"""From a text to a domain.

StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946, trains a generator by the words for what its pictures are
and what they should become. HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, freezes the generator and
trains the domain vector alone. So nothing here needs the gradient of a weight, but for parameterizations that
change weights, and pictures need be no larger than the encoders look at.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from domainvec import __version__
from domainvec.adaptation.checkpoint import load_checkpoint, save_checkpoint, terminable
from domainvec.adaptation.pictures import Callback
from domainvec.adaptation.precision import Precision, native_precision
from domainvec.adaptation.presets import default_training
from domainvec.adaptation.prompts import describe_unknown_words
from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.sources import SourcePool, Sources, pool_file
from domainvec.adaptation.training import Progress, train
from domainvec.domains.domain import Domain
from domainvec.domains.layers import layer_mask
from domainvec.domains.parameterizations import find_parameterization
from domainvec.encoders.encoder import UnknownWordsWarning
from domainvec.errors import AdaptationError, InputError
from domainvec.guidance.objective import ImageTextEncoder, Objective, default_guidance
from domainvec.guidance.settings import Guidance
from domainvec.stylegan2.download import cache_folder
from domainvec.stylegan2.network import Noise

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_FULL_UP_TO = 256  # pixels: generators up to this size are trained at their own


class AdaptationEncoder(ImageTextEncoder, Protocol):
    """What adaptation needs of an encoder besides what guidance does."""

    @property
    def fingerprint(self) -> str:
        """Digits that tell its weights from others."""

    @property
    def image_size(self) -> int:
        """Side of the pictures that it looks at, in pixels."""


def adapt(
    generator: Generator,
    encoder: AdaptationEncoder | Sequence[AdaptationEncoder],
    target: str | Sequence[str],
    source: str = "a photo",
    *,
    steps: int | None = None,
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
    precision: Precision | None = None,
    source_pool: int = 0,
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
        steps: how many steps of Adam; this and the next arguments are by default what suits the guidance
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
        precision: of feature maps and encoders, "float32" or "bfloat16"; by default bfloat16 on a CPU or GPU
            that computes in it. The numbers that are learnt are float32 in either case.
        source_pool: how many latents to draw from, or 0 for new ones in every step. The pictures that the
            generator itself makes of a pool, as the encoders see them, are computed once and kept in the
            cache folder ($DOMAINVEC_CACHE, or domainvec in the user's): all domains that are trained with
            this generator, these encoders and this number share them.
        checkpoint: a file to keep where the run stands, every `checkpoint_every` steps, and when it is
            stopped by an error, Ctrl-C or SIGTERM.
        checkpoint_every: in steps.
        resume: go on from the checkpoint; if there is none yet, start.
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
    if isinstance(encoder, str):
        raise InputError(f"encoder is the text {encoder!r}: load it with Encoder.from_pretrained first")
    encoders = tuple(encoder) if isinstance(encoder, Sequence) else (encoder,)
    if not encoders:
        raise InputError("got no encoder, expected one or several")
    guidance = default_guidance(encoders) if guidance is None else guidance
    training = default_training(guidance)
    chosen = training.parameterization if parameterization is None else parameterization
    form = find_parameterization(chosen)
    if learning_rate is None:
        learning_rate = training.learning_rate * form.relative_learning_rate
    settings = AdaptationSettings(
        target=target if isinstance(target, str) else tuple(target),
        source=source,
        guidance=guidance,
        parameterization=chosen,
        layers=layers,
        steps=training.steps if steps is None else steps,
        batch_size=training.batch_size if batch_size is None else batch_size,
        learning_rate=learning_rate,
        warmup_steps=training.warmup_steps if warmup_steps is None else warmup_steps,
        decay_fraction=training.decay_fraction if decay_fraction is None else decay_fraction,
        style_mixing=training.style_mixing if style_mixing is None else style_mixing,
        truncation_psi=truncation_psi,
        noise=noise,
        resolution=_training_resolution(resolution, generator, encoders),
        precision=precision or native_precision(next(generator.parameters()).device),
        source_pool=source_pool,
        seed=seed,
    )
    if resume and checkpoint is None:
        raise InputError("resume needs to know where the checkpoint is: pass checkpoint=")
    if checkpoint_every < 1:
        raise InputError(f"checkpoint_every is {checkpoint_every}, expected 1 or more")

    about = _describe(settings, generator, encoders) | dict(metadata or {})
    template = form.zero(generator).detach().with_metadata(about)
    mask = None if layers is None else layer_mask(template, layers, generator.num_ws)
    if mask is not None:
        template = template.with_vector(template.vector * mask)
    identity = {
        "generator": about["generator_fingerprint"],
        "encoders": about["encoders"],
        "settings": settings.to_dict(),
    }
    progress = Progress.start(template.vector)
    if resume and checkpoint is not None and Path(checkpoint).exists():
        progress = load_checkpoint(checkpoint, identity, like=template.vector)
    saved_step = progress.step or -1

    def save(latest: Progress) -> None:
        nonlocal saved_step
        if checkpoint is not None and latest.step > saved_step:
            save_checkpoint(checkpoint, latest, identity)
            saved_step = latest.step

    def on_step(latest: Progress) -> None:
        nonlocal progress
        progress = latest
        if latest.step % checkpoint_every == 0 or latest.step == settings.steps:
            save(latest)
        if callback is not None:
            record = latest.history[-1]
            callback(latest.step, record["loss"], dict(record["parts"]), template.with_vector(latest.vector))

    objective = _objective(encoders, settings)
    save(progress)  # A path that cannot be written to is better found now than in the middle.
    with _frozen(generator, *encoders), generator.synthesis.weights_held():
        pool = _source_pool(generator, objective, settings, about) if source_pool else None
        loss = _text_loss(generator, objective, template, settings, mask, pool)
        try:
            with terminable():
                progress = train(loss, settings, progress, on_step)
        except AdaptationError:
            raise  # What is not finite now would not be finite when resumed.
        except BaseException:
            save(progress)
            raise
        finally:
            if pool is not None:
                pool.save()
    return AdaptationResult(
        domain=form.finish(template.with_vector(_storable(progress.vector))),
        history=progress.history,
        settings=settings,
        seconds=progress.history[-1]["seconds"],
        generator=generator,
    )


def _objective(encoders: Sequence[AdaptationEncoder], settings: AdaptationSettings) -> Objective:
    """Embed the prompts; what no encoder can read in them is said once, and not of every template."""
    several = len(settings.targets) > 1
    prompts = {f"target {n}" if several else "target": text for n, text in enumerate(settings.targets, 1)}
    unknown = describe_unknown_words(encoders, prompts | {"source": settings.source})
    if unknown:
        warnings.warn(unknown, UnknownWordsWarning, stacklevel=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownWordsWarning)
        return Objective(encoders, settings.guidance, settings.target, settings.source)


class _TextLoss(Protocol):
    def __call__(self, vector: Tensor, step: int, /) -> tuple[Tensor, dict[str, Tensor]]: ...


def _text_loss(
    generator: Generator,
    objective: Objective,
    template: Domain,
    settings: AdaptationSettings,
    mask: Tensor | None,
    pool: SourcePool | None,
) -> _TextLoss:
    start = template.vector  # Zeros, but for the second factors of changes of low rank.
    device = start.device

    def draw_sources(step: int) -> Sources:
        if pool is not None:
            return pool.draw(settings.seed, step, settings.batch_size)
        with torch.no_grad():
            rng = step_rng(settings.seed, step, "latents")
            w = _draw_latents(generator, settings, settings.batch_size, rng)
            return Sources(w, _synthesize(generator, settings, w, None, step), None)

    def loss(vector: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        if mask is not None:
            vector = vector * mask  # What gets no gradient stays zero under Adam.
        sources = draw_sources(step)
        adapted_images = _synthesize(generator, settings, sources.w, template.with_vector(vector), step)
        with _encoding(settings, device):
            return objective(
                adapted_images,
                sources.images,
                generator=step_rng(settings.seed, step, "views"),
                domain_l2=(vector - start).square().mean(),
                source_embeddings=sources.embeddings,
            )

    return loss


def _synthesize(
    generator: Generator, settings: AdaptationSettings, w: Tensor, domain: Domain | None, step: int
) -> Tensor:
    images: Tensor = generator.synthesis(
        w,
        domain,
        noise=settings.noise,
        resolution=settings.resolution,
        dtype=torch.bfloat16 if settings.precision == "bfloat16" else None,
        rng=step_rng(settings.seed, step, "noise", w.device),  # the same for both pictures
    )
    return images


def _encoding(settings: AdaptationSettings, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")


def _source_pool(
    generator: Generator, objective: Objective, settings: AdaptationSettings, about: Mapping[str, Any]
) -> SourcePool:
    def compute(w: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        images = _synthesize(generator, settings, w, None, 0)
        with _encoding(settings, w.device):
            return images, objective.embed(images)

    noise = hashlib.sha256()
    for _, noise_map in sorted(generator.synthesis.named_buffers()):
        noise.update(noise_map.cpu().float().numpy().tobytes())
    decides = ("source_pool", "style_mixing", "truncation_psi", "noise", "resolution", "precision")
    identity = {
        "version": 1,
        "generator": about["generator_fingerprint"],
        "noise_maps": noise.hexdigest(),
        "encoders": [encoder["fingerprint"] for encoder in about["encoders"]],
        "images": objective.compares_images,
        **{name: getattr(settings, name) for name in decides},
    }
    rng = step_rng(0, 0, "latents of the pool")  # The same for every seed, or it could not be shared.
    with torch.no_grad():
        latents = _draw_latents(generator, settings, settings.source_pool, rng)
    return SourcePool(latents, compute, objective.compares_images, pool_file(cache_folder(), identity))


def _draw_latents(
    generator: Generator, settings: AdaptationSettings, count: int, rng: torch.Generator
) -> Tensor:
    """Draw latents, (count, num_ws, w_dim), some of them mixed of two from a random layer on."""
    device = next(generator.parameters()).device
    layers = generator.num_ws
    z = torch.randn(2, count, generator.z_dim, generator=rng)
    mixes = torch.rand(count, 1, generator=rng) < settings.style_mixing
    crossover = torch.randint(1, layers, (count, 1), generator=rng)
    w: Tensor = generator.mapping(z[0].to(device), truncation_psi=settings.truncation_psi)
    if not mixes.any():
        return w
    other = generator.mapping(z[1].to(device), truncation_psi=settings.truncation_psi)
    swapped = mixes & (torch.arange(layers) >= crossover)
    return torch.where(swapped[:, :, None].to(device), other, w)


def _training_resolution(
    wanted: int | Literal["full"] | None, generator: Generator, encoders: Sequence[AdaptationEncoder]
) -> int:
    if wanted == "full" or (wanted is None and generator.resolution <= _FULL_UP_TO):
        return generator.resolution
    if wanted is None:
        needed = max(_FULL_UP_TO, *(encoder.image_size for encoder in encoders))
        return min(generator.resolution, 1 << (needed - 1).bit_length())
    allowed = [4 << k for k in range(len(generator.rgb_channels))]
    if wanted not in allowed:
        raise InputError(f"resolution is {wanted!r}, expected 'full' or one of {allowed}")
    return wanted


def _describe(
    settings: AdaptationSettings, generator: Generator, encoders: Sequence[AdaptationEncoder]
) -> dict[str, Any]:
    rest = settings.to_dict()
    first = {name: rest.pop(name) for name in ("target", "source", "parameterization", "guidance")}
    return {
        "generator_fingerprint": generator.fingerprint,
        **first,
        "encoders": [{"name": encoder.name, "fingerprint": encoder.fingerprint} for encoder in encoders],
        "settings": rest,
        "version": __version__,
        "created_by": f"domainvec {__version__}",
    }


def _storable(vector: Tensor) -> Tensor:
    """Round to what a domain file keeps in half the space, so that what is shown is what is saved."""
    rounded = vector.half().float()
    return rounded if rounded.isfinite().all() else vector


@contextmanager
def _frozen(*networks: object) -> Iterator[None]:
    """Let no gradient be kept for the networks' weights inside the block."""
    weights = [
        weight
        for network in networks
        if isinstance(network, nn.Module)
        for weight in network.parameters()
        if weight.requires_grad
    ]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
