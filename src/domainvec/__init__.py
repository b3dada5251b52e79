"""domainvec: bring a frozen StyleGAN2 to another domain with a few thousand numbers.

The public names are loaded when they are first used, so that `import domainvec` costs nothing and the
command line can answer `--help` without PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainvec import guidance as guidance
    from domainvec.adaptation import AdaptationResult as AdaptationResult
    from domainvec.adaptation import AdaptationSettings as AdaptationSettings
    from domainvec.adaptation import adapt as adapt
    from domainvec.adaptation import adapt_many as adapt_many
    from domainvec.adaptation import adapt_to_image as adapt_to_image
    from domainvec.adaptation import adapt_to_images as adapt_to_images
    from domainvec.domains import Domain as Domain
    from domainvec.encoders import Encoder as Encoder
    from domainvec.encoders import UnknownWordsWarning as UnknownWordsWarning
    from domainvec.errors import DomainVecError as DomainVecError
    from domainvec.guidance import Guidance as Guidance
    from domainvec.stylegan2 import Discriminator as Discriminator
    from domainvec.stylegan2 import Generator as Generator

__version__ = "0.1.0"

_MODULE_OF = {
    "AdaptationResult": "domainvec.adaptation",
    "AdaptationSettings": "domainvec.adaptation",
    "Discriminator": "domainvec.stylegan2",
    "Domain": "domainvec.domains",
    "DomainVecError": "domainvec.errors",
    "Encoder": "domainvec.encoders",
    "Generator": "domainvec.stylegan2",
    "Guidance": "domainvec.guidance",
    "UnknownWordsWarning": "domainvec.encoders",
    "adapt": "domainvec.adaptation",
    "adapt_many": "domainvec.adaptation",
    "adapt_to_image": "domainvec.adaptation",
    "adapt_to_images": "domainvec.adaptation",
}

__all__ = [
    "AdaptationResult",
    "AdaptationSettings",
    "Discriminator",
    "Domain",
    "DomainVecError",
    "Encoder",
    "Generator",
    "Guidance",
    "UnknownWordsWarning",
    "__version__",
    "adapt",
    "adapt_many",
    "adapt_to_image",
    "adapt_to_images",
    "guidance",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for (PEP 562)."""
    if name == "guidance":
        return import_module("domainvec.guidance")
    if name in _MODULE_OF:
        value: object = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
