"""Adapting to a few pictures.

Adversarial, with a discriminator that learns beside it: the recipe of StyleGAN2-ADA (Karras et al. 2020),
arXiv:2006.06676, on a frozen generator, as in StyleDomain (Alanov et al. 2023), arXiv:2212.10229, section 5;
CDC's distance consistency (Ojha et al. 2021, arXiv:2104.06820) is an option. Beside it or alone, the mean of
the pictures' embeddings guides as a text does (StyleGAN-NADA, Gal et al. 2022, arXiv:2108.00946), and what
the domain makes of the pictures' inversions is compared with the pictures (after Mind the GAP, Zhu et al.
2022, arXiv:2110.08398).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.adaptation.discriminator_trainer import (
    DiscriminatorTrainer,
    DiscriminatorTraining,
    small_discriminator,
)
from domainvec.adaptation.drawing import draw_step, synthesize
from domainvec.adaptation.inversion import REINVERSION, Inversion, InversionStep, Inverter
from domainvec.adaptation.picture import image_endpoints
from domainvec.adaptation.pixels import AnyPictures, pixel_digest, several_pictures
from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.stopping import CopyRule, StopRule
from domainvec.adaptation.target import Objective, Setting, Target, sub_state
from domainvec.adaptation.training import PUBLISHED_FEW_SHOT_TRAINING
from domainvec.domains.domain import Domain
from domainvec.errors import InputError
from domainvec.guidance.few_shot import (
    ADVERSARIAL,
    FACES_FEW_SHOT,
    FewShotGuidance,
    distance_consistency_loss,
)
from domainvec.guidance.mindthegap import pixel_loss
from domainvec.guidance.preservation import Preservation, Terms, mean_over_encoders
from domainvec.guidance.text import Endpoints, Guidance, directional_terms
from domainvec.guidance.viewing import AdaptedBatch, Needs
from domainvec.seeds import latents
from domainvec.stylegan2.discriminator import Discriminator

_FEWEST = 2
_PAIRS = 4  # pictures in a step whose inversions are compared with them
_SOURCE_SAMPLES = 64  # their mean embedding stands for the source
_SOURCE_SEED = 2_000_000_000
_BATCH = 8


class Pictures(Target):
    """A few pictures, such as ten, to adapt to.

    Args:
        pictures: a folder of pictures of any sizes and shapes; or pixels (M, 3, R, R) on [-1, 1], R the
            generator's resolution.
        guidance: the losses; by default those that go with the encoders' text guidance.
        discriminator: the generator's own, a copy of which is fine-tuned; without, a small new one is.
        discriminator_training: how it learns.
        inversion: how the pictures' nearest source images are found, if the guidance compares them.
        inverted: the pictures' latents, (M, num_ws, w_dim), if `invert` has found them already.
        check_every: steps between two checks for samples that copy a picture.

    Raises: InputError if a value is out of range.
    """

    kind = "pictures"
    precedence = 2
    published_training = PUBLISHED_FEW_SHOT_TRAINING
    full_size = True

    def __init__(
        self,
        pictures: AnyPictures,
        *,
        guidance: FewShotGuidance | None = None,
        discriminator: Discriminator | None = None,
        discriminator_training: DiscriminatorTraining | None = None,
        inversion: Inversion | None = None,
        inverted: Tensor | None = None,
        check_every: int = 20,
    ) -> None:
        if check_every < 1:
            raise InputError(f"check_every is {check_every}, expected 1 or more")
        self.pictures, self.guidance, self.inverted, self.check_every = (
            pictures,
            guidance,
            inverted,
            check_every,
        )
        self._pixels: tuple[Tensor, tuple[str, ...]] | None = None
        self.discriminator = discriminator
        self.discriminator_training = discriminator_training or DiscriminatorTraining()
        self.inversion = Inversion() if inversion is None else inversion

    @property
    def label(self) -> str:
        """Where the pictures are."""
        return f"the pictures of {getattr(self.pictures, 'folder', self.pictures)}"

    def pixels(self, side: int) -> tuple[Tensor, tuple[str, ...]]:
        """The pictures at a size, (M, 3, side, side) on [-1, 1], and their names; files are decoded once."""
        if self._pixels is None or self._pixels[0].shape[-1] != side:
            self._pixels = several_pictures(self.pictures, side, _FEWEST)
        return self._pixels

    def few_shot_guidance(self, guidance: Guidance) -> FewShotGuidance:
        """The losses beside a text's guidance."""
        if self.guidance is not None:
            return self.guidance
        return ADVERSARIAL if guidance.augmentation is None else FACES_FEW_SHOT

    def preservation(self, guidance: Guidance) -> Preservation:
        """What the pictures' guidance keeps."""
        return self.few_shot_guidance(guidance).preservation

    def check(self, setting: Setting) -> None:
        """Check encoders and batch size.

        Raises: InputError if the guidance needs an encoder and there is none, or compares more images than a
            batch has.
        """
        guidance, batch_size = self.few_shot_guidance(setting.guidance), setting.training.batch_size
        inverts = guidance.pairs and self.inversion.features
        needs_encoder = guidance.distance_consistency or guidance.resemblance or inverts
        if not setting.encoders and needs_encoder:
            raise InputError(
                "features of inversions, resemblance and distance consistency need an encoder; got none"
            )
        if batch_size < 3 and guidance.distance_consistency:
            raise InputError(
                f"batch_size is {batch_size}, but distance consistency compares pairs of images of a batch: "
                "expected 3 or more, or a guidance without it (distance_consistency=0)"
            )

    def describe(self, setting: Setting) -> dict[str, Any]:
        """Return the pictures' names and digest, and how they guide."""
        pixels, names = self.pixels(setting.generator.resolution)
        guidance = self.few_shot_guidance(setting.guidance)
        values = guidance.to_dict()
        del values["preservation"]
        described = {
            "kind": self.kind,
            "names": list(names),
            "digest": pixel_digest(pixels),
            "weight": self.weight,
            "guidance": values,
            "check_every": self.check_every,
        }
        if guidance.pairs:
            described["inversion"] = self.inversion.to_dict()
        if guidance.adversarial:
            described["discriminator"] = "new" if self.discriminator is None else "own"
            described["discriminator_training"] = vars(self.discriminator_training)
        return described

    def objective(self, setting: Setting) -> Objective:
        """Prepare discriminator, inversions and losses.

        Raises:
            InputError: if there are fewer than two pictures, or the batch does not suit the discriminator.
            ShapeError: if pictures or discriminator are of another resolution than the generator.
        """
        return PicturesObjective(self, setting)


class PicturesObjective(Objective):
    """The losses towards a few pictures."""

    def __init__(self, target: Pictures, setting: Setting) -> None:
        self.setting, self.target, training = setting, target, setting.training
        self.guidance = target.few_shot_guidance(setting.guidance)
        pixels, _ = target.pixels(setting.generator.resolution)
        self.needs = Needs(whole=self.guidance.distance_consistency > 0, views=self.guidance.resemblance > 0)
        self.endpoints: Endpoints | None = None
        if self.guidance.resemblance > 0:
            looks = Needs(whole=self.guidance.preservation.in_domain_angle > 0, views=True)
            self.endpoints = image_endpoints(setting, pixels, _source_samples(setting), looks)
        self.pixels = pixels.to(setting.device)
        self.trainer: DiscriminatorTrainer | None = None
        if self.guidance.adversarial > 0:
            own = target.discriminator or small_discriminator(setting.generator.resolution, training.seed)
            group = own.config.mbstd_group_size
            if training.batch_size > group and training.batch_size % group:
                raise InputError(
                    f"batch_size is {training.batch_size}; the discriminator compares groups of {group} "
                    f"images: expected a multiple of {group}, or fewer"
                )
            self.trainer = DiscriminatorTrainer(
                own, target.discriminator_training, self.pixels, training.seed
            )
        self.inverter = Inverter(
            setting.generator,
            setting.encoders,
            self.pixels,
            target.inversion,
            dtype=training.dtype,
            seed=training.seed,
            known=target.inverted,
        )
        self._logs: dict[str, Tensor] = {}

    def changes_at(self, step: int) -> bool:
        """Whether the discriminator learns or the pictures are inverted again."""
        return self.trainer is not None or self._reinverts_at(step)

    def prepare(self) -> Iterator[InversionStep]:
        """Invert the pictures, if the guidance compares them with their inversions."""
        if self.guidance.pairs > 0:
            yield from self.inverter.run()

    def before_step(self, step: int, domain: Domain) -> Iterator[InversionStep]:
        """Warm up the discriminator, or invert the pictures again through the domain."""
        setting, training = self.setting, self.setting.training
        while self.trainer and self.trainer.step_count < self.target.discriminator_training.warmup_steps:
            early = -1 - self.trainer.step_count
            with torch.no_grad():
                w = draw_step(setting.generator, training, early)
                images = synthesize(setting.generator, training, w, early, domain)
            self.trainer.step(images.float())
        if self._reinverts_at(step):
            again = self.inverter.again(domain, REINVERSION)
            yield from again.run()
            self.inverter.found = again.found

    def extra_latents(self, step: int) -> Tensor | None:
        """The inversions of some pictures."""
        return self.inverter.found[self._rows(step)] if self.guidance.pairs > 0 else None

    def update(self, batch: AdaptedBatch, step: int) -> None:
        """Train the discriminator."""
        if self.trainer is not None:
            self._logs = self.trainer.step(batch.images)

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        """The losses of `FewShotGuidance`, and the discriminator's logs at weight 0."""
        guidance, terms = self.guidance, dict[str, tuple[float, Tensor]]()
        if self.trainer is not None:
            rng = step_rng(self.setting.training.seed, step, "drawn")
            terms["adversarial"] = guidance.adversarial, self.trainer.generator_loss(batch.images, rng)
        if batch.extra is not None and len(batch.extra):
            terms["pairs"] = guidance.pairs, pixel_loss(batch.extra, self.pixels[self._rows(step)])
        if guidance.distance_consistency > 0:
            distances = (
                distance_consistency_loss(batch.whole(index), source)
                for index, source in enumerate(batch.source.whole)
            )
            terms["distance_consistency"] = guidance.distance_consistency, mean_over_encoders(distances)
        if self.endpoints is not None:
            resembling = directional_terms(self.setting.guidance, self.endpoints, batch)
            for name, (weight, value) in resembling.items():
                terms[f"resemblance_{name}"] = guidance.resemblance * weight, value
        return terms | {name: (0.0, value) for name, value in self._logs.items()}

    def target_embeddings(self) -> list[Tensor]:
        """The mean of the pictures'."""
        with torch.no_grad():
            return [F.normalize(e.encode_images(self.pixels).mean(0), dim=0) for e in self.setting.encoders]

    def stop_rules(self) -> dict[str, StopRule]:
        """Stop when samples copy the pictures."""
        training, guidance = self.setting.training, self.guidance
        rule = CopyRule(
            self.setting.generator,
            self.pixels,
            most=guidance.copies,
            nearness=guidance.nearness,
            vector=self.setting.start,
            every=self.target.check_every,
            last=training.steps,
        )
        return {"copies": rule}

    def state_dict(self) -> Mapping[str, Tensor]:
        """Those of the discriminator and of the inversions."""
        state = {}
        if self.guidance.pairs > 0:
            state = {f"inversion.{name}": value for name, value in self.inverter.state_dict().items()}
        if self.trainer is not None:
            state |= {f"discriminator.{name}": value for name, value in self.trainer.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back those of the discriminator and of the inversions."""
        if self.guidance.pairs > 0:
            self.inverter.load_state_dict(sub_state(state, "inversion"))
        if self.trainer is not None:
            self.trainer.load_state_dict(sub_state(state, "discriminator"))

    def _reinverts_at(self, step: int) -> bool:
        return step in self.guidance.reinversion_steps(self.setting.training.steps)

    def _rows(self, step: int) -> Tensor:
        """Numbers of the pictures that are compared with their inversions in a step."""
        rng = step_rng(self.setting.training.seed, step, "pairs")
        return torch.randperm(len(self.pixels), generator=rng)[:_PAIRS].to(self.pixels.device)


@torch.no_grad()
def _source_samples(setting: Setting) -> Tensor:
    """Images of the source domain, (N, 3, R, R), the same in every run."""
    seeds = range(_SOURCE_SEED, _SOURCE_SEED + _SOURCE_SAMPLES)
    z = latents(seeds, setting.generator.z_dim).to(setting.device)
    return torch.cat([setting.generator(part).float().clamp(-1, 1) for part in torch.split(z, _BATCH)])
