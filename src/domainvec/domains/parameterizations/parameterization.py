"""What defines a parameterization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainvec.domains.domain import Domain

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


def _unchanged(domain: Domain) -> Domain:
    return domain


@dataclass(frozen=True)
class Parameterization:
    """A set of parameters to train.

    Args:
        create: creates the initial domain of a generator; takes `rank=` if the parameterization has one.
        finish: post-processes the trained domain.
        rank: of low-rank changes; None if there are none.
        relative_learning_rate: factor on the learning rate of the domain vector.
    """

    create: Callable[..., Domain]
    finish: Callable[[Domain], Domain] = _unchanged
    rank: int | None = None
    relative_learning_rate: float = 1.0

    def zero(self, generator: Generator) -> Domain:
        """Create the initial domain, which changes nothing; its parameters require gradients."""
        rank = {} if self.rank is None else {"rank": self.rank}
        return self.create(generator, **rank).requires_grad_()
