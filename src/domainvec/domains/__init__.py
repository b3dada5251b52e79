"""Domains: what turns a frozen generator's pictures into sketches, and its file, its mixing, its forms."""

from __future__ import annotations

from domainvec.domains.domain import Domain
from domainvec.domains.parameterizations import PARAMETERIZATIONS, create_domain, modulation, modulation_rgb

__all__ = ["PARAMETERIZATIONS", "Domain", "create_domain", "modulation", "modulation_rgb"]
