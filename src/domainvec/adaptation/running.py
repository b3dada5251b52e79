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
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.training import Loss, Memory, Progress, Trainer
from domainvec.domains.domain import Domain
from domainvec.domains.layers import layer_mask
from domainvec.domains.parameterizations import Parameterization, find_parameterization
from domainvec.errors import InputError
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


class Run:
    """One domain on its way, from its start or from a checkpoint.

    Args:
        loss: of the domain's numbers and the step.
        settings: everything that decides the result.
        generator: the frozen generator.
        encoders: what guides it.
        template: the domain to start from, with its metadata.
        mask: ones for the numbers that are trained, (P,); None for all.
        finish: what becomes of the trained domain.
        checkpoint: where to keep where the run stands, or None.
        checkpoint_every: in steps.
        resume: go on from the checkpoint if there is one.
        callback: called after each step.
        memory: what the loss keeps from step to step; it goes into the checkpoint.
        watch: who may end the run before its last step.

    Raises: AdaptationError if the checkpoint is broken or of another run.
    """

    def __init__(
        self,
        loss: Loss,
        settings: AdaptationSettings,
        *,
        generator: Generator,
        encoders: Sequence[AdaptationEncoder],
        template: Domain,
        mask: Tensor | None,
        finish: Callable[[Domain], Domain],
        checkpoint: str | os.PathLike[str] | None,
        checkpoint_every: int,
        resume: bool,
        callback: Callback | None,
        memory: Memory | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.settings, self.generator, self.encoders = settings, generator, encoders
        self._template, self._finish, self._callback, self._watch = template, finish, callback, watch
        self._checkpoint, self._every = checkpoint, checkpoint_every
        self._identity = {
            "generator": template.metadata["generator_fingerprint"],
            "encoders": template.metadata["encoders"],
            "settings": settings.to_dict(),
        }
        start = Progress.start(template.vector)
        if resume and checkpoint is not None and Path(checkpoint).exists():
            start = load_checkpoint(checkpoint, self._identity, like=template.vector)
        self._saved_step = start.step or -1

        def masked(vector: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
            return loss(vector if mask is None else vector * mask, step)  # No gradient: zero under Adam.

        def stop(latest: Progress) -> str | None:
            return None if watch is None else watch(latest, template.with_vector(latest.vector))

        memories = {name: each for name, each in (("loss", memory), ("watch", watch)) if each is not None}
        self._trainer = Trainer(masked, settings, start, memories=memories, stop=stop)

    @property
    def done(self) -> bool:
        """Whether there is no step left."""
        return self._trainer.done

    def step(self) -> None:
        """Do one step.

        Raises: AdaptationError if the loss stops being finite.
        """
        self._trainer.step()
        if self.done or self._trainer.progress.step % self._every == 0:
            self.save()
        if self._callback is not None:
            latest = self._trainer.progress
            record = latest.history[-1]
            domain = self._template.with_vector(latest.vector)
            self._callback(latest.step, record["loss"], dict(record["parts"]), domain)

    def save(self) -> None:
        """Write the checkpoint, unless that is done."""
        latest = self._trainer.progress
        if self._checkpoint is not None and latest.step > self._saved_step:
            save_checkpoint(self._checkpoint, latest, self._identity)
            self._saved_step = latest.step

    def result(self) -> AdaptationResult:
        """Give what the run has led to."""
        progress, watch = self._trainer.progress, self._watch
        vector = progress.vector if watch is None else watch.choose(progress)
        return AdaptationResult(
            domain=self._finish(self._template.with_vector(_storable(vector))),
            history=progress.history,
            settings=self.settings,
            seconds=progress.history[-1]["seconds"],
            generator=self.generator,
            stopped=progress.stopped,
            watched=None if watch is None else watch.record(),
        )


def finish_runs(runs: Sequence[Run]) -> list[AdaptationResult]:
    """Train domains of one generator side by side, a step of each in turn.

    Raises: AdaptationError if a loss stops being finite; the other runs' checkpoints are saved.
    """
    for run in runs:
        run.save()  # A path that cannot be written to is better found now than in the middle.
    networks = [runs[0].generator, *runs[0].encoders]
    with _frozen(*networks), runs[0].generator.synthesis.weights_held():
        try:
            with terminable():
                while pending := [run for run in runs if not run.done]:
                    for run in pending:
                        run.step()
        except BaseException:
            for run in runs:
                run.save()
            raise
    return [run.result() for run in runs]


def check_checkpointing(
    checkpoint: str | os.PathLike[str] | None, checkpoint_every: int, resume: bool
) -> None:
    """Raise InputError unless these fit together."""
    if resume and checkpoint is None:
        raise InputError("resume needs to know where the checkpoint is: pass checkpoint=")
    if checkpoint_every < 1:
        raise InputError(f"checkpoint_every is {checkpoint_every}, expected 1 or more")


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
