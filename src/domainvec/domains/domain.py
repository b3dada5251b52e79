"""The domain: the numbers, mostly a few thousand, that carry a frozen generator to another domain."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsFloat

import torch
from torch import Tensor

from domainvec.domains import provenance
from domainvec.domains.file import PARTS, read_domain_file, write_domain_file
from domainvec.domains.weights import WeightChange, added, dense, in_order, scaled
from domainvec.errors import DomainError, InputError, ShapeError

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


class Domain:
    """A domain: what is added to the channels of a generator's layers, or to its weights.

    The domain vector is one offset d for each input channel of each 3×3 convolution, which multiplies its
    input channel i by s_i · (1 + d_i), with s the style; its demodulation does not see d (HyperDomainNet,
    Alanov et al. 2022, arXiv:2210.08884, section 3). Shifts are added to the style itself, so that the
    demodulation sees them (StyleDomain, Alanov et al. 2023, arXiv:2212.10229). ToRGB layers may have the
    same, and an addition to their bias. Changes of weights are added to the parameters of the synthesis
    network. A domain has one of these parts or several; zeros are the generator itself.

    Domains can be added, subtracted, and multiplied by a number, their strength. A part that one domain of a
    sum lacks counts as zeros. `Domain.stack` makes a batch with another domain in each row; indexing takes a
    row out. Changes of weights cannot be stacked: one convolution serves the whole batch.

    Args:
        offsets: for each 3×3 convolution, in forward order, its offsets: (c,), or (N, c) for another domain
            in each of N samples. Empty if the domain has none.
        metadata: where the domain comes from: anything that JSON can hold.
        rgb_offsets: for each ToRGB, in forward order, the same for its input channels: (c,) or (N, c).
        rgb_bias: for each ToRGB, what is added to its bias: (3,) or (N, 3).
        shifts: for each 3×3 convolution, what is added to its style: (c,) or (N, c).
        rgb_shifts: for each ToRGB, what is added to its style: (c,) or (N, c).
        weights: by the name of a parameter of the synthesis network, such as "convs.3.weight", what is added
            to it: a tensor of its shape, or with 1 in place of some sizes; or factors of low rank, (o, r) and
            (r, ...).

    Raises: DomainError if the tensors are not of one floating type, device and number of samples, or do not
        have these shapes; or if JSON cannot hold the metadata.
    """

    __array_ufunc__ = None  # a NumPy number times a domain is a domain, not an array of its rows

    def __init__(
        self,
        offsets: Sequence[Tensor] = (),
        metadata: Mapping[str, Any] | None = None,
        *,
        rgb_offsets: Sequence[Tensor] | None = None,
        rgb_bias: Sequence[Tensor] | None = None,
        shifts: Sequence[Tensor] | None = None,
        rgb_shifts: Sequence[Tensor] | None = None,
        weights: Mapping[str, WeightChange] | None = None,
    ) -> None:
        self.offsets = tuple(offsets)
        self.rgb_offsets = None if rgb_offsets is None else tuple(rgb_offsets)
        self.rgb_bias = None if rgb_bias is None else tuple(rgb_bias)
        self.shifts = None if shifts is None else tuple(shifts)
        self.rgb_shifts = None if rgb_shifts is None else tuple(rgb_shifts)
        self.weights = in_order(weights or {})
        self.metadata = provenance.copied(metadata or {})
        self._check_parts()

    @property
    def weight_changes(self) -> dict[str, Tensor]:
        """What is added to each weight, by its name, factors multiplied out; differentiable."""
        return {name: dense(change) for name, change in self.weights.items()}

    @property
    def size(self) -> int:
        """How many numbers one domain has."""
        return sum(map(math.prod, self._shapes()))

    @property
    def num_nonzero(self) -> int:
        """How many of the numbers are not zero."""
        return sum(int(tensor.count_nonzero()) for tensor in self._tensors())

    @property
    def is_sparse(self) -> bool:
        """Whether half of the numbers or more are zero, so that the file keeps the others alone."""
        return 2 * self.num_nonzero <= self.size

    @property
    def batch_size(self) -> int | None:
        """How many domains are stacked; None for a single one."""
        if self.weights:
            return None
        first = self._tensors()[0]
        return None if first.ndim == 1 else first.shape[0]

    @property
    def vector(self) -> Tensor:
        """All numbers in one row, the order that of the file: (size,) or (N, size); differentiable."""
        rows = () if self.batch_size is None else (self.batch_size,)
        return torch.cat([tensor.reshape(*rows, -1) for tensor in self._tensors()], dim=-1)

    def with_vector(self, vector: Tensor) -> Domain:
        """Make a domain of the same parts and metadata from other numbers.

        Args:
            vector: (size,) or (N, size), as `vector` gives them; gradients flow back to it.

        Raises: DomainError if the length is not `size`, or rows are given to a domain that changes weights.
        """
        if vector.ndim not in (1, 2) or vector.shape[-1] != self.size:
            raise DomainError(
                f"a vector of shape {tuple(vector.shape)} does not fill a domain of {self.size} numbers"
            )
        if vector.ndim == 2 and self.weights:
            raise DomainError(_CANNOT_STACK)
        shapes = self._shapes()
        pieces = torch.split(vector, [math.prod(shape) for shape in shapes], dim=-1)
        return self._rebuilt(
            [piece.reshape((*vector.shape[:-1], *shape)) for piece, shape in zip(pieces, shapes, strict=True)]
        )

    def with_metadata(self, metadata: Mapping[str, Any]) -> Domain:
        """Make a domain of the same numbers that comes from elsewhere.

        Raises: DomainError if JSON cannot hold the metadata.
        """
        return self._rebuilt(self._tensors(), metadata)

    def named_tensors(self) -> dict[str, Tensor]:
        """All tensors by the names that they have in the file, in the order of `vector`."""
        named = {
            f"{part}.{index}": tensor
            for part, tensors in self._parts().items()
            for index, tensor in enumerate(tensors)
        }
        for name, change in self.weights.items():
            if isinstance(change, Tensor):
                named[f"weights.{name}"] = change
            else:
                named[f"weights.{name}.up"], named[f"weights.{name}.down"] = change
        return named

    def save(self, path: str | os.PathLike[str], dtype: torch.dtype | None = None) -> None:
        """Write the domain to a safetensors file, whole or not at all.

        Args:
            path: where to; missing folders are created.
            dtype: how to store the numbers. By default float16 if it holds them exactly, which it does for
                what `adapt` returns, else float32; either way `load` gives the same numbers back. Zeros take
                no room where they are half of the numbers or more.

        Raises:
            DomainError: if the domain is a stack, a number is not finite, or does not fit the dtype.
            OSError: if the file cannot be written.
        """
        if self.batch_size is not None:
            raise DomainError(
                f"a file holds one domain, not a stack of {self.batch_size}: save its rows, domain[0], ..."
            )
        write_domain_file(path, self.named_tensors(), self.metadata, dtype)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], generator: Generator | None = None, allow_mismatch: bool = False
    ) -> Domain:
        """Read a domain file.

        Args:
            path: a file written by `save`.
            generator: the generator it is to be used with; without, nothing is compared.
            allow_mismatch: take a domain that was made for another generator, as long as the widths agree. It
                makes sense for generators that were fine-tuned from the same parent.

        Returns: the domain, float32, on the generator's device (without a generator, on the CPU).

        Raises: DomainError if the file is broken or no domain file, or does not fit the generator.
        """
        named, metadata = read_domain_file(path)
        try:
            domain = cls._from_named(named, metadata)
            if generator is None:
                return domain
            domain.check(generator, allow_mismatch)
            return domain.to(next(generator.parameters()).device)
        except DomainError as error:
            raise DomainError(f"{os.fspath(path)}: {error}") from error

    def check(self, generator: Generator, allow_mismatch: bool = False) -> None:
        """Make sure that the domain fits a generator.

        A domain whose metadata names no generator is compared by its widths alone.

        Args:
            generator: the generator it is to be used with.
            allow_mismatch: compare the widths alone in any case.

        Raises: DomainError if the widths differ, or the domain was made for another generator; both
            fingerprints are named.
        """
        parts = self._parts()
        expected = {
            "offsets": tuple(generator.conv_channels),
            "rgb_offsets": tuple(generator.rgb_channels),
            "rgb_bias": (3,) * len(generator.rgb_channels),
            "shifts": tuple(generator.conv_channels),
            "rgb_shifts": tuple(generator.rgb_channels),
        }
        for part in PARTS:
            widths = tuple(tensor.shape[-1] for tensor in parts[part])
            if widths and widths != expected[part]:
                raise DomainError(
                    f"{part} has the widths {list(widths)}, but those of the generator are "
                    f"{list(expected[part])}: this domain belongs to a generator of another form"
                )
        try:
            # On the meta device, where shapes cost nothing.
            generator.synthesis.check_weight_changes(self.to("meta").weight_changes)
        except ShapeError as error:
            raise DomainError(f"{error}: this domain belongs to a generator of another form") from error
        found = self.metadata.get("generator_fingerprint")
        made_for = found if isinstance(found, list) else [] if found is None else [found]
        if not allow_mismatch and not all(map(generator.has_fingerprint, made_for)):
            named = " and ".join(map(str, made_for))
            raise DomainError(
                f"the domain was made for the generator {named}, not for this one, {generator.fingerprint}; "
                "the widths agree, so it can be used if you allow the mismatch"
            )

    @staticmethod
    def stack(domains: Sequence[Domain]) -> Domain:
        """Make one batch with another domain in each row.

        Args:
            domains: single domains of the same widths; a part that some lack counts as zeros there.

        Returns: a domain with (N, c) tensors.

        Raises: DomainError if there are none, one is itself a stack or changes weights, or the widths differ.
        """
        if not domains:
            raise DomainError("stack needs at least one domain, got none")
        for domain in domains:
            if domain.batch_size is not None:
                raise DomainError(f"stack takes single domains, not a stack of {domain.batch_size}")
            if domain.weights:
                raise DomainError(_CANNOT_STACK)
        widest = _widened(domains)
        parts = {
            part: [
                torch.stack(rows) for rows in zip(*(domain._parts()[part] for domain in widest), strict=True)
            ]
            for part in PARTS
        }
        return Domain._of(parts, {}, provenance.stacked([domain.metadata for domain in domains]))

    def to(self, *args: Any, **kwargs: Any) -> Domain:  # noqa: ANN401  (the arguments of torch.Tensor.to)
        """Move to a device or another floating type; the arguments are those of `torch.Tensor.to`."""
        return self._map(lambda tensor: tensor.to(*args, **kwargs))

    def detach(self) -> Domain:
        """Give the same numbers without their gradient history; memory is shared."""
        return self._map(Tensor.detach)

    def requires_grad_(self, requires_grad: bool = True) -> Domain:
        """Let gradients be kept for all numbers, in place, or no longer; returns the domain itself."""
        for tensor in self._tensors():
            tensor.requires_grad_(requires_grad)
        return self

    def __getitem__(self, index: int | slice) -> Domain:
        count = self.batch_size
        if count is None:
            raise DomainError("a single domain has no rows; only a stack can be indexed")
        if isinstance(index, slice):
            rows = [provenance.row(self.metadata, row) for row in range(count)[index]]
            return self._map(lambda tensor: tensor[index], provenance.stacked(rows))
        if not -count <= index < count:
            raise IndexError(f"row {index} of a stack of {count} domains")
        return self._map(lambda tensor: tensor[index], provenance.row(self.metadata, index))

    def __add__(self, other: Domain) -> Domain:
        if not isinstance(other, Domain):
            return NotImplemented
        if None not in (self.batch_size, other.batch_size) and self.batch_size != other.batch_size:
            raise DomainError(
                f"a stack of {self.batch_size} domains and one of {other.batch_size} have no sum"
            )
        first, second = (domain._parts() for domain in _widened([self, other]))
        parts = {
            part: [a + b for a, b in zip(tensors, second[part], strict=True)]
            for part, tensors in first.items()
        }
        metadata = provenance.added(self.metadata, other.metadata)
        return Domain._of(parts, added(self.weights, other.weights), metadata)

    def __radd__(self, other: object) -> Domain:
        # sum() starts with the number 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Domain) -> Domain:
        return self + -other if isinstance(other, Domain) else NotImplemented

    def __mul__(self, strength: SupportsFloat) -> Domain:
        if not isinstance(strength, Real):
            return NotImplemented
        weight = float(strength)
        if not math.isfinite(weight):
            raise InputError(f"the strength of a domain must be a finite number, not {weight}")
        parts = {part: [tensor * weight for tensor in tensors] for part, tensors in self._parts().items()}
        weights = {name: scaled(change, weight) for name, change in self.weights.items()}
        return Domain._of(parts, weights, provenance.scaled(self.metadata, weight))

    __rmul__ = __mul__

    def __truediv__(self, divisor: SupportsFloat) -> Domain:
        if not isinstance(divisor, Real):
            return NotImplemented
        if not float(divisor):
            raise InputError("a domain cannot be divided by zero")
        return self * (1 / float(divisor))

    def __neg__(self) -> Domain:
        return self * -1.0

    def __repr__(self) -> str:
        about = self.metadata.get("target")
        named = f"{about!r}, " if about else ""
        rows = "" if self.batch_size is None else f"{self.batch_size} × "
        parts = "+".join(part for part, held in {**self._parts(), "weights": self.weights}.items() if held)
        return f"Domain({named}{rows}{self.size} numbers, {parts})"

    def _parts(self) -> dict[str, tuple[Tensor, ...]]:
        return {
            "offsets": self.offsets,
            "rgb_offsets": self.rgb_offsets or (),
            "rgb_bias": self.rgb_bias or (),
            "shifts": self.shifts or (),
            "rgb_shifts": self.rgb_shifts or (),
        }

    def _tensors(self) -> list[Tensor]:
        return list(self.named_tensors().values())

    def _shapes(self) -> list[tuple[int, ...]]:
        """The shape of each tensor of one domain, without that of a stack."""
        return [
            tuple(tensor.shape) if name.startswith("weights.") else (tensor.shape[-1],)
            for name, tensor in self.named_tensors().items()
        ]

    def _map(self, function: Callable[[Tensor], Tensor], metadata: Mapping[str, Any] | None = None) -> Domain:
        return self._rebuilt([function(tensor) for tensor in self._tensors()], metadata)

    def _rebuilt(self, tensors: Sequence[Tensor], metadata: Mapping[str, Any] | None = None) -> Domain:
        named = dict(zip(self.named_tensors(), tensors, strict=True))
        return self._from_named(named, self.metadata if metadata is None else metadata)

    @classmethod
    def _from_named(cls, named: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Domain:
        parts: dict[str, list[Tensor]] = {part: [] for part in PARTS}
        weights: dict[str, WeightChange] = {}
        for name, tensor in named.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part].append(tensor)
            elif rest.endswith(".up"):
                weights[rest.removesuffix(".up")] = (tensor, named[f"{name.removesuffix('.up')}.down"])
            elif not rest.endswith(".down"):
                weights[rest] = tensor
        return cls._of(parts, weights, metadata)

    @classmethod
    def _of(
        cls,
        parts: Mapping[str, Sequence[Tensor]],
        weights: Mapping[str, WeightChange],
        metadata: Mapping[str, Any],
    ) -> Domain:
        optional = {part: tensors or None for part, tensors in parts.items() if part != "offsets"}
        return cls(parts["offsets"], metadata, weights=weights, **optional)

    def _check_parts(self) -> None:
        named = self.named_tensors()
        if not named:
            raise DomainError("a domain needs offsets, one tensor for each 3×3 convolution; got none")
        first_name, first = next(iter(named.items()))
        for name, tensor in named.items():
            if not isinstance(tensor, Tensor):
                raise DomainError(f"{name} must be a tensor, not a {type(tensor).__name__}")
            changes_weight = name.startswith("weights.")
            if not tensor.is_floating_point() or not tensor.numel():
                raise DomainError(
                    f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}, expected a floating type and "
                    "at least one number"
                )
            if not changes_weight and tensor.ndim not in (1, 2):
                raise DomainError(f"{name} has the shape {tuple(tensor.shape)}, expected (c,) or (N, c)")
            if name.startswith("rgb_bias") and tensor.shape[-1] != 3:
                raise DomainError(f"{name} has the shape {tuple(tensor.shape)}, expected (3,) or (N, 3)")
            if not changes_weight and tensor.shape[:-1] != first.shape[:-1]:
                raise DomainError(
                    f"{name} has the shape {tuple(tensor.shape)}, but {first_name} {tuple(first.shape)}: "
                    "all must be (c,), or all (N, c) with one N"
                )
            if changes_weight and first.ndim == 2 and not first_name.startswith("weights."):
                raise DomainError(_CANNOT_STACK)
            if (tensor.dtype, tensor.device) != (first.dtype, first.device):
                raise DomainError(
                    f"{name} is {tensor.dtype} on {tensor.device}, but {first_name} {first.dtype} on "
                    f"{first.device}: all must be of one type and on one device"
                )
        for name, change in self.weights.items():
            if isinstance(change, tuple):
                up, down = change
                if up.ndim != 2 or down.ndim < 2 or up.shape[1] != down.shape[0]:
                    raise DomainError(
                        f"weights.{name} has factors of shapes {tuple(up.shape)} and {tuple(down.shape)}, "
                        "expected (o, r) and (r, ...)"
                    )
        if self.rgb_offsets and self.rgb_bias and len(self.rgb_offsets) != len(self.rgb_bias):
            raise DomainError(
                f"{len(self.rgb_offsets)} rgb_offsets but {len(self.rgb_bias)} rgb_bias: expected one of "
                "each for each ToRGB"
            )


_CANNOT_STACK = (
    "a domain that changes weights cannot share a batch with another: one convolution serves the whole "
    "batch; draw such domains one after the other"
)


def _widened(domains: Sequence[Domain]) -> list[Domain]:
    """Give all domains the parts for channels that any of them has, as zeros where they lack them."""
    shapes: dict[str, list[int]] = {}
    for domain in domains:
        for part, tensors in domain._parts().items():
            widths = [tensor.shape[-1] for tensor in tensors]
            if widths and shapes.setdefault(part, widths) != widths:
                raise DomainError(
                    f"domains of different widths cannot be combined: {part} of {shapes[part]} and {widths}"
                )
    return [_filled(domain, shapes) for domain in domains]


def _filled(domain: Domain, shapes: Mapping[str, Sequence[int]]) -> Domain:
    like = domain._tensors()[0]
    rows = () if domain.batch_size is None else (domain.batch_size,)
    parts = {
        part: tensors or tuple(like.new_zeros(*rows, width) for width in shapes.get(part, ()))
        for part, tensors in domain._parts().items()
    }
    return Domain._of(parts, domain.weights, domain.metadata)
