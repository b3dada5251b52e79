"""Domains: the parameters that adapt a generator, their file format, arithmetic and parameterizations."""

from __future__ import annotations

from domainvec.domains.domain import Domain
from domainvec.domains.layers import layer_mask, parse_layers
from domainvec.domains.parameterizations import (
    PARAMETERIZATIONS,
    Parameterization,
    create_domain,
    find_parameterization,
    modulation,
    modulation_rgb,
)

__all__ = [
    "PARAMETERIZATIONS",
    "Domain",
    "Parameterization",
    "create_domain",
    "find_parameterization",
    "layer_mask",
    "modulation",
    "modulation_rgb",
    "parse_layers",
]
