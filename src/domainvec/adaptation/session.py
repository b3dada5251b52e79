"""A session: one adaptation as an iterator that the caller drives."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from domainvec import __version__
from domainvec.adaptation.adam import load_optimizer_state, optimizer_state
from domainvec.adaptation.checkpoint import Checkpoint, check_states, earlier_checkpoint
from domainvec.adaptation.drawing import synthesize_batches
from domainvec.adaptation.inversion import InversionStep
from domainvec.adaptation.learnable import DomainVector
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.source_pool import SourceSide
from domainvec.adaptation.stopping import PlateauRule, StopRule
from domainvec.adaptation.target import Setting, Target, prepare_objective, sub_state
from domainvec.adaptation.training import AdaptationEncoder, Training, as_encoders
from domainvec.domains.domain import Domain
from domainvec.errors import AdaptationError, InputError
from domainvec.files import require_writable
from domainvec.guidance.augmentation import squash
from domainvec.guidance.preservation import Preservation, Terms
from domainvec.guidance.text import Guidance, default_guidance
from domainvec.guidance.viewing import AdaptedBatch, Needs, Viewer

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


@dataclass(frozen=True)
class Progress:
    """How far a session is.

    Attributes:
        phase: "inverting" while pictures are inverted into the source domain, "training" otherwise.
        step: steps done in this phase.
        total: steps of this phase.
        loss: of the last step.
        terms: the losses before weighting, by name.
        domain: the domain as it is now; it requires no gradients.
    """

    phase: Literal["inverting", "training"]
    step: int
    total: int
    loss: float
    terms: Mapping[str, float]
    domain: Domain


class Session:
    """Finds the domain that brings a generator's images to a target, a step at a time.

    Iterate over it, in a `with` block if it may be left early, and ask for its `result`. The same arguments
    give the same domain, bit for bit, on one machine with one number of threads, whether or not the session
    was interrupted and resumed. The generator is not changed.

    Args:
        generator: the frozen generator; the work is done on its device.
        encoder: one image-text encoder or several, on the same device; none if only a discriminator guides.
        target: what the images are to become.
        training: the settings of the loop; by default those that suit encoders and target.
        guidance: the losses towards a text, from which the other kinds of guidance follow; by default what
            suits the encoders.
        preservation: what is kept of the source images; by default what goes with the target's guidance.
        keep: attributes that stay, such as ["glasses"], instead of those of the preservation; needs a text.
        checkpoint: a file that keeps where the session stands, every `checkpoint_every` steps and whenever
            the session is left before its end.
        checkpoint_every: in steps.
        resume: go on from the checkpoint if there is one. Otherwise an earlier one is kept beside it, with
            ".old" after its name.
        metadata: what to add to the domain's metadata, such as `generator` (a name) and `license`.

    Raises:
        InputError: if a value is out of range, or target and source look the same to an encoder.
        AdaptationError: if the checkpoint is broken or belongs to another session.
        OSError: if the checkpoint cannot be written.

    Warns:
        UnknownWordsWarning: if a text has words that none of the encoders was taught.

    Example:
        >>> with dv.Session(generator, encoder, dv.Text("a zombie"), checkpoint="zombie.ckpt") as session:
        ...     for progress in session:
        ...         print(progress.step, progress.loss)
        >>> session.result().save("zombie.safetensors")
    """

    def __init__(
        self,
        generator: Generator,
        encoder: AdaptationEncoder | Sequence[AdaptationEncoder],
        target: Target,
        *,
        training: Training | None = None,
        guidance: Guidance | None = None,
        preservation: Preservation | None = None,
        keep: Sequence[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 25,
        resume: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(target, Target):
            raise InputError(f"target is {target!r}, expected Text, Picture, Pictures or a sum of them")
        if resume and checkpoint is None:
            raise InputError("resume needs to know where the checkpoint is: pass checkpoint=")
        if checkpoint_every < 1:
            raise InputError(f"checkpoint_every is {checkpoint_every}, expected 1 or more")
        self.generator, self.target = generator, target
        self.encoders = as_encoders(encoder)
        self.guidance = default_guidance(self.encoders) if guidance is None else guidance
        preservation = preservation or target.preservation(self.guidance)
        self.preservation = preservation if keep is None else preservation.keeping(keep)
        training = training or Training.for_encoder(self.encoders, target, self.guidance)
        if target.full_size:
            training = _at_full_size(training, generator)
        self.training = training.resolve(generator, self.encoders)
        nothing = torch.zeros(0, device=_device(generator))
        setting = Setting(generator, self.encoders, self.guidance, self.training, nothing, self.preservation)
        self._check(setting)
        about = self._describe(setting) | dict(metadata or {})
        self.learnable = DomainVector(generator, self.training, about)
        self.objective = prepare_objective(target, replace(setting, start=self.learnable.start))
        self.viewer = Viewer(self.encoders, self.guidance, self.objective.needs | self._own_needs())
        self.sources = SourceSide(generator, self.encoders, self.training, self.viewer)
        self.optimizer = torch.optim.Adam(
            self.learnable.parameters(), lr=self.training.learning_rate_at(0), betas=self.training.betas
        )
        self.history: list[dict[str, Any]] = []
        self._stopped: tuple[str, str] | None = None  # why, and by which rule
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._checkpoint_every, self._resume = checkpoint_every, resume
        self._identity = {
            "generator": about["generator_fingerprint"],
            "encoders": about["encoders"],
            "targets": about["targets"],
            "preservation": about["preservation"],
            "training": self.training.to_dict(),
        }
        self._seconds = 0.0
        self._latest: Domain | None = None
        self._consistent = True  # whether the state is that between two steps
        self._unsaved = self._written = False
        self._entered = 0
        self._contexts = ExitStack()
        self._rules = self._stop_rules()
        if self._checkpoint is not None:
            require_writable(self._checkpoint)
            if resume and self._checkpoint.exists():
                self._load(self._checkpoint)

    @property
    def step(self) -> int:
        """Number of training steps done."""
        return len(self.history)

    @property
    def stopped(self) -> str | None:
        """Why the training ended before its last step; None if it did not."""
        return None if self._stopped is None else self._stopped[0]

    @property
    def done(self) -> bool:
        """Whether there is no step left."""
        return self._stopped is not None or self.step >= self.training.steps

    def __enter__(self) -> Session:
        if not self._entered:
            networks = [self.generator, *self.encoders]
            self._contexts.enter_context(_frozen(networks))
            self._contexts.enter_context(self.generator.synthesis.weights_held())
        self._entered += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered -= 1
        if not self._entered:
            self._contexts.close()
            try:
                self.save()
            finally:
                self.sources.save()

    def __iter__(self) -> Iterator[Progress]:
        """Go on to the end.

        Raises: AdaptationError if the loss or its gradient is not finite.
        """
        with self:
            yield from self._steps()

    def result(self) -> AdaptationResult:
        """Return what the session has led to; after an early end, the domain as it is then.

        Raises: AdaptationError if no step is done, or the domain changes nothing.
        """
        if not self.history:
            raise AdaptationError("no step is done yet: iterate over the session first")
        vector = self.learnable.domain(self.step).vector.detach()
        if self._stopped is not None:
            vector = self._rules[self._stopped[1]].best_vector
        measured = {name: values for each in self._rules.values() for name, values in each.record().items()}
        return AdaptationResult(
            domain=self.learnable.finish(vector, self.stopped),
            history=self.history,
            training=self.training,
            seconds=self.history[-1]["seconds"],
            generator=self.generator,
            stopped=self.stopped,
            measured=measured or None,
        )

    def save(self) -> None:
        """Write the checkpoint, unless it is up to date or the session is in the middle of a step.

        Raises: OSError if the file cannot be written.
        """
        path = self._checkpoint
        if path is None or not self._unsaved or not self._consistent:
            return
        if not self._written and not self._resume and path.exists():
            os.replace(path, earlier_checkpoint(path))  # Whoever forgot to resume loses nothing.
        Checkpoint(self._state(), self.history, self._stopped).save(path, self._identity)
        self._written, self._unsaved = True, False

    def _steps(self) -> Iterator[Progress]:
        yield from self._inverting(self.objective.prepare())
        while not self.done:
            yield from self._train_step()

    def _train_step(self) -> Iterator[Progress]:
        step, training, began = self.step, self.training, time.perf_counter()
        yield from self._inverting(self.objective.before_step(step, self._current()))
        self._consistent = not self.objective.changes_at(step)
        w, source = self.sources.at(step)
        domain = self.learnable.domain(step)
        own = self.objective.extra_latents(step)
        latents = [w] if own is None else [w, own]
        images, *extra = synthesize_batches(self.generator, training, latents, step, domain)
        images = images.float()
        batch = self.viewer.adapted_batch(
            images,
            source,
            shown=squash(images) if self.preservation.out_of_range > 0 else None,
            extra=extra[0] if extra else None,
            autocast=training.autocast(w.device),
        )
        self.objective.update(batch, step)
        terms = self._preserving(batch, domain)
        terms |= self.objective(batch, step)
        terms |= self.preservation.embedding_terms(batch)
        loss = torch.stack([weight * value.float() for weight, value in terms.values() if weight]).sum()
        parameters = self.learnable.parameters()
        gradients = torch.autograd.grad(loss, parameters) if loss.isfinite() else ()
        if not gradients or not all(bool(each.isfinite().all()) for each in gradients):
            raise AdaptationError(self._diverged(loss))
        self._consistent = False
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient  # autograd.grad leaves those of the networks' weights alone
        self.optimizer.param_groups[0]["lr"] = training.learning_rate_at(step)
        self.optimizer.step()
        if step == 0 and training.forget_first_gradient:
            self.optimizer.state.clear()
        self._seconds += time.perf_counter() - began
        values = {name: value.item() for name, (_, value) in terms.items()}
        self.history.append(
            {"step": step + 1, "loss": loss.item(), "terms": values, "seconds": self._seconds}
        )
        self._latest = None
        current = self._current()
        self._ask_rules(current)
        self._consistent, self._unsaved = True, True
        if self.done or self.step % self._checkpoint_every == 0:
            self.save()
        yield Progress("training", self.step, training.steps, loss.item(), values, current)

    def _preserving(self, batch: AdaptedBatch, domain: Domain) -> Terms:
        """The losses that look at pixels and at the domain's numbers."""
        terms = self.preservation.pixel_terms(batch)
        if self.preservation.l2 > 0:
            terms["l2"] = self.preservation.l2, self.learnable.l2()
        if self.preservation.layer_l2 > 0:
            squares = [part.square().mean() for part in domain.named_tensors().values()]
            terms["layer_l2"] = self.preservation.layer_l2, torch.stack(squares).sum()
        return terms

    def _inverting(self, steps: Iterator[InversionStep]) -> Iterator[Progress]:
        while True:
            self._consistent = False
            progress = next(steps, None)
            self._consistent = True
            if progress is None:
                return
            self._unsaved = True
            if progress.step % self._checkpoint_every == 0 and not self.history:
                self.save()
            yield Progress("inverting", progress.step, progress.total, progress.loss, {}, self._current())

    def _current(self) -> Domain:
        """The domain after the last step, made once: with all weights it is as large as the generator."""
        if self._latest is None:
            self._latest = self.learnable.domain(self.step).detach()
        return self._latest

    def _ask_rules(self, domain: Domain) -> None:
        for name, rule in self._rules.items():
            reason = rule(self.step, domain)
            if reason is not None and self._stopped is None:
                self._stopped = reason, name

    def _stop_rules(self) -> dict[str, StopRule]:
        rules = self.objective.stop_rules()
        if self.training.plateau is not None:
            if not self.encoders:
                raise InputError("steps is 'auto', which needs an encoder to measure by; pass a number")
            assert isinstance(self.training.resolution, int)
            rules["plateau"] = PlateauRule(
                self.training.plateau,
                self.generator,
                self.encoders,
                self.objective.target_embeddings(),
                self.learnable.start,
                self.training.resolution,
            )
        return rules

    def _check(self, setting: Setting) -> None:
        """Raise InputError if a batch has fewer images than a term compares with each other."""
        for part in self.target.parts:
            part.check(setting)
        if self.preservation.keep and not any(part.kind == "text" for part in self.target.parts):
            raise InputError(
                f"keep is {list(self.preservation.keep)}, but attributes are read by texts: add dv.Text(...) "
                "to the target (--to)"
            )
        if self.training.batch_size == 1 and self.preservation.compares_batch:
            raise InputError(
                "batch_size is 1, but the in-domain angle and the luminance term compare the images of a "
                "batch: expected 2 or more, or a preservation without them (in_domain_angle=0, luminance=0)"
            )

    def _own_needs(self) -> Needs:
        """What the preservation looks at; raise InputError if it needs an encoder and there is none."""
        if self.preservation.in_domain_angle and not self.encoders:
            raise InputError(
                "the in-domain angle needs an encoder; got none: pass one, or a preservation without it "
                "(in_domain_angle=0)"
            )
        return Needs(
            whole=self.preservation.in_domain_angle > 0, source_images=self.preservation.needs_source_images
        )

    def _describe(self, setting: Setting) -> dict[str, Any]:
        """Metadata of the domain: where it comes from."""
        training = self.training.to_dict()
        texts = [part for part in self.target.parts if part.kind == "text"]
        about: dict[str, Any] = {"generator_fingerprint": self.generator.fingerprint}
        if texts:
            said = [text for part in texts for text in getattr(part, "texts", ())]
            about["target"] = said[0] if len(said) == 1 else said
            about["source"] = getattr(texts[0], "source", None)
        return about | {
            "targets": [part.describe(setting) for part in self.target.parts],
            "preservation": vars(self.preservation),
            "parameterization": training["parameterization"],
            "training": training,
            "encoders": [{"name": each.name, "fingerprint": each.fingerprint} for each in self.encoders],
            "version": __version__,
            "created_by": f"domainvec {__version__}",
        }

    def _state(self) -> dict[str, Tensor]:
        parts: dict[str, Mapping[str, Tensor]] = {
            "learnable": self.learnable.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "objective": self.objective.state_dict(),
            **{f"rule.{name}": rule.state_dict() for name, rule in self._rules.items()},
        }
        return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}

    def _load(self, path: Path) -> None:
        kept = Checkpoint.load(path, self._identity)
        learnable = {f"learnable.{name}": value for name, value in self.learnable.state_dict().items()}
        check_states(path, learnable, kept.state)
        self.learnable.load_state_dict(sub_state(kept.state, "learnable"))
        load_optimizer_state(self.optimizer, sub_state(kept.state, "optimizer"))
        self.objective.load_state_dict(sub_state(kept.state, "objective"))
        for name, rule in self._rules.items():
            rule.load_state_dict(sub_state(kept.state, f"rule.{name}"))
        self.history, self._stopped = kept.history, kept.stopped
        self._seconds = self.history[-1]["seconds"] if self.history else 0.0
        self._written = True

    def _diverged(self, loss: Tensor) -> str:
        training = self.training
        what = "its gradient" if loss.isfinite() else f"the loss is {loss.item()}, which"
        last = f"the last finite loss was {self.history[-1]['loss']:.4g}" if self.step else "none was finite"
        remedy = f"try a learning rate below {training.learning_rate:g}"
        remedy += ", or precision float32" if training.precision != "float32" else ""
        return f"stopped at step {self.step + 1} of {training.steps}: {what} is not finite ({last}); {remedy}"


def run_together(
    sessions: Sequence[Session], callback: Callable[[Session, Progress], object] | None = None
) -> list[AdaptationResult]:
    """Run several sessions side by side, a step of each in turn.

    Sessions with the same generator, encoders and source of randomness share their source images and what
    the encoders see in them. Each result is that of the session alone, bit for bit.

    Args:
        sessions: of one generator or several.
        callback: called after each step of each session.

    Returns: the result of each session.

    Raises: AdaptationError if a loss stops being finite; the checkpoints of all sessions are written then.

    Example:
        >>> sessions = [dv.Session(generator, encoder, dv.Text(text)) for text in ("a sketch", "a zombie")]
        >>> sketch, zombie = dv.run_together(sessions)
    """
    shared: dict[tuple[object, ...], SourceSide] = {}
    for session in sessions:
        session.sources = shared.setdefault(session.sources.key, session.sources)
    with ExitStack() as stack:
        running = [(stack.enter_context(session), session._steps()) for session in sessions]
        while running:
            for session, steps in list(running):
                progress = next(steps, None)
                if progress is None:
                    running.remove((session, steps))
                elif callback is not None:
                    callback(session, progress)
    return [session.result() for session in sessions]


def _at_full_size(training: Training, generator: Generator) -> Training:
    """Raise InputError unless the training is at full resolution; some targets need that."""
    if training.full_size_fraction or training.resolution not in (None, "full", generator.resolution):
        raise InputError(
            f"resolution is {training.resolution!r}, but several pictures are learnt at full size: leave "
            "resolution and full_size_fraction out"
        )
    return training.replace(resolution="full")


def _device(generator: Generator) -> torch.device:
    return next(generator.parameters()).device


@contextmanager
def _frozen(networks: Sequence[object]) -> Iterator[None]:
    """Let no gradients be computed for the networks' weights inside the block."""
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
