"""The domain: the few thousand numbers that carry a frozen generator to another domain."""

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
from domainvec.errors import DomainError, InputError

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


class Domain:
    """A domain vector: one offset for each input channel of each 3×3 convolution, and further optional parts.

    A convolution multiplies its input channel i by s_i · (1 + d_i), with s the style and d the offsets; its
    demodulation does not see d (HyperDomainNet, Alanov et al. 2022, arXiv:2210.08884, section 3). Zero
    offsets are the generator itself. The optional parts do the same to the ToRGB layers and add to their
    bias.

    Domains are vectors: they can be added, subtracted, and multiplied by a number, their strength. A part
    that one domain of a sum lacks counts as zeros. `Domain.stack` makes a batch with another domain in each
    row; indexing takes a row out.

    Args:
        offsets: for each 3×3 convolution, in forward order, its offsets: (c,), or (N, c) for another domain
            in each of N samples.
        metadata: where the domain comes from: anything that JSON can hold.
        rgb_offsets: for each ToRGB, in forward order, the same for its input channels: (c,) or (N, c).
        rgb_bias: for each ToRGB, what is added to its bias: (3,) or (N, 3).

    Raises: DomainError if the tensors are not of one floating type, device and number of samples, or do not
        have these shapes; or if JSON cannot hold the metadata.
    """

    __array_ufunc__ = None  # a NumPy number times a domain is a domain, not an array of its rows

    def __init__(
        self,
        offsets: Sequence[Tensor],
        metadata: Mapping[str, Any] | None = None,
        *,
        rgb_offsets: Sequence[Tensor] | None = None,
        rgb_bias: Sequence[Tensor] | None = None,
    ) -> None:
        self.offsets = tuple(offsets)
        self.rgb_offsets = None if rgb_offsets is None else tuple(rgb_offsets)
        self.rgb_bias = None if rgb_bias is None else tuple(rgb_bias)
        self.metadata = provenance.copied(metadata or {})
        self._check_parts()

    @property
    def size(self) -> int:
        """How many numbers one domain has."""
        return sum(tensor.shape[-1] for tensor in self._tensors())

    @property
    def batch_size(self) -> int | None:
        """How many domains are stacked; None for a single one."""
        first = self.offsets[0]
        return None if first.ndim == 1 else first.shape[0]

    @property
    def vector(self) -> Tensor:
        """All numbers in one row, the order that of the file: (size,) or (N, size); differentiable."""
        return torch.cat(self._tensors(), dim=-1)

    def with_vector(self, vector: Tensor) -> Domain:
        """Make a domain of the same parts and metadata from other numbers.

        Args:
            vector: (size,) or (N, size), as `vector` gives them; gradients flow back to it.

        Raises: DomainError if the length is not `size`.
        """
        if vector.ndim not in (1, 2) or vector.shape[-1] != self.size:
            raise DomainError(
                f"a vector of shape {tuple(vector.shape)} does not fill a domain of {self.size} numbers"
            )
        pieces = iter(torch.split(vector, [tensor.shape[-1] for tensor in self._tensors()], dim=-1))
        return self._map(lambda _: next(pieces))

    def save(self, path: str | os.PathLike[str], dtype: torch.dtype | None = None) -> None:
        """Write the domain to a safetensors file, whole or not at all.

        Args:
            path: where to; missing folders are created.
            dtype: how to store the numbers. By default float16 if it holds them exactly, which it does for
                what `adapt` returns, else float32; either way `load` gives the same numbers back.

        Raises:
            DomainError: if the domain is a stack, a number is not finite, or does not fit the dtype.
            OSError: if the file cannot be written.
        """
        if self.batch_size is not None:
            raise DomainError(
                f"a file holds one domain, not a stack of {self.batch_size}: save its rows, domain[0], ..."
            )
        write_domain_file(path, self._parts(), self.metadata, dtype)

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
        parts, metadata = read_domain_file(path)
        try:
            domain = cls._from_parts(parts, metadata)
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
        }
        for part in PARTS:
            widths = tuple(tensor.shape[-1] for tensor in parts[part])
            if widths and widths != expected[part]:
                raise DomainError(
                    f"{part} has the widths {list(widths)}, but those of the generator are "
                    f"{list(expected[part])}: this domain belongs to a generator of another form"
                )
        made_for = self.metadata.get("generator_fingerprint")
        if made_for is not None and made_for != generator.fingerprint and not allow_mismatch:
            named = " and ".join(map(str, made_for)) if isinstance(made_for, list) else made_for
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

        Raises: DomainError if there are none, one is itself a stack, or the widths differ.
        """
        if not domains:
            raise DomainError("stack needs at least one domain, got none")
        for domain in domains:
            if domain.batch_size is not None:
                raise DomainError(f"stack takes single domains, not a stack of {domain.batch_size}")
        widest = _widened(domains)
        parts = {
            part: [
                torch.stack(rows) for rows in zip(*(domain._parts()[part] for domain in widest), strict=True)
            ]
            for part in PARTS
        }
        return Domain._from_parts(parts, provenance.stacked([domain.metadata for domain in domains]))

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

    def __getitem__(self, index: int) -> Domain:
        count = self.batch_size
        if count is None:
            raise DomainError("a single domain has no rows; only a stack can be indexed")
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
        first, second = _widened([self, other])
        terms = iter(second._tensors())
        return first._map(
            lambda tensor: tensor + next(terms), provenance.added(self.metadata, other.metadata)
        )

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
        return self._map(lambda tensor: tensor * weight, provenance.scaled(self.metadata, weight))

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
        parts = "+".join(part for part, tensors in self._parts().items() if tensors)
        return f"Domain({named}{rows}{self.size} numbers, {parts})"

    def _parts(self) -> dict[str, tuple[Tensor, ...]]:
        return {
            "offsets": self.offsets,
            "rgb_offsets": self.rgb_offsets or (),
            "rgb_bias": self.rgb_bias or (),
        }

    def _tensors(self) -> list[Tensor]:
        return [tensor for tensors in self._parts().values() for tensor in tensors]

    def _map(self, function: Callable[[Tensor], Tensor], metadata: Mapping[str, Any] | None = None) -> Domain:
        parts = {part: [function(tensor) for tensor in tensors] for part, tensors in self._parts().items()}
        return self._from_parts(parts, self.metadata if metadata is None else metadata)

    @classmethod
    def _from_parts(cls, parts: Mapping[str, Sequence[Tensor]], metadata: Mapping[str, Any]) -> Domain:
        return cls(
            parts["offsets"],
            metadata,
            rgb_offsets=parts.get("rgb_offsets") or None,
            rgb_bias=parts.get("rgb_bias") or None,
        )

    def _check_parts(self) -> None:
        if not self.offsets:
            raise DomainError("a domain needs offsets, one tensor for each 3×3 convolution; got none")
        first: Any = self.offsets[0]
        for part, tensors in self._parts().items():
            for index, tensor in enumerate(tensors):
                name = f"{part}[{index}]"
                if not isinstance(tensor, Tensor):
                    raise DomainError(f"{name} must be a tensor, not a {type(tensor).__name__}")
                if not tensor.is_floating_point() or tensor.ndim not in (1, 2) or not tensor.numel():
                    raise DomainError(
                        f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}, expected a floating type "
                        "and a shape (c,) or (N, c)"
                    )
                if part == "rgb_bias" and tensor.shape[-1] != 3:
                    raise DomainError(f"{name} has the shape {tuple(tensor.shape)}, expected (3,) or (N, 3)")
                if tensor.shape[:-1] != first.shape[:-1]:
                    raise DomainError(
                        f"{name} has the shape {tuple(tensor.shape)}, but offsets[0] {tuple(first.shape)}: "
                        "all must be (c,), or all (N, c) with one N"
                    )
                if (tensor.dtype, tensor.device) != (first.dtype, first.device):
                    raise DomainError(
                        f"{name} is {tensor.dtype} on {tensor.device}, but offsets[0] {first.dtype} on "
                        f"{first.device}: all must be of one type and on one device"
                    )
        if self.rgb_offsets and self.rgb_bias and len(self.rgb_offsets) != len(self.rgb_bias):
            raise DomainError(
                f"{len(self.rgb_offsets)} rgb_offsets but {len(self.rgb_bias)} rgb_bias: expected one of "
                "each for each ToRGB"
            )


def _widened(domains: Sequence[Domain]) -> list[Domain]:
    """Give all domains the parts that any of them has, as zeros where they lack them."""
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
    like = domain.offsets[0]
    parts = {
        part: tensors or tuple(like.new_zeros(*like.shape[:-1], width) for width in shapes.get(part, ()))
        for part, tensors in domain._parts().items()
    }
    return Domain._from_parts(parts, domain.metadata)
