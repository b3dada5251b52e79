"""The adversary of few-shot adaptation: a discriminator, what it is shown, and how it learns.

StyleGAN2-ADA (Karras et al. 2020), arXiv:2006.06676: real and drawn pictures are shown through random views,
whose probability p follows from how sure the discriminator is of the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainvec.adaptation.adam import moments, put_back
from domainvec.adaptation.inversion import Inversion
from domainvec.adaptation.randomness import step_rng
from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.embeddings import cosine_matrix
from domainvec.guidance.robust import Augmentation, augment
from domainvec.stylegan2.config import DiscriminatorConfig
from domainvec.stylegan2.discriminator import Discriminator

# Wide views with every change on, each of which is applied with probability p.
_VIEWS = Augmentation(
    crop=(0.7, 1.1), rotation=0.25, flip=0.5, contrast=0.4, brightness=0.3, tint=0.15, noise=0.2, blur=0.2
)
_FRESH_WIDTHS = {4: 128, 8: 128, 16: 96, 32: 64, 64: 32}
_NARROWEST = 16


# A domain on its way has some of the pictures' colours, but not all.
_THROUGH_A_DOMAIN = Inversion(steps=40, learning_rate=0.05, recoloured=0.5, pixels=0.5)


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """How the adversary learns, and its weight.

    Attributes:
        weight: of the adversarial loss of the drawn pictures; 0 does without the discriminator.
        learning_rate: of the discriminator's Adam.
        r1: weight of the penalty on its gradient at real pictures (Mescheder et al. 2018, arXiv:1801.04406).
        r1_every: steps between two penalties, each of which counts that many times (lazy regularization,
            StyleGAN2, arXiv:1912.04958).
        target: how sure it is to be of real pictures: the mean sign of their logits that p aims at.
        adjust_steps: over how many steps p can go from 0 to 1.
        start: p in the beginning.
        greatest: p at most, so that some pictures stay as they are.
        warmup_steps: in which only the discriminator learns, before the first step of the domain.
        resemblance: weight of the encoders' guidance towards the mean of the pictures, as towards a text
            (StyleGAN-NADA, arXiv:2108.00946, section 3.4).
        pairs: weight of the difference between some of the pictures and what the domain makes of their
            inversions (after Mind the GAP, arXiv:2110.08398, eq. 3).
        inversion: how the pictures' nearest ones in the source domain are found, if `pairs` has a weight.
        reinversions: how often, evenly over the first half of the steps, they are found anew: through the
            domain as it then stands, which knows by then what the pictures have in common.
        reinversion: how that is done, from where they are.
        distances: weight of CDC's distance consistency (Ojha et al. 2021, arXiv:2104.06820), in the encoders'
            embeddings; 0 does without.
        edges: weight of the edge-map correlation at 16 px with the source picture.
        tones: weight of the correlation, over the batch, of how light the pictures are where.
        changed: weight of the share of pixels that changed, softly counted.
        out_of_range: weight of the penalty on pixels beyond [-1, 1].
        l2: weight of the mean square of the domain's numbers.
        copies: end when this share of the samples is nearer to a training picture than `nearness` allows; 0
            does without.
        nearness: distance to the nearest training picture, as a share of the mean distance that training
            pictures have to their own nearest, below which a sample counts as a copy.
    """

    weight: float = 1.0
    learning_rate: float = 0.002
    r1: float = 1.0
    r1_every: int = 8
    target: float = 0.6
    adjust_steps: int = 100
    start: float = 0.3
    greatest: float = 0.8
    warmup_steps: int = 20
    resemblance: float = 0.0
    pairs: float = 0.0
    inversion: Inversion = field(default_factory=Inversion)
    reinversions: int = 0
    reinversion: Inversion = field(default_factory=lambda: _THROUGH_A_DOMAIN)
    distances: float = 0.0
    edges: float = 0.0
    tones: float = 0.0
    changed: float = 0.0
    out_of_range: float = 4.0
    l2: float = 0.02
    copies: float = 0.3
    nearness: float = 0.5

    def reinverts_at(self, steps: int) -> frozenset[int]:
        """Before which of so many steps, counted from 0, the pictures are inverted again."""
        if not self.pairs:
            return frozenset()
        return frozenset(round(steps * k / (2 * self.reinversions)) for k in range(1, self.reinversions + 1))

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InputError: naming the field that is out of range.
        """
        for name in ("r1_every", "adjust_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected a whole number from 1")
        if isinstance(self.reinversions, bool) or not isinstance(self.reinversions, int):
            raise InputError(f"reinversions is {self.reinversions!r}; expected a whole number from 0")
        require_between(self, ["target", "start", "greatest", "copies", "nearness"], 1.0)
        require_between(
            self,
            [
                "weight",
                "learning_rate",
                "r1",
                "warmup_steps",
                "resemblance",
                "pairs",
                "reinversions",
                "distances",
                "edges",
                "tones",
                "changed",
                "out_of_range",
                "l2",
            ],
        )
        if not (self.weight or self.resemblance or self.pairs):
            raise InputError(
                "weight, resemblance and pairs are all 0: nothing sees the pictures; set one above 0"
            )


FACES_ADVERSARY = Adversary(
    weight=0.0, resemblance=1.0, pairs=100.0, reinversions=3, edges=1.5, tones=1.0, changed=4.0, l2=0.001
)
"""For the small bundled encoders and generators without a discriminator of their own."""


@dataclass(frozen=True, kw_only=True)
class ImagesTarget:
    """Pictures to become like.

    Args:
        names: of their files, or numbers.
        digest: 16 hexadecimal digits that tell their pixels from others'.
        adversary: how they guide.
        discriminator: "loaded", "fresh" if there was none to fine-tune, or "none" if none is needed.
        text_weight: weight of the text beside them; 0 without a text.

    Raises: InputError if the weight is out of range.
    """

    names: tuple[str, ...]
    digest: str
    adversary: Adversary
    discriminator: str
    text_weight: float = 0.0

    def __post_init__(self) -> None:
        require_between(self, ["text_weight"])


def fresh_discriminator(resolution: int, seed: int) -> Discriminator:
    """Make a small discriminator, its weights drawn from a seed; for generators that come without one."""
    sides = [4 << k for k in range(resolution.bit_length() - 2)]
    channels = tuple(_FRESH_WIDTHS.get(side, _NARROWEST) for side in sides)
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


class AdaptiveViews:
    """Random views of pictures, each with probability p, which follows the discriminator (ADA)."""

    def __init__(self, adversary: Adversary) -> None:
        self.adversary = adversary
        self.p = min(adversary.start, adversary.greatest)

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """(N, 3, H, W) to the same, each picture changed with probability p; differentiable."""
        viewed = augment(images, _VIEWS, rng)
        changed = torch.rand(len(images), 1, 1, 1, generator=rng) < self.p
        mirrored = torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5
        plain = torch.where(mirrored.to(images.device), images.flip(3), images.float())
        return torch.where(changed.to(images.device), viewed, plain)

    def adjust(self, real_logits: Tensor) -> None:
        """Raise p if the discriminator is surer of real pictures than it should be, else lower it."""
        sure = real_logits.detach().sign().mean().item()
        step = math.copysign(1 / self.adversary.adjust_steps, sure - self.adversary.target)
        self.p = min(max(self.p + step, 0.0), self.adversary.greatest)


class Opponent:
    """A discriminator that learns beside the domain; all that it keeps can be taken out and put back."""

    def __init__(self, discriminator: Discriminator, adversary: Adversary, real: Tensor, seed: int) -> None:
        if real.shape[-1] != discriminator.config.resolution:
            raise ShapeError(
                f"the discriminator looks at {discriminator.config.resolution} px, the pictures have "
                f"{real.shape[-1]}: pass one of the resolution that is trained at"
            )
        self.network, self.adversary, self.real, self.seed = discriminator, adversary, real, seed
        self.views = AdaptiveViews(adversary)
        self.network.requires_grad_(True)
        self.optimizer = torch.optim.Adam(
            list(discriminator.parameters()), lr=adversary.learning_rate, betas=(0.0, 0.99)
        )
        self.count = 0

    def learn(self, drawn: Tensor) -> dict[str, Tensor]:
        """One step of the discriminator: non-saturating loss, and lazily R1.

        Args:
            drawn: adapted pictures, (N, 3, H, W); no gradient goes back to them.

        Returns: the mean logits of real and drawn pictures, and how likely a view is changed after this step.
        """
        step = self.count
        rng = step_rng(self.seed, step, "real")
        rows = torch.randint(len(self.real), (len(drawn),), generator=rng)
        real = self.views(self.real[rows.to(self.real.device)], rng).detach()
        penalized = self.adversary.r1 > 0 and step % self.adversary.r1_every == 0
        real.requires_grad_(penalized)
        with torch.enable_grad():
            of_real = self.network(real)
            of_drawn = self.network(self.views(drawn.detach(), rng))
            loss = F.softplus(-of_real).mean() + F.softplus(of_drawn).mean()
            total = loss
            if penalized:
                (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
                penalty = slope.square().sum((1, 2, 3)).mean()
                total = total + self.adversary.r1 / 2 * self.adversary.r1_every * penalty
            self.optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.views.adjust(of_real)
        self.count += 1
        return {
            "logit_real": of_real.detach().mean(),
            "logit_drawn": of_drawn.detach().mean(),
            "views_p": torch.tensor(self.views.p),
        }

    def judge(self, drawn: Tensor, rng: torch.Generator) -> Tensor:
        """The non-saturating loss of drawn pictures, differentiable in them; its weights get no gradient."""
        self.network.requires_grad_(False)
        try:
            loss: Tensor = F.softplus(-self.network(self.views(drawn, rng))).mean()
        finally:
            self.network.requires_grad_(True)
        return loss

    def state(self) -> dict[str, Tensor]:
        """Copies of the weights, of Adam's running means, of p and of the number of steps."""
        kept = {f"network.{name}": weight.detach().clone() for name, weight in self._weights().items()}
        for name, weight in self._weights().items():
            kept |= {f"{moment}.{name}": t for moment, t in moments(self.optimizer, weight).items()}
        kept["p"] = torch.tensor(self.views.p, dtype=torch.float64)
        kept["count"] = torch.tensor(self.count)
        return kept

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.count, self.views.p = int(state["count"]), float(state["p"])
        with torch.no_grad():
            for name, weight in self._weights().items():
                weight.copy_(state[f"network.{name}"])
                if self.count:
                    put_back(self.optimizer, weight, self.count, state, f".{name}")

    def _weights(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())


def distance_consistency_loss(target: Tensor, source: Tensor) -> Tensor:
    """Cross-domain distance consistency: adapted pictures keep their similarities to each other.

    CDC (Ojha et al. 2021), arXiv:2104.06820, eq. 2, with embeddings in place of the generator's activations:
    for each picture the Kullback–Leibler divergence of the softmax of its cosines to the others.

    Args:
        target: embeddings of adapted pictures, unit length, (N, D), N ≥ 3.
        source: those of the same latents' unadapted pictures, (N, D).

    Returns: scalar ≥ 0.

    Raises: ShapeError if the shapes differ, or there are fewer than three.
    """
    if target.shape != source.shape or target.dim() != 2 or len(target) < 3:
        raise ShapeError(
            f"embeddings have shapes {tuple(target.shape)} and {tuple(source.shape)}; expected the same "
            "(N, D), N at least 3"
        )
    others = ~torch.eye(len(target), dtype=torch.bool, device=target.device)
    after, before = (
        cosine_matrix(each, each)[others].reshape(len(each), -1).log_softmax(1) for each in (target, source)
    )
    return F.kl_div(after, before, log_target=True, reduction="batchmean")


def share_of_copies(samples: Tensor, real: Tensor, nearness: float) -> float:
    """How many samples are copies of training pictures: nearer to one than those are to each other.

    Distances are of pictures at 16 px, either way round: a mirrored copy is a copy.

    Args:
        samples: (N, 3, H, W).
        real: the training pictures, (M, 3, H, W), at least two.
        nearness: the share of the mean distance from a training picture to its nearest below which a sample
            counts as a copy.

    Returns: a share from 0 to 1.
    """
    flat = [F.adaptive_avg_pool2d(each.float().clamp(-1, 1), 16) for each in (samples, real)]
    mirrored = torch.cat([flat[1], flat[1].flip(3)]).flatten(1)
    among = torch.cdist(flat[1].flatten(1), flat[1].flatten(1))
    among.fill_diagonal_(math.inf)
    nearest = torch.cdist(flat[0].flatten(1), mirrored).amin(1)
    return (nearest < nearness * among.amin(1).mean()).float().mean().item()
