"""How long and how fast to train, for each kind of guidance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from domainvec.domains.parameterizations import find_parameterization
from domainvec.errors import InputError
from domainvec.guidance.settings import Guidance
from domainvec.stylegan2.network import Noise


@dataclass(frozen=True, kw_only=True)
class Training:
    """Defaults of an adaptation; each can be replaced by the argument of the same name of `adapt`.

    `learning_rates` are those of single parameterizations; others have `learning_rate` times the ratio of the
    papers' rates.
    """

    parameterization: str
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    decay_fraction: float
    style_mixing: float
    source_pool: int = 0
    learning_rates: Mapping[str, float] = field(default_factory=dict)

    def complete(
        self,
        *,
        steps: int | Literal["auto"] | None,
        noise: Noise = "const",
        **wanted: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Give these settings of a run: what is wanted, and the defaults for what is None.

        Random noise has no source pool by default. With "auto" the run ends at the knee, which may be twice
        as late as the default end, at a level learning rate. The default learning rate is that of the
        parameterization.

        Raises: InputError if `steps` is another text, or the parameterization is unknown.
        """
        chosen = asdict(self) | {"noise": noise}
        del chosen["learning_rates"]
        if noise == "random":
            chosen["source_pool"] = 0
        if steps == "auto":
            chosen |= {"steps": 2 * self.steps, "decay_fraction": 0.0, "until_knee": True}
        elif isinstance(steps, str):
            raise InputError(f"steps is {steps!r}, expected a number or 'auto'")
        elif steps is not None:
            chosen["steps"] = steps
        chosen |= {name: value for name, value in wanted.items() if value is not None}
        if wanted.get("learning_rate") is None:
            name = chosen["parameterization"]
            scaled = self.learning_rate * find_parameterization(name).relative_learning_rate
            chosen["learning_rate"] = self.learning_rates.get(name.partition(":")[0], scaled)
        return chosen


PUBLISHED_TRAINING = Training(
    parameterization="modulation",
    steps=300,
    batch_size=4,
    learning_rate=0.1,
    warmup_steps=0,
    decay_fraction=0.0,
    style_mixing=0.9,
)
"""A domain vector under text as HyperDomainNet (arXiv:2210.08884) trains it."""

ROBUST_TRAINING = Training(
    parameterization="modulation+rgb",
    steps=240,
    batch_size=8,
    learning_rate=0.05,
    warmup_steps=10,
    decay_fraction=0.4,
    style_mixing=0.0,
    source_pool=256,
    learning_rates={
        "modulation": 0.15,
        "stylespace": 0.25,
        "stylespace+rgb": 0.25,
        "stylespace-sparse": 0.25,
        "affine": 0.003,
        "affine-light+": 0.003,
        "lora": 0.01,
    },
)
"""For small encoders, whatever guides: the noise of their random views asks for more pictures a step, and for
a decay. A domain does not notice how few latents there are in its pool (docs/performance.md); the rates are
those that served best under a text (docs/fidelity.md)."""

PUBLISHED_IMAGE_TRAINING = replace(PUBLISHED_TRAINING, learning_rate=0.01)
"""A domain vector under one image as HyperDomainNet (arXiv:2210.08884) trains it."""

PUBLISHED_IMAGES_TRAINING = replace(
    ROBUST_TRAINING, steps=300, learning_rate=0.02, source_pool=0, learning_rates={}
)
"""A few images, adversarially; the learning rate is that of StyleDomain (arXiv:2212.10229)."""


def default_training(guidance: Guidance, *, image: bool = False, images: bool = False) -> Training:
    """Choose the training that suits a guidance: robust if it shows random views, else published.

    Args:
        guidance: of a text.
        image: whether one picture guides.
        images: whether a few do.
    """
    if guidance.augmentation is not None:
        return ROBUST_TRAINING
    if images:
        return PUBLISHED_IMAGES_TRAINING
    return PUBLISHED_IMAGE_TRAINING if image else PUBLISHED_TRAINING
