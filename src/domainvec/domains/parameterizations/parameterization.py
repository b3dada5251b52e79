"""What every parameterization is."""

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
    """A set of numbers to train.

    Args:
        create: makes its zero domain for a generator, given the rank as `rank=` if it has one.
        finish: what becomes of the domain when it is trained.
        rank: of its factors, or None if it has none.
        relative_learning_rate: what suits it, over what suits the domain vector.
    """

    create: Callable[..., Domain]
    finish: Callable[[Domain], Domain] = _unchanged
    rank: int | None = None
    relative_learning_rate: float = 1.0

    def zero(self, generator: Generator) -> Domain:
        """Make the domain that changes nothing, its numbers requiring gradients."""
        rank = {} if self.rank is None else {"rank": self.rank}
        return self.create(generator, **rank).requires_grad_()
