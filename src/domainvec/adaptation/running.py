"""What all ways in share: from a loss and settings to a domain, with checkpoints on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import Tensor, nn

from domainvec import __version__
from domainvec.adaptation.checkpoint import load_checkpoint, save_checkpoint, terminable
from domainvec.adaptation.pictures import Callback
from domainvec.adaptation.presets import Training
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.training import Loss, Memory, Progress, train
from domainvec.domains.domain import Domain
from domainvec.domains.layers import layer_mask
from domainvec.domains.parameterizations import Parameterization, find_parameterization
from domainvec.errors import AdaptationError, InputError
from domainvec.guidance.objective import ImageTextEncoder

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


class Watch(Memory, Protocol):
    """Looks on at a run, and may end it."""

    def __call__(self, progress: Progress, domain: Domain) -> str | None:
        """Look at where a run stands; a reason ends it."""

    def choose(self, progress: Progress) -> Tensor:
        """The vector that the run has led to, which need not be the last one."""

    def record(self) -> dict[str, Any]:
        """What was seen, as JSON can hold it."""


def run(
    loss: Loss,
    settings: AdaptationSettings,
    *,
    generator: Generator,
    encoders: Sequence[AdaptationEncoder],
    template: Domain,
    finish: Callable[[Domain], Domain],
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_every: int,
    resume: bool,
    callback: Callback | None,
    memory: Memory | None = None,
    watch: Watch | None = None,
) -> AdaptationResult:
    """Train a domain, from its start or from a checkpoint.

    Args:
        loss: of the domain's numbers and the step.
        settings: everything that decides the result.
        generator: the frozen generator.
        encoders: what guides it.
        template: the domain to start from, with its metadata.
        finish: what becomes of the trained domain.
        checkpoint: where to keep where the run stands, or None.
        checkpoint_every: in steps.
        resume: go on from the checkpoint if there is one.
        callback: called after each step.
        memory: what the loss keeps from step to step; it goes into the checkpoint.
        watch: who may end the run before its last step.

    Raises: AdaptationError if the loss stops being finite, or the checkpoint is broken or of another run.
    """
    identity = {
        "generator": template.metadata["generator_fingerprint"],
        "encoders": template.metadata["encoders"],
        "settings": settings.to_dict(),
    }
    memories = {name: each for name, each in (("loss", memory), ("watch", watch)) if each is not None}
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
        if latest.step % checkpoint_every == 0 or latest.step == settings.steps or latest.stopped:
            save(latest)
        if callback is not None:
            record = latest.history[-1]
            callback(latest.step, record["loss"], dict(record["parts"]), template.with_vector(latest.vector))

    def stop(latest: Progress) -> str | None:
        return None if watch is None else watch(latest, template.with_vector(latest.vector))

    save(progress)  # A path that cannot be written to is better found now than in the middle.
    with _frozen(generator, *encoders), generator.synthesis.weights_held():
        try:
            with terminable():
                progress = train(loss, settings, progress, on_step, memories=memories, stop=stop)
        except AdaptationError:
            raise  # What is not finite now would not be finite when resumed.
        except BaseException:
            save(progress)
            raise
    vector = progress.vector if watch is None else watch.choose(progress)
    return AdaptationResult(
        domain=finish(template.with_vector(_storable(vector))),
        history=progress.history,
        settings=settings,
        seconds=progress.history[-1]["seconds"],
        generator=generator,
        stopped=progress.stopped,
        watched=None if watch is None else watch.record(),
    )


def check_checkpointing(
    checkpoint: str | os.PathLike[str] | None, checkpoint_every: int, resume: bool
) -> None:
    """Raise InputError unless these fit together."""
    if resume and checkpoint is None:
        raise InputError("resume needs to know where the checkpoint is: pass checkpoint=")
    if checkpoint_every < 1:
        raise InputError(f"checkpoint_every is {checkpoint_every}, expected 1 or more")


def decide_steps(wanted: int | Literal["auto"] | None, training: Training) -> tuple[int, float, bool]:
    """How long to train.

    Returns: the number of steps at most; the share of them in which the learning rate falls; and whether the
        run ends at the knee, which may then be twice as late as the preset's end, at a level learning rate.

    Raises: InputError if `wanted` is another text.
    """
    if wanted == "auto":
        return 2 * training.steps, 0.0, True
    if isinstance(wanted, str):
        raise InputError(f"steps is {wanted!r}, expected a number or 'auto'")
    return training.steps if wanted is None else wanted, training.decay_fraction, False


def untrained(
    settings: AdaptationSettings, generator: Generator, about: dict[str, Any]
) -> tuple[Parameterization, Domain, Tensor | None]:
    """Make the domain to start from.

    Returns: its parameterization; the domain, with its metadata; and, where some layers alone are trained,
        ones for the numbers that belong to them, else None.
    """
    form = find_parameterization(settings.parameterization)
    template = form.zero(generator).detach().with_metadata(about)
    if settings.layers is None:
        return form, template, None
    mask = layer_mask(template, settings.layers, generator.num_ws)
    return form, template.with_vector(template.vector * mask), mask


def training_resolution(
    wanted: int | Literal["full"] | None, generator: Generator, encoders: Sequence[AdaptationEncoder]
) -> int:
    """Side in pixels at which pictures are made in training.

    Raises: InputError if the generator has no such resolution.
    """
    if wanted == "full" or (wanted is None and generator.resolution <= _FULL_UP_TO):
        return generator.resolution
    if wanted is None:
        needed = max(_FULL_UP_TO, *(encoder.image_size for encoder in encoders))
        return min(generator.resolution, 1 << (needed - 1).bit_length())
    allowed = [4 << k for k in range(len(generator.rgb_channels))]
    if wanted not in allowed:
        raise InputError(f"resolution is {wanted!r}, expected 'full' or one of {allowed}")
    return wanted


def describe(
    settings: AdaptationSettings, generator: Generator, encoders: Sequence[AdaptationEncoder]
) -> dict[str, Any]:
    """Metadata of the domain: where it comes from."""
    rest = settings.to_dict()
    names = ("target", "source", "image", "images", "parameterization", "guidance")
    first = {name: rest.pop(name) for name in names if name in rest}
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
