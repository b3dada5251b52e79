"""What is trained: anything with parameters that gives a domain for a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from domainvec.domains.domain import Domain
from domainvec.domains.layers import layer_mask
from domainvec.domains.parameterizations import find_parameterization
from domainvec.errors import AdaptationError

if TYPE_CHECKING:
    from domainvec.adaptation.training import Training
    from domainvec.stylegan2.network import Generator


class Learnable(Protocol):
    """What a `Session` trains."""

    def parameters(self) -> Sequence[Tensor]:
        """The leaf tensors that Adam updates."""

    def domain(self, step: int) -> Domain:
        """The domain of a step's batch, differentiable in the parameters."""

    def l2(self) -> Tensor:
        """Mean square of the domain's numbers, a scalar; differentiable."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return the parameters by name."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state_dict` returned."""


class DomainVector:
    """The numbers of one domain.

    Args:
        generator: what the domain is for.
        training: its parameterization and layers.
        metadata: of the domain.

    Raises: InputError if the generator has no such layers.
    """

    def __init__(
        self,
        generator: Generator,
        training: Training,
        metadata: Mapping[str, Any],
    ) -> None:
        self.form = find_parameterization(training.parameterization)
        template = self.form.zero(generator).detach().with_metadata(dict(metadata))
        self.mask: Tensor | None = None
        if training.layers is not None:
            self.mask = layer_mask(template, training.layers, generator.num_ws)
            template = template.with_vector(template.vector * self.mask)
        self.template = template
        self.start = template.vector  # zeros, except for the second factors of changes of low rank
        self.vector = self.start.clone().requires_grad_()

    def parameters(self) -> list[Tensor]:
        """The numbers in one tensor, (P,)."""
        return [self.vector]

    def domain(self, step: int) -> Domain:
        """The same domain in every step; a copy, since Adam changes the numbers in place."""
        return self.template.with_vector(self._masked().clone())

    def l2(self) -> Tensor:
        """Mean square of the change since the start."""
        return (self._masked() - self.start).square().mean()

    def finish(self, vector: Tensor, stopped: str | None = None) -> Domain:
        """Make the final domain of some numbers, (P,), rounded to what a file keeps in half the space.

        Raises: AdaptationError if they are those of the start, with the reason why the training stopped.
        """
        if torch.equal(vector, self.start):
            reason = stopped or "the training has led back to its start"
            raise AdaptationError(
                f"{reason}: the domain changes nothing and is not kept; train for a number of steps, at "
                "another learning rate, or towards another target"
            )
        rounded = vector.half().float()
        return self.form.finish(self.template.with_vector(rounded if rounded.isfinite().all() else vector))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the numbers."""
        return {"vector": self.vector.detach()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back the numbers."""
        with torch.no_grad():
            self.vector.copy_(state["vector"])

    def _masked(self) -> Tensor:
        return self.vector if self.mask is None else self.vector * self.mask
