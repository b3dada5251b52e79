"""A domain: the parameters, often only a few thousand, that adapt a frozen generator."""

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
from domainvec.domains.weights import WeightChange, add_changes, scale_change, sort_changes, to_dense
from domainvec.errors import DomainError, InputError, ShapeError

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


class Domain:
    """The parameters that adapt a generator to a domain: offsets and shifts of channels, changes of weights.

    The offsets d of a domain vector multiply input channel i of a 3×3 convolution by s_i · (1 + d_i), where s
    is the style; demodulation ignores d (HyperDomainNet, Alanov et al. 2022, arXiv:2210.08884, section 3).
    Shifts are added to the style before demodulation (StyleDomain, Alanov et al. 2023, arXiv:2212.10229).
    ToRGB layers can have both, and an offset of their bias. Weight changes are added to the parameters of the
    synthesis network. A domain has one or several of these parts; zeros leave the generator unchanged.

    Domains can be added, subtracted, and multiplied by a number, their strength. `Domain.stack` makes a batch
    with one domain per sample, and indexing selects a row of it. Weight changes cannot be stacked, since the
    whole batch shares its convolutions.

    Args:
        offsets: offsets of each 3×3 convolution, in forward order: (c,), or (N, c) for one domain per sample.
        metadata: origin of the domain; must be JSON-serializable.
        rgb_offsets: offsets of each ToRGB layer, in forward order: (c,) or (N, c).
        rgb_bias: added to the bias of each ToRGB layer: (3,) or (N, 3).
        shifts: added to the style of each 3×3 convolution: (c,) or (N, c).
        rgb_shifts: added to the style of each ToRGB layer: (c,) or (N, c).
        weights: added to parameters of the synthesis network, keyed by their names, such as "convs.3.weight".
            Each is a tensor that broadcasts to the parameter's shape, or a pair of low-rank factors of shapes
            (o, r) and (r, ...).

    Raises: DomainError if shapes, dtypes or devices are inconsistent, or the metadata is not
        JSON-serializable.
    """

    __array_ufunc__ = None  # a NumPy number times a domain is a domain, not an array

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
        self.rgb_offsets, self.rgb_bias, self.shifts, self.rgb_shifts = (
            None if part is None else tuple(part) for part in (rgb_offsets, rgb_bias, shifts, rgb_shifts)
        )
        self.weights = sort_changes(weights or {})
        self.metadata = provenance.copy(metadata or {})
        self._check_parts()

    @property
    def weight_changes(self) -> dict[str, Tensor]:
        """The dense change of each weight, keyed by its name; differentiable."""
        return {name: to_dense(change) for name, change in self.weights.items()}

    @property
    def size(self) -> int:
        """Number of parameters of one domain."""
        return sum(map(math.prod, self._shapes()))

    @property
    def num_nonzero(self) -> int:
        """Number of parameters that are not zero."""
        return sum(int(tensor.count_nonzero()) for tensor in self._tensors())

    @property
    def is_sparse(self) -> bool:
        """Whether at least half of the parameters are zero, so that the file stores only the others."""
        return 2 * self.num_nonzero <= self.size

    @property
    def batch_size(self) -> int | None:
        """Number of stacked domains; None for a single domain."""
        if self.weights:
            return None
        first = self._tensors()[0]
        return None if first.ndim == 1 else first.shape[0]

    @property
    def vector(self) -> Tensor:
        """All parameters, flattened in the order of the file: (size,) or (N, size); differentiable."""
        rows = () if self.batch_size is None else (self.batch_size,)
        return torch.cat([tensor.reshape(*rows, -1) for tensor in self._tensors()], dim=-1)

    def with_vector(self, vector: Tensor) -> Domain:
        """Return a domain of the same structure and metadata with other parameters.

        Args:
            vector: (size,) or (N, size), in the order of `Domain.vector`; differentiable.

        Raises: DomainError if the length is not `size`, or a domain that changes weights is given rows.
        """
        if vector.ndim not in (1, 2) or vector.shape[-1] != self.size:
            raise DomainError(
                f"a vector of shape {tuple(vector.shape)} does not fit a domain of {self.size} parameters"
            )
        if vector.ndim == 2 and self.weights:
            raise DomainError(_CANNOT_STACK)
        shapes = self._shapes()
        pieces = torch.split(vector, [math.prod(shape) for shape in shapes], dim=-1)
        return self._replace(
            [piece.reshape((*vector.shape[:-1], *shape)) for piece, shape in zip(pieces, shapes, strict=True)]
        )

    def with_metadata(self, metadata: Mapping[str, Any]) -> Domain:
        """Return a domain of the same parameters with other metadata.

        Raises: DomainError if the metadata is not JSON-serializable.
        """
        return self._replace(self._tensors(), metadata)

    def named_tensors(self) -> dict[str, Tensor]:
        """Return all tensors, keyed by their names in the file, in the order of `vector`."""
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
        """Write the domain to a safetensors file, atomically.

        Args:
            path: the file to write; missing folders are created.
            dtype: data type of the file. By default float16 if that is lossless, as for the results of
                `adapt`, else float32. Zeros are omitted if at least half of the parameters are zero.

        Raises:
            DomainError: if the domain is a stack, or a parameter is not finite or overflows the dtype.
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
            generator: checks that the domain fits this generator, if given.
            allow_mismatch: accept a domain trained for another generator with the same widths, such as one
                fine-tuned from the same parent.

        Returns: the domain, float32, on the generator's device (without a generator, on the CPU).

        Raises: DomainError if the file is invalid, or the domain does not fit the generator.
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
        """Check that the domain fits a generator.

        Args:
            generator: the generator to use it with.
            allow_mismatch: accept a domain trained for another generator with the same widths.

        Raises: DomainError if the widths differ, or the metadata names another generator.
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
                    f"{part} has the widths {list(widths)}, but the generator has {list(expected[part])}: "
                    "the domain belongs to a generator of another architecture"
                )
        try:
            # The meta device has shapes but no data.
            generator.synthesis.check_weight_changes(self.to("meta").weight_changes)
        except ShapeError as error:
            raise DomainError(
                f"{error}: the domain belongs to a generator of another architecture"
            ) from error
        found = self.metadata.get("generator_fingerprint")
        trained_for = found if isinstance(found, list) else [] if found is None else [found]
        if not allow_mismatch and not all(map(generator.has_fingerprint, trained_for)):
            named = " and ".join(map(str, trained_for))
            raise DomainError(
                f"the domain was trained for the generator {named}, not for {generator.fingerprint}; "
                "the widths agree, so you can use it with allow_mismatch=True (--allow-mismatch)"
            )

    @staticmethod
    def stack(domains: Sequence[Domain]) -> Domain:
        """Make a batch with one domain per sample.

        Args:
            domains: single domains of equal widths; missing parts are filled with zeros.

        Returns: a domain with (N, c) tensors.

        Raises: DomainError if the list is empty, a domain is a stack or changes weights, or widths differ.
        """
        if not domains:
            raise DomainError("stack needs at least one domain, got none")
        for domain in domains:
            if domain.batch_size is not None:
                raise DomainError(f"stack takes single domains, not a stack of {domain.batch_size}")
            if domain.weights:
                raise DomainError(_CANNOT_STACK)
        aligned = _align_parts(domains)
        parts = {
            part: [
                torch.stack(rows) for rows in zip(*(domain._parts()[part] for domain in aligned), strict=True)
            ]
            for part in PARTS
        }
        return Domain._from_parts(parts, {}, provenance.stack([domain.metadata for domain in domains]))

    def to(self, *args: Any, **kwargs: Any) -> Domain:  # noqa: ANN401  (the arguments of torch.Tensor.to)
        """Change the device or the dtype, with the arguments of `torch.Tensor.to`."""
        return self._map(lambda tensor: tensor.to(*args, **kwargs))

    def detach(self) -> Domain:
        """Detach from the autograd graph; memory is shared."""
        return self._map(Tensor.detach)

    def requires_grad_(self, requires_grad: bool = True) -> Domain:
        """Set whether the parameters require gradients, in place; returns the domain itself."""
        for tensor in self._tensors():
            tensor.requires_grad_(requires_grad)
        return self

    def __getitem__(self, index: int | slice) -> Domain:
        count = self.batch_size
        if count is None:
            raise DomainError("a single domain has no rows; only a stack can be indexed")
        if isinstance(index, slice):
            rows = [provenance.select_row(self.metadata, row) for row in range(count)[index]]
            return self._map(lambda tensor: tensor[index], provenance.stack(rows))
        if not -count <= index < count:
            raise IndexError(f"row {index} of a stack of {count} domains")
        return self._map(lambda tensor: tensor[index], provenance.select_row(self.metadata, index))

    def __add__(self, other: Domain) -> Domain:
        if not isinstance(other, Domain):
            return NotImplemented
        if None not in (self.batch_size, other.batch_size) and self.batch_size != other.batch_size:
            raise DomainError(
                f"cannot add a stack of {self.batch_size} domains and one of {other.batch_size}"
            )
        first, second = (domain._parts() for domain in _align_parts([self, other]))
        parts = {
            part: [a + b for a, b in zip(tensors, second[part], strict=True)]
            for part, tensors in first.items()
        }
        metadata = provenance.add(self.metadata, other.metadata)
        return Domain._from_parts(parts, add_changes(self.weights, other.weights), metadata)

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
        weights = {name: scale_change(change, weight) for name, change in self.weights.items()}
        return Domain._from_parts(parts, weights, provenance.scale(self.metadata, weight))

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
        return f"Domain({named}{rows}{self.size} parameters, {parts})"

    def _parts(self) -> dict[str, tuple[Tensor, ...]]:
        return {part: getattr(self, part) or () for part in PARTS}

    def _tensors(self) -> list[Tensor]:
        return list(self.named_tensors().values())

    def _shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of each tensor, without the batch dimension of a stack."""
        return [
            tuple(tensor.shape) if name.startswith("weights.") else (tensor.shape[-1],)
            for name, tensor in self.named_tensors().items()
        ]

    def _map(self, function: Callable[[Tensor], Tensor], metadata: Mapping[str, Any] | None = None) -> Domain:
        return self._replace([function(tensor) for tensor in self._tensors()], metadata)

    def _replace(self, tensors: Sequence[Tensor], metadata: Mapping[str, Any] | None = None) -> Domain:
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
        return cls._from_parts(parts, weights, metadata)

    @classmethod
    def _from_parts(
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
        reference = next(iter(named))
        for name, tensor in named.items():
            if not isinstance(tensor, Tensor):
                raise DomainError(f"{name} must be a tensor, not a {type(tensor).__name__}")
            _check_tensor(name, tensor, reference, named[reference])
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
                "each for each ToRGB layer"
            )


_CANNOT_STACK = (
    "a domain that changes weights cannot share a batch with others, since one convolution serves the whole "
    "batch; use one such domain per batch"
)


def _check_tensor(name: str, tensor: Tensor, reference_name: str, reference: Tensor) -> None:
    """Check a tensor of a domain by itself, and against the first tensor of the domain."""
    changes_weight = name.startswith("weights.")
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point() or not tensor.numel():
        raise DomainError(
            f"{name} is {tensor.dtype} of shape {shape}, expected a floating-point tensor that is not empty"
        )
    if not changes_weight and tensor.ndim not in (1, 2):
        raise DomainError(f"{name} has shape {shape}, expected (c,) or (N, c)")
    if name.startswith("rgb_bias") and shape[-1] != 3:
        raise DomainError(f"{name} has shape {shape}, expected (3,) or (N, 3)")
    if not changes_weight and shape[:-1] != reference.shape[:-1]:
        raise DomainError(
            f"{name} has shape {shape}, but {reference_name} {tuple(reference.shape)}: expected (c,) for "
            "all, or (N, c) for all with one N"
        )
    if changes_weight and reference.ndim == 2 and not reference_name.startswith("weights."):
        raise DomainError(_CANNOT_STACK)
    if (tensor.dtype, tensor.device) != (reference.dtype, reference.device):
        raise DomainError(
            f"{name} is {tensor.dtype} on {tensor.device}, but {reference_name} is {reference.dtype} on "
            f"{reference.device}: all must be of one type and on one device"
        )


def _align_parts(domains: Sequence[Domain]) -> list[Domain]:
    """Fill in zeros, so that all domains have the offsets and shifts that any of them has."""
    shapes: dict[str, list[int]] = {}
    for domain in domains:
        for part, tensors in domain._parts().items():
            widths = [tensor.shape[-1] for tensor in tensors]
            if widths and shapes.setdefault(part, widths) != widths:
                raise DomainError(
                    f"domains of different widths cannot be combined: {part} of {shapes[part]} and {widths}"
                )
    aligned = []
    for domain in domains:
        like, rows = domain._tensors()[0], () if domain.batch_size is None else (domain.batch_size,)
        parts = {
            part: tensors or tuple(like.new_zeros(*rows, width) for width in shapes.get(part, ()))
            for part, tensors in domain._parts().items()
        }
        aligned.append(Domain._from_parts(parts, domain.weights, domain.metadata))
    return aligned
