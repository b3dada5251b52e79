"""Recipes: adaptations to a text exactly as the code of a paper does them, by name.

Training, losses, source text and encoders of HyperDomainNet's single-domain configurations (Alanov et al.
2022, arXiv:2210.08884). They differ from the defaults, which keep what is better here; docs/published.md
lists each difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from domainvec.adaptation.session import Session
from domainvec.adaptation.text import Text
from domainvec.adaptation.training import AdaptationEncoder, Training
from domainvec.encoders.templates import IMAGENET_TEMPLATES
from domainvec.guidance.preservation import Preservation
from domainvec.guidance.text import Guidance

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides an adaptation besides the generator and the target.

    Attributes:
        training: the settings of the loop.
        guidance: the losses. The papers add the losses of the two encoders where ours are means over the
            encoders: the weights are twice theirs.
        source: what the generator's images are.
        encoders: names of the encoders.
    """

    training: Training
    guidance: Guidance
    source: str
    encoders: tuple[str, ...] = ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16")

    def session(
        self,
        generator: Generator,
        encoder: AdaptationEncoder | Sequence[AdaptationEncoder],
        *texts: str,
        seed: int = 0,
        **options: Any,  # noqa: ANN401 -- those of Session
    ) -> Session:
        """Prepare a session.

        Args:
            generator: the frozen generator.
            encoder: the recipe's encoders.
            texts: what the images are to become, such as "Sketch"; filled into the templates as given.
            seed: of all random numbers.
            options: of `Session`, such as `checkpoint`.

        Raises: as `Session` does.

        Example:
            >>> recipe = HYPERDOMAINNET_FACES
            >>> encoders = [dv.Encoder.from_pretrained(name) for name in recipe.encoders]
            >>> session = recipe.session(generator, encoders, "Sketch", checkpoint="sketch.ckpt")
            >>> for progress in session:
            ...     print(progress.step, progress.loss)
            >>> session.result().save("sketch.safetensors")
        """
        return Session(
            generator,
            encoder,
            Text(*texts, source=self.source),
            training=self.training.replace(seed=seed),
            guidance=self.guidance,
            **options,
        )


HYPERDOMAINNET_FACES = Recipe(
    training=Training(
        steps=301,  # from 0 to 300
        learning_rate=0.1,
        style_mixing=0.9,
        noise="random",
        shared_draws=False,
        resolution="full",
        precision="float32",
    ),
    guidance=Guidance(
        direction=2.0,
        preservation=Preservation(),
        templates=IMAGENET_TEMPLATES,
        verbatim_templates=True,
        shortest_shift=1e-8,
        antialias=False,
    ),
    source="Photo",
)
"""FFHQ: direction alone."""

_slower = HYPERDOMAINNET_FACES.training.replace(batch_size=8, learning_rate=0.02)
_small = replace(HYPERDOMAINNET_FACES.guidance, preservation=Preservation(layer_l2=0.5))

HYPERDOMAINNET_CATS = Recipe(training=_slower.replace(steps=401), guidance=_small, source="Cat")
"""LSUN Cat: the offsets are kept small."""

HYPERDOMAINNET_CHURCHES = Recipe(
    training=_slower.replace(steps=101, betas=(0.0, 0.999)), guidance=_small, source="Church"
)
"""LSUN Church: the same, with fewer steps and without momentum."""

HYPERDOMAINNET_CARS = Recipe(
    training=_slower.replace(steps=401),
    guidance=replace(HYPERDOMAINNET_FACES.guidance, preservation=Preservation(in_domain_angle=3.0)),
    source="Car",
)
"""LSUN Car: with the in-domain angle."""

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "hyperdomainnet-faces": HYPERDOMAINNET_FACES,
        "hyperdomainnet-cats": HYPERDOMAINNET_CATS,
        "hyperdomainnet-churches": HYPERDOMAINNET_CHURCHES,
        "hyperdomainnet-cars": HYPERDOMAINNET_CARS,
    }
)
"""All recipes by name."""
