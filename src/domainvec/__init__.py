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
    from domainvec.adaptation import Picture as Picture
    from domainvec.adaptation import Pictures as Pictures
    from domainvec.adaptation import Progress as Progress
    from domainvec.adaptation import Session as Session
    from domainvec.adaptation import Target as Target
    from domainvec.adaptation import Text as Text
    from domainvec.adaptation import Training as Training
    from domainvec.adaptation import adapt as adapt
    from domainvec.adaptation import before_after as before_after
    from domainvec.adaptation import invert as invert
    from domainvec.adaptation import run_together as run_together
    from domainvec.domains import Domain as Domain
    from domainvec.encoders import Encoder as Encoder
    from domainvec.encoders import UnknownWordsWarning as UnknownWordsWarning
    from domainvec.encoders import default_encoders as default_encoders
    from domainvec.errors import DomainVecError as DomainVecError
    from domainvec.guidance import Guidance as Guidance
    from domainvec.guidance import Preservation as Preservation
    from domainvec.stylegan2 import Discriminator as Discriminator
    from domainvec.stylegan2 import Generator as Generator

__version__ = "0.1.0"

_MODULE_OF = {
    "AdaptationResult": "domainvec.adaptation",
    "Discriminator": "domainvec.stylegan2",
    "Domain": "domainvec.domains",
    "DomainVecError": "domainvec.errors",
    "Encoder": "domainvec.encoders",
    "Generator": "domainvec.stylegan2",
    "Guidance": "domainvec.guidance",
    "Picture": "domainvec.adaptation",
    "Pictures": "domainvec.adaptation",
    "Preservation": "domainvec.guidance",
    "Progress": "domainvec.adaptation",
    "Session": "domainvec.adaptation",
    "Target": "domainvec.adaptation",
    "Text": "domainvec.adaptation",
    "Training": "domainvec.adaptation",
    "UnknownWordsWarning": "domainvec.encoders",
    "adapt": "domainvec.adaptation",
    "before_after": "domainvec.adaptation",
    "default_encoders": "domainvec.encoders",
    "invert": "domainvec.adaptation",
    "run_together": "domainvec.adaptation",
}

__all__ = [
    "AdaptationResult",
    "Discriminator",
    "Domain",
    "DomainVecError",
    "Encoder",
    "Generator",
    "Guidance",
    "Picture",
    "Pictures",
    "Preservation",
    "Progress",
    "Session",
    "Target",
    "Text",
    "Training",
    "UnknownWordsWarning",
    "__version__",
    "adapt",
    "before_after",
    "default_encoders",
    "guidance",
    "invert",
    "run_together",
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
