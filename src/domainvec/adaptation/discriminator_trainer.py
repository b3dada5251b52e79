"""A discriminator that is fine-tuned beside a domain.

StyleGAN2-ADA (Karras et al. 2020), arXiv:2006.06676: real and adapted images are shown through random
augmentations, whose probability p follows how confident the discriminator is about the real ones.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.adaptation.adam import load_optimizer_state, optimizer_state
from domainvec.adaptation.randomness import step_rng
from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.augmentation import Augmentation, augment
from domainvec.stylegan2.config import DiscriminatorConfig
from domainvec.stylegan2.discriminator import Discriminator

# Strong augmentation with every change on, applied to each image with probability p.
_AUGMENTATION = Augmentation(
    crop=(0.7, 1.1), rotation=0.25, flip=0.5, contrast=0.4, brightness=0.3, tint=0.15, noise=0.2, blur=0.2
)
_SMALL_CHANNELS = {4: 128, 8: 128, 16: 96, 32: 64, 64: 32}
_FEWEST_CHANNELS = 16


@dataclass(frozen=True, kw_only=True)
class DiscriminatorTraining:
    """How the discriminator learns.

    Attributes:
        learning_rate: of its Adam.
        r1: weight of the gradient penalty at real images (Mescheder et al. 2018, arXiv:1801.04406).
        r1_every: steps between two penalties, each of which counts that many times (lazy regularization,
            StyleGAN2, arXiv:1912.04958).
        target: mean sign of the logits of real images that p aims at.
        adjust_steps: steps in which p can go from 0 to 1.
        start: p at the start.
        greatest: upper bound of p, so that some images stay as they are.
        warmup_steps: steps of the discriminator alone before the first step of the domain.

    Raises: InputError if a value is out of range.
    """

    learning_rate: float = 0.002
    r1: float = 1.0
    r1_every: int = 8
    target: float = 0.6
    adjust_steps: int = 100
    start: float = 0.3
    greatest: float = 0.8
    warmup_steps: int = 20

    def __post_init__(self) -> None:
        for name in ("r1_every", "adjust_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected a whole number from 1")
        require_between(self, ["target", "start", "greatest"], 1.0)
        require_between(self, ["learning_rate", "r1", "warmup_steps"])


def small_discriminator(resolution: int, seed: int) -> Discriminator:
    """Make a small discriminator with random weights, for generators that come without one."""
    sides = [4 << k for k in range(resolution.bit_length() - 2)]
    channels = tuple(_SMALL_CHANNELS.get(side, _FEWEST_CHANNELS) for side in sides)
    discriminator = Discriminator(DiscriminatorConfig(resolution=resolution, channels=channels))
    rng = step_rng(seed, 0, "discriminator")
    with torch.no_grad():
        for name, weight in discriminator.named_parameters():
            weight.copy_(
                torch.zeros_like(weight)
                if name.endswith("bias")
                else torch.randn(weight.shape, generator=rng)
            )
    return discriminator


class AdaptiveAugmentation:
    """Random augmentation of each image with probability p, which is adjusted in training (ADA)."""

    def __init__(self, settings: DiscriminatorTraining) -> None:
        self.settings = settings
        self.p = min(settings.start, settings.greatest)

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """(N, 3, H, W) to the same, each image changed with probability p; differentiable."""
        augmented = augment(images, _AUGMENTATION, rng)
        changed = torch.rand(len(images), 1, 1, 1, generator=rng) < self.p
        mirrored = torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5
        plain = torch.where(mirrored.to(images.device), images.flip(3), images.float())
        return torch.where(changed.to(images.device), augmented, plain)

    def adjust(self, real_logits: Tensor) -> None:
        """Raise p if the discriminator is more confident about real images than it should be, or lower it."""
        confidence = real_logits.detach().sign().mean().item()
        step = math.copysign(1 / self.settings.adjust_steps, confidence - self.settings.target)
        self.p = min(max(self.p + step, 0.0), self.settings.greatest)


class DiscriminatorTrainer:
    """Trains a copy of a discriminator to tell pictures from adapted images.

    Args:
        discriminator: it is copied.
        settings: how it learns.
        pictures: the real images, (M, 3, R, R).
        seed: of the pictures' order and the augmentation.

    Raises: ShapeError if the discriminator is of another resolution than the pictures.
    """

    def __init__(
        self, discriminator: Discriminator, settings: DiscriminatorTraining, pictures: Tensor, seed: int
    ) -> None:
        if pictures.shape[-1] != discriminator.config.resolution:
            raise ShapeError(
                f"the discriminator takes {discriminator.config.resolution} px, the pictures have "
                f"{pictures.shape[-1]}: pass one of the resolution that is trained at"
            )
        self.network = copy.deepcopy(discriminator).to(pictures.device).requires_grad_(True)
        self.settings, self.pictures, self.seed = settings, pictures, seed
        self.augmentation = AdaptiveAugmentation(settings)
        self.optimizer = torch.optim.Adam(
            list(self.network.parameters()), lr=settings.learning_rate, betas=(0.0, 0.99)
        )
        self.step_count = 0

    def step(self, fake: Tensor) -> dict[str, Tensor]:
        """Take one step: non-saturating loss, and lazily R1.

        Args:
            fake: adapted images, (N, 3, H, W); no gradient goes back to them.

        Returns: the mean logits of real and fake images, and the probability of augmentation after the step.
        """
        settings, step = self.settings, self.step_count
        rng = step_rng(self.seed, step, "real")
        rows = torch.randint(len(self.pictures), (len(fake),), generator=rng)
        real = self.augmentation(self.pictures[rows.to(self.pictures.device)], rng).detach()
        penalized = settings.r1 > 0 and step % settings.r1_every == 0
        real.requires_grad_(penalized)
        with torch.enable_grad():
            real_logits = self.network(real)
            fake_logits = self.network(self.augmentation(fake.detach(), rng))
            loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
            if penalized:
                (slope,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
                penalty = slope.square().sum((1, 2, 3)).mean()
                loss = loss + settings.r1 / 2 * settings.r1_every * penalty
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.augmentation.adjust(real_logits)
        self.step_count += 1
        return {
            "logit_real": real_logits.detach().mean(),
            "logit_fake": fake_logits.detach().mean(),
            "augmentation_p": torch.tensor(self.augmentation.p),
        }

    def generator_loss(self, fake: Tensor, rng: torch.Generator) -> Tensor:
        """Non-saturating loss of adapted images, differentiable in them; the network gets no gradient."""
        self.network.requires_grad_(False)
        try:
            loss: Tensor = F.softplus(-self.network(self.augmentation(fake, rng))).mean()
        finally:
            self.network.requires_grad_(True)
        return loss

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights, Adam's state, p and the number of steps."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"optimizer.{name}": value for name, value in optimizer_state(self.optimizer).items()}
        state["p"] = torch.tensor(self.augmentation.p, dtype=torch.float64)
        state["step_count"] = torch.tensor(self.step_count)
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
        for key, value in state.items():
            part, _, name = key.partition(".")
            if part in parts:
                parts[part][name] = value
        self.network.load_state_dict(parts["network"])
        load_optimizer_state(self.optimizer, parts["optimizer"])
        self.step_count, self.augmentation.p = int(state["step_count"]), float(state["p"])
