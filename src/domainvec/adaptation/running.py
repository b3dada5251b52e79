"""What all ways in share: from a loss and settings to a domain, with checkpoints on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from domainvec import __version__
from domainvec.adaptation.checkpoint import (
    earlier_checkpoint,
    load_checkpoint,
    save_checkpoint,
    terminable,
)
from domainvec.adaptation.inversion import SourceInversion
from domainvec.adaptation.pictures import Callback
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.adaptation.training import Loss, Memory, Progress, Trainer, restore_all, states
from domainvec.domains.domain import Domain
from domainvec.domains.layers import layer_mask
from domainvec.domains.parameterizations import Parameterization, find_parameterization
from domainvec.errors import InputError
from domainvec.guidance.viewing import ImageTextEncoder

if TYPE_CHECKING:
    from domainvec.adaptation.sources import SourceSide
    from domainvec.stylegan2.network import Generator

_NOTHING = (-1, 0)  # is saved: not even that no step is done
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


class Watches:
    """Several that look on: the first that has a reason ends the run, and chooses."""

    def __init__(self, **watches: Watch) -> None:
        self.watches = watches
        self.ended_by: Watch | None = None

    def __call__(self, progress: Progress, domain: Domain) -> str | None:
        """Let all look; the first reason ends the run."""
        reasons = [(watch, watch(progress, domain)) for watch in self.watches.values()]
        for watch, reason in reasons:
            if reason is not None:
                self.ended_by = watch
                return reason
        return None

    def choose(self, progress: Progress) -> Tensor:
        """The choice of who ended the run, or the last vector."""
        return progress.vector if self.ended_by is None else self.ended_by.choose(progress)

    def record(self) -> dict[str, Any]:
        """What all have seen."""
        return {name: seen for watch in self.watches.values() for name, seen in watch.record().items()}

    def state(self) -> dict[str, Tensor]:
        """What all keep."""
        ended = [watch is self.ended_by for watch in self.watches.values()]
        return states(self.watches) | {"ended_by": torch.tensor(ended)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        ended = state["ended_by"].tolist()
        self.ended_by = next((w for w, it in zip(self.watches.values(), ended, strict=True) if it), None)
        restore_all(self.watches, state)


@dataclass(frozen=True)
class Untrained:
    """What a run starts from.

    Args:
        form: the parameterization.
        domain: the domain, with its metadata.
        mask: ones for the numbers that are trained, (P,); None for all.
    """

    form: Parameterization
    domain: Domain
    mask: Tensor | None


@dataclass(frozen=True)
class Checkpointing:
    """Where it is kept how far a run is.

    Args:
        path: of the file, or None for nowhere.
        every: in steps.
        resume: go on from the file if there is one; otherwise it is kept beside, with ".old" after its name.

    Raises: InputError unless these fit together.
    """

    path: str | os.PathLike[str] | None
    every: int
    resume: bool

    def __post_init__(self) -> None:
        if self.resume and self.path is None:
            raise InputError("resume needs to know where the checkpoint is: pass checkpoint=")
        if self.every < 1:
            raise InputError(f"checkpoint_every is {self.every}, expected 1 or more")


class Run:
    """One domain on its way, from its start or from a checkpoint.

    Args:
        loss: of the domain's numbers and the step.
        settings: everything that decides the result.
        generator: the frozen generator.
        encoders: what guides it.
        sources: what the steps start from, which other runs may share.
        untrained: the domain to start from.
        checkpointing: where to keep how far the run is.
        callback: called after each step.
        memory: what the loss keeps from step to step; it goes into the checkpoint.
        inversion: of pictures, which is done before the first step; it goes into the checkpoint, too.
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
        sources: SourceSide,
        untrained: Untrained,
        checkpointing: Checkpointing,
        callback: Callback | None,
        memory: Memory | None = None,
        inversion: SourceInversion | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.settings, self.generator, self.encoders = settings, generator, encoders
        self.sources = sources
        self._template, self._finish = untrained.domain, untrained.form.finish
        self._checkpointing, self._callback = checkpointing, callback
        self._inversion, self._watch = inversion, watch
        template, mask = untrained.domain, untrained.mask
        self._identity = {
            "generator": template.metadata["generator_fingerprint"],
            "encoders": template.metadata["encoders"],
            "settings": settings.to_dict(),
        }
        start = Progress.start(template.vector)
        path = checkpointing.path
        if checkpointing.resume and path is not None and Path(path).exists():
            start = load_checkpoint(path, self._identity, like=template.vector)

        def masked(vector: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
            return loss(vector if mask is None else vector * mask, step)  # No gradient: zero under Adam.

        def stop(latest: Progress) -> str | None:
            return None if watch is None else watch(latest, template.with_vector(latest.vector))

        memories = {"loss": memory, "inversion": inversion, "watch": watch}
        kept = {name: each for name, each in memories.items() if each is not None}
        self._trainer = Trainer(masked, settings, start, memories=kept, stop=stop)
        self._saved = self._stands() if start.step or start.state else _NOTHING

    @property
    def done(self) -> bool:
        """Whether there is no step left."""
        return self._trainer.done

    def step(self) -> None:
        """Do one step, and before the first one the inversion.

        Raises: AdaptationError if the loss stops being finite.
        """
        if self._inversion is not None:
            while not self._inversion.done:
                self._inversion.advance()
                if self._inversion.step % self._checkpointing.every == 0:
                    self.save()
        self._trainer.step()
        if self.done or self._trainer.progress.step % self._checkpointing.every == 0:
            self.save()
        if self._callback is not None:
            latest = self._trainer.progress
            record = latest.history[-1]
            domain = self._template.with_vector(latest.vector)
            self._callback(latest.step, record["loss"], dict(record["parts"]), domain)

    def save(self) -> None:
        """Write the checkpoint, unless that is done."""
        latest, path = self._trainer.progress, self._checkpointing.path
        if path is None or self._stands() <= self._saved:
            return
        if self._saved == _NOTHING and not self._checkpointing.resume and Path(path).exists():
            os.replace(path, earlier_checkpoint(path))  # Whoever forgot to resume loses nothing.
        if self._inversion is not None and not latest.step:
            latest = replace(latest, state=states({"inversion": self._inversion}))
        save_checkpoint(path, latest, self._identity)
        self._saved = self._stands()

    def _stands(self) -> tuple[int, int]:
        """How many steps are done, and how many of the inversion."""
        return self._trainer.progress.step, 0 if self._inversion is None else self._inversion.step

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

    However it ends, what is known of the source side is kept for other runs.

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
        finally:
            for run in runs:
                run.sources.save()
    return [run.result() for run in runs]


def untrained(settings: AdaptationSettings, generator: Generator, about: dict[str, Any]) -> Untrained:
    """Make the domain to start from."""
    form = find_parameterization(settings.parameterization)
    template = form.zero(generator).detach().with_metadata(about)
    if settings.layers is None:
        return Untrained(form, template, None)
    mask = layer_mask(template, settings.layers, generator.num_ws)
    return Untrained(form, template.with_vector(template.vector * mask), mask)


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
