"""The short way: one call from a target to a domain."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from domainvec.adaptation.precision import Precision
from domainvec.adaptation.result import AdaptationResult
from domainvec.adaptation.session import Progress, Session
from domainvec.adaptation.target import Target
from domainvec.adaptation.text import Text
from domainvec.adaptation.training import AdaptationEncoder, Training
from domainvec.errors import InputError
from domainvec.guidance.preservation import Preservation
from domainvec.guidance.text import Guidance
from domainvec.stylegan2.network import Noise

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def adapt(
    generator: Generator,
    encoder: AdaptationEncoder | Sequence[AdaptationEncoder],
    target: str | Sequence[str] | Target,
    source: str | None = None,
    *,
    steps: int | Literal["auto"] | None = None,
    seed: int = 0,
    guidance: Guidance | None = None,
    preservation: Preservation | None = None,
    keep: Sequence[str] | None = None,
    parameterization: str | None = None,
    layers: str | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    warmup_steps: int | None = None,
    decay_fraction: float | None = None,
    style_mixing: float | None = None,
    truncation_psi: float | None = None,
    noise: Noise | None = None,
    resolution: int | Literal["full"] | None = None,
    full_size_fraction: float | None = None,
    precision: Precision | None = None,
    source_pool: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 25,
    resume: bool = False,
    callback: Callable[[Progress], object] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> AdaptationResult:
    """Find the domain that brings a generator's images to a target.

    A `Session` run to its end; see there for what is deterministic and resumable. Settings that are None
    take the value that suits the encoders and the target (`Training.for_encoder`).

    Args:
        generator: the frozen generator; the work is done on its device.
        encoder: one image-text encoder or several, on the same device.
        target: what the images are to become: a text such as "a pencil sketch", several texts whose
            embeddings are averaged, or a `Target` (`Text`, `Picture`, `Pictures`, or a sum of them).
        source: what the images are, "a photo" by default; for a target of type `Text`, give it there.
        steps: number of steps, or "auto" to stop once quality no longer improves, after twice the default
            at the latest.
        seed: of all random numbers, from 0 to 2**63 - 1.
        guidance: the losses towards a text; see `Session`.
        preservation: what is kept of the source images.
        keep: attributes that stay, such as ["glasses", "hat"], instead of those of the preservation: groups
            of `domainvec.guidance.GROUPS`, or any words that the encoders can read; [] for none.
        parameterization: which numbers are trained; this and the following ones as in `Training`.
        layers: train only these layers.
        learning_rate: peak learning rate of Adam.
        batch_size: images per step.
        warmup_steps: steps over which the learning rate rises.
        decay_fraction: share of the steps over which it falls at the end.
        style_mixing: probability that an image mixes two latents.
        truncation_psi: how far latents are drawn towards the mean; 1 for not at all.
        noise: the generator's noise, "const", "random" or "none".
        resolution: side in pixels at which synthesis stops in training.
        full_size_fraction: share of the steps, at the end, at full resolution.
        precision: of feature maps and encoders, "float32" or "bfloat16".
        source_pool: number of latents to train on; 0 draws new ones in every step.
        checkpoint: file that keeps where the training stands.
        checkpoint_every: in steps.
        resume: go on from the checkpoint if there is one.
        callback: called with the `Progress` of each step.
        metadata: what to add to the domain's metadata.

    Returns: the domain, its history and its settings.

    Raises:
        InputError: if a value is out of range, or target and source look the same to an encoder.
        AdaptationError: if the loss stops being finite, or the checkpoint is broken or of another run.

    Warns:
        UnknownWordsWarning: if a text has words that none of the encoders was taught.

    Example:
        >>> result = dv.adapt(generator, encoder, "a pencil sketch", seed=1)
        >>> result.domain.save("sketch.safetensors")
    """
    if not isinstance(target, Target):
        texts = (target,) if isinstance(target, str) else tuple(target)
        target = Text(*texts, source="a photo" if source is None else source)
    elif source is not None:
        raise InputError(
            f"source is {source!r} beside a {type(target).__name__}: give it as Text(…, source=…)"
        )
    given = {
        "steps": steps,
        "parameterization": parameterization,
        "layers": layers,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "warmup_steps": warmup_steps,
        "decay_fraction": decay_fraction,
        "style_mixing": style_mixing,
        "truncation_psi": truncation_psi,
        "noise": noise,
        "resolution": resolution,
        "full_size_fraction": full_size_fraction,
        "precision": precision,
        "source_pool": source_pool,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    session = Session(
        generator,
        encoder,
        target,
        training=Training.for_encoder(encoder, target, guidance).replace(seed=seed, **chosen),
        guidance=guidance,
        preservation=preservation,
        keep=keep,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        resume=resume,
        metadata=metadata,
    )
    for progress in session:
        if callback is not None:
            callback(progress)
    return session.result()
