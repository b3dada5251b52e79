"""From one picture to a domain, perhaps with a text beside it.

Mind the GAP (Zhu et al. 2022), arXiv:2110.08398: the picture is inverted into the source domain; samples then
have to move as the inversion has to move to become the picture. DiFa (Zhang et al. 2022), arXiv:2207.08736,
adds that each patch looks like one of the picture's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

from domainvec.adaptation.drawing import encoding, synthesize_batches
from domainvec.adaptation.inversion import Inversion, SourceInversion
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
    describe,
    finish_runs,
    training_resolution,
    untrained,
)
from domainvec.adaptation.settings import AdaptationSettings, ImageTarget
from domainvec.adaptation.sources import SourceSide
from domainvec.adaptation.text import text_objective
from domainvec.domains.domain import Domain
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.image import FACES_IMAGE, MIND_THE_GAP, ImageGuidance, ImageObjective, TokenEncoder
from domainvec.guidance.objective import Objective, default_guidance
from domainvec.guidance.robust import as_seen, compares_sources
from domainvec.guidance.settings import Guidance
from domainvec.guidance.viewing import Viewer
from domainvec.picture_files import PictureFile
from domainvec.stylegan2.network import Noise

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_REFERENCES = 4  # pictures of the style's latents in a step
_RECOLOURED_FROM = 6  # the row of w from which colours come rather than shapes


class ImageAdaptationEncoder(AdaptationEncoder, TokenEncoder, Protocol):
    """What adaptation to a picture needs of an encoder; `domainvec.Encoder` is one."""


def default_image_guidance(guidance: Guidance) -> ImageGuidance:
    """Choose what goes with a text's guidance: the published weights, or those for small encoders."""
    return MIND_THE_GAP if guidance.augmentation is None else FACES_IMAGE


def adapt_to_image(
    generator: Generator,
    encoder: ImageAdaptationEncoder | Sequence[ImageAdaptationEncoder],
    image: str | os.PathLike[str] | PictureFile | Tensor,
    target: str | Sequence[str] | None = None,
    source: str = "a photo",
    *,
    text_weight: float = 1.0,
    image_guidance: ImageGuidance | None = None,
    inversion: Inversion | None = None,
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
    inverted: Tensor | None = None,
    on_inversion: Callable[[int, float], object] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> AdaptationResult:
    """Find the domain that makes a generator's pictures look like one picture.

    Deterministic and resumable as `adapt`, the inversion included.

    Args:
        generator: the frozen generator; the work is done on its device.
        encoder: one image-text encoder or several, on the same device.
        image: the picture: a file, of any size and shape; or pixels, (3, H, W) or (1, 3, H, W), square, on
            [-1, 1].
        target: a text, or several, that say the same besides; None without.
        source: what the generator's pictures are; used with a text only.
        text_weight: of the text's losses beside the picture's.
        image_guidance: the picture's losses; by default those that go with `guidance`.
        inversion: how the picture's nearest one in the source domain is found.
        steps: how many steps of Adam, or "auto"; this and the next arguments are as in `adapt`.
        seed: of all randomness.
        guidance: the text's losses, without those that keep faces, which are the picture's; by default what
            suits the encoders.
        parameterization: as in `adapt`.
        layers: as in `adapt`.
        learning_rate: as in `adapt`.
        batch_size: samples a step; four pictures of the style's latents come on top.
        warmup_steps: as in `adapt`.
        decay_fraction: as in `adapt`.
        style_mixing: as in `adapt`.
        truncation_psi: as in `adapt`.
        noise: as in `adapt`.
        resolution: as in `adapt`.
        full_size_fraction: as in `adapt`.
        precision: as in `adapt`.
        source_pool: as in `adapt`.
        checkpoint: as in `adapt`.
        checkpoint_every: in steps.
        resume: as in `adapt`.
        callback: as in `adapt`.
        inverted: the picture's latents, (1, num_ws, w_dim), if `invert_into_source` has found them already.
        on_inversion: called after each step of the inversion with their number and the loss.
        metadata: what to say of the domain besides.

    Returns: the domain, its history and its settings.

    Raises:
        InputError: if the picture cannot be read (the message names the file), or a value is out of range.
        AdaptationError: if the loss stops being finite, or the checkpoint is broken or of another run.
        ShapeError: if the pixels are not those of one square picture, or `inverted` is of another shape.

    Warns:
        UnknownWordsWarning: if a prompt has words that none of the encoders was taught.
    """
    encoders = tuple(encoder) if isinstance(encoder, Sequence) else (encoder,)
    if not encoders or isinstance(encoder, str):
        raise InputError("expected an encoder or several: load them with Encoder.from_pretrained first")
    guidance = default_guidance(encoders) if guidance is None else guidance
    image_guidance = default_image_guidance(guidance) if image_guidance is None else image_guidance
    inversion = Inversion() if inversion is None else inversion
    side = training_resolution(resolution, generator, encoders)
    style, name = _style(image, side)
    device = next(generator.parameters()).device
    target = target if target is None or isinstance(target, str) else tuple(target)
    settings = AdaptationSettings(
        target=target,
        source=source,
        guidance=guidance,
        image=ImageTarget(
            name=name,
            digest=digest(style),
            guidance=image_guidance,
            text_weight=0.0 if target is None else text_weight,
            inversion=inversion,
        ),
        **default_training(guidance, image=True).complete(
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
        resolution=side,
        full_size_fraction=full_size_fraction,
        precision=precision or native_precision(device),
        seed=seed,
    )
    checkpointing = Checkpointing(checkpoint, checkpoint_every, resume)
    about = describe(settings, generator, encoders) | dict(metadata or {})
    start = untrained(settings, generator, about)
    # What keeps faces and colours is the picture's business already.
    bare = replace(guidance.of_texts_alone(), in_domain_angle=0)
    text = None
    if target is not None and text_weight > 0:
        text = text_objective(encoders, replace(settings, guidance=bare))
    viewer = Viewer(encoders, bare, compares=compares_sources(image_guidance))
    sources = SourceSide(generator, settings, viewer, about)
    style = style.to(device)
    inverting = SourceInversion(
        generator,
        encoders,
        style,
        inversion,
        resolution=side,
        precision=settings.precision,
        seed=seed,
        on_step=on_inversion or (lambda *_: None),
        known=inverted,
    )
    loss = _ImageLoss(
        generator,
        encoders,
        settings,
        sources,
        bare,
        style,
        _style(image, generator.resolution)[0].to(device) if full_size_fraction else style,
        start.domain,
        text,
        inverting,
    )
    watch = None
    if settings.until_knee:
        with torch.no_grad():
            wanted = [encoder.encode_images(style)[0] for encoder in encoders]
        watch = KneeWatch(generator, encoders, wanted, start.domain.vector, resolution=side)
    run = Run(
        loss,
        settings,
        generator=generator,
        encoders=encoders,
        sources=sources,
        untrained=start,
        checkpointing=checkpointing,
        callback=callback,
        inversion=inverting,
        watch=watch,
    )
    return finish_runs([run])[0]


class _ImageLoss:
    """The loss of a step."""

    def __init__(
        self,
        generator: Generator,
        encoders: Sequence[ImageAdaptationEncoder],
        settings: AdaptationSettings,
        sources: SourceSide,
        bare: Guidance,
        style: Tensor,
        style_at_full_size: Tensor,
        template: Domain,
        text: Objective | None,
        inversion: SourceInversion,
    ) -> None:
        assert settings.image is not None
        self.image = settings.image
        self.generator, self.encoders, self.settings = generator, encoders, settings
        self.sources = sources
        self.bare, self.style, self.template, self.text = bare, style, template, text
        self.style_at_full_size, self.inversion = style_at_full_size, inversion
        self.objectives: dict[int | None, ImageObjective] = {}

    def _objective(self, w: Tensor, resolution: int | None) -> ImageObjective:
        """What guides pictures of a resolution; made at first need."""
        if resolution not in self.objectives:
            style = self.style_at_full_size if resolution is None else self.style
            with torch.no_grad():
                inversion = self.generator.synthesis(w, resolution=resolution)
            self.objectives[resolution] = ImageObjective(
                self.encoders, self.image.guidance, style, inversion, self.bare
            )
        return self.objectives[resolution]

    def __call__(self, vector: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        settings, generator = self.settings, self.generator
        w_style = self.inversion.latents()
        objective = self._objective(w_style, settings.resolution_at(step))
        w, source = self.sources.at(step)
        with torch.no_grad():
            references = self._references(w_style, step)
        domain = self.template.with_vector(vector)
        adapted, references = synthesize_batches(generator, settings, [w, references], step, domain)
        domain_l2 = (vector - self.template.vector).square().mean()
        with encoding(settings, vector.device):
            total, parts = objective(adapted, source, references, domain_l2=domain_l2)
            if self.text is not None:
                seen = as_seen(self.image.guidance, adapted.float())
                said, parts_of_text = self.text.compare(seen, source)
                total = total + self.image.text_weight * said
                parts |= {f"text_{name}": part for name, part in parts_of_text.items()}
        return total, parts

    def _references(self, w_style: Tensor, step: int) -> Tensor:
        """The style's latents, some of them with the colours of other faces."""
        rng = step_rng(self.settings.seed, step, "references")
        z = torch.randn(_REFERENCES, self.generator.z_dim, generator=rng)
        # By number, not by chance: a step without any would pull elsewhere than one with all.
        count = round(self.image.guidance.recoloured * _REFERENCES)
        others = self.generator.mapping(z.to(w_style.device))
        rows = torch.arange(self.generator.num_ws) >= _RECOLOURED_FROM
        swapped = rows & (torch.arange(_REFERENCES) < count)[:, None]
        return torch.where(swapped[:, :, None].to(w_style.device), others, w_style)


def digest(pixels: Tensor) -> str:
    """16 hexadecimal digits that tell pictures from others, at eight bits."""
    eight = pixels.cpu().mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8)
    return hashlib.sha256(eight.contiguous().numpy().tobytes()).hexdigest()[:16]


def _style(image: str | os.PathLike[str] | PictureFile | Tensor, side: int) -> tuple[Tensor, str]:
    """The picture at a size, (1, 3, side, side), and its name."""
    if isinstance(image, Tensor):
        batch = image[None] if image.dim() == 3 else image
        if batch.dim() != 4 or batch.shape[:2] != (1, 3) or batch.shape[2] != batch.shape[3]:
            raise ShapeError(f"the image has shape {tuple(image.shape)}; expected a square one, (3, H, H)")
        batch = batch.detach().float()
        if batch.shape[-1] != side:
            batch = torch.nn.functional.interpolate(
                batch, (side, side), mode="bicubic", align_corners=False, antialias=True
            ).clamp(-1, 1)
        return batch, "pixels"
    picture = image if isinstance(image, PictureFile) else PictureFile.read(Path(image))
    return picture.square(side), picture.path.name
