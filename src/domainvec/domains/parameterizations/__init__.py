"""Parameterizations: which parameters of a domain are trained, from the domain vector to all weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from domainvec.domains.parameterizations.affine import affine, affine_light_plus, affine_plus
from domainvec.domains.parameterizations.full import full
from domainvec.domains.parameterizations.lora import lora
from domainvec.domains.parameterizations.modulation import modulation, modulation_rgb
from domainvec.domains.parameterizations.parameterization import Parameterization
from domainvec.domains.parameterizations.stylespace import keep_largest, stylespace, stylespace_rgb
from domainvec.errors import InputError

if TYPE_CHECKING:
    from domainvec.domains.domain import Domain
    from domainvec.stylegan2.network import Generator

__all__ = [
    "PARAMETERIZATIONS",
    "Parameterization",
    "affine",
    "affine_light_plus",
    "affine_plus",
    "create_domain",
    "find_parameterization",
    "full",
    "keep_largest",
    "lora",
    "modulation",
    "modulation_rgb",
    "stylespace",
    "stylespace_rgb",
]

# Relative learning rates: those of the papers, divided by the 0.1 of the domain vector.
PARAMETERIZATIONS: dict[str, Parameterization] = {
    "modulation": Parameterization(modulation),
    "modulation+rgb": Parameterization(modulation_rgb),
    "stylespace": Parameterization(stylespace, relative_learning_rate=0.5),
    "stylespace+rgb": Parameterization(stylespace_rgb, relative_learning_rate=0.5),
    "stylespace-sparse": Parameterization(stylespace, finish=keep_largest, relative_learning_rate=0.5),
    "affine": Parameterization(affine, relative_learning_rate=0.02),
    "affine+": Parameterization(affine_plus, relative_learning_rate=0.02),
    "affine-light+": Parameterization(affine_light_plus, rank=5, relative_learning_rate=0.02),
    "lora": Parameterization(lora, rank=4, relative_learning_rate=0.02),
    "full": Parameterization(full, relative_learning_rate=0.02),
}


def find_parameterization(name: str) -> Parameterization:
    """Look up a parameterization by name; low-rank ones accept another rank, as in "lora:16".

    Raises: InputError if the name is unknown or the rank is invalid.
    """
    base, colon, rank = name.partition(":")
    if base not in PARAMETERIZATIONS:
        raise InputError(f"unknown parameterization {name!r}: expected one of {', '.join(PARAMETERIZATIONS)}")
    found = PARAMETERIZATIONS[base]
    if not colon:
        return found
    if found.rank is None:
        raise InputError(f"parameterization {name!r}: {base} has no rank; lora and affine-light+ do")
    if not rank.isascii() or not rank.isdigit() or not 1 <= int(rank[:9]) <= 512:
        raise InputError(f"parameterization {name!r}: the rank is {rank!r}, expected 1 to 512")
    return replace(found, rank=int(rank))


def create_domain(name: str, generator: Generator) -> Domain:
    """Create the initial domain of a parameterization, which does not change the generator's images.

    Args:
        name: as for `find_parameterization`.
        generator: the generator to adapt.

    Returns: parameters that require gradients, float32, on the generator's device.

    Raises: InputError if the name is unknown.
    """
    return find_parameterization(name).zero(generator)
