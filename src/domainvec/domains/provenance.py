"""Where a domain came from: its metadata, and what becomes of it when domains are mixed or stacked.

Metadata is a JSON object. Two keys have a meaning here: `mix`, a list of `{"weight": number, "domain":
metadata}` for a weighted sum, and `stack`, a list of metadata, one for each row of a batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from domainvec.errors import DomainError

Metadata = dict[str, Any]

_SHARED = ("generator_fingerprint", "generator", "license")  # what a mix states as long as its parts agree


def copied(metadata: Mapping[str, Any]) -> Metadata:
    """Copy metadata, as it will be read back from a file.

    Args:
        metadata: what JSON can hold; tuples become lists.

    Returns: a deep copy.

    Raises: DomainError if JSON cannot hold it, or if a `mix` or a `stack` in it has another form.
    """
    try:
        text = json.dumps(metadata, allow_nan=False, ensure_ascii=False)
        # File names that are not UTF-8 have lone surrogates, which no file of text can hold.
        return parsed(text.encode("utf-8", "replace").decode("utf-8"))
    except (TypeError, ValueError, RecursionError) as error:
        raise DomainError(
            f"metadata must be what JSON can hold (text, finite numbers, lists, ...): {error}"
        ) from error


def parsed(text: str) -> Metadata:
    """Read metadata from JSON text.

    Raises: DomainError if the text is not JSON, not an object, or holds a broken `mix` or `stack`.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        metadata = json.loads(text, parse_constant=refuse)
        if not isinstance(metadata, dict):
            raise DomainError(f"metadata must be a JSON object, not a {type(metadata).__name__}")
        _check(metadata)
    except (ValueError, RecursionError) as error:
        raise DomainError(f"metadata is not JSON: {error}") from error
    return metadata


def scaled(metadata: Metadata, weight: float) -> Metadata:
    """Metadata of a domain times a number."""
    if "stack" in metadata:
        return stacked([scaled(row, weight) for row in metadata["stack"]])
    return _mixed([(weight * part_weight, part) for part_weight, part in _parts(metadata)])


def added(first: Metadata, second: Metadata) -> Metadata:
    """Metadata of the sum of two domains; a single domain is added to each row of a stack."""
    rows = max(len(first.get("stack", ())), len(second.get("stack", ())))
    if rows:
        return stacked([added(row(first, index), row(second, index)) for index in range(rows)])
    return _mixed(_parts(first) + _parts(second))


def stacked(rows: Sequence[Metadata]) -> Metadata:
    """Metadata of a batch with another domain in each row."""
    return _shared(rows) | {"stack": list(rows)}


def row(metadata: Metadata, index: int) -> Metadata:
    """Metadata of one row of a stack; without any of its rows, what is said of all."""
    rows = metadata.get("stack")
    return rows[index] if rows else metadata


def _parts(metadata: Metadata) -> list[tuple[float, Metadata]]:
    if "mix" in metadata:
        return [(part["weight"], part["domain"]) for part in metadata["mix"]]
    return [(1.0, metadata)]


def _mixed(parts: Sequence[tuple[float, Metadata]]) -> Metadata:
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    shared = _shared([part for _, part in parts])
    return shared | {"mix": [{"weight": weight, "domain": part} for weight, part in parts]}


def _shared(parts: Sequence[Metadata]) -> Metadata:
    """What the parts agree on; where they differ, the list of what they say, which equals none of them."""
    shared: Metadata = {}
    for key in _SHARED:
        values: list[Any] = []
        for value in (part[key] for part in parts if part.get(key) is not None):
            values += [one for one in (value if isinstance(value, list) else [value]) if one not in values]
        if values:
            shared[key] = values[0] if len(values) == 1 else values
    return shared


def _check(metadata: Metadata) -> None:
    for part in _entries(metadata, "mix"):
        if not (
            isinstance(part, dict)
            and isinstance(part.get("weight"), int | float)
            and abs(part["weight"]) < 1e300
            and isinstance(part.get("domain"), dict)
        ):
            raise DomainError('metadata: an entry of "mix" must be {"weight": number, "domain": {...}}')
        _check(part["domain"])
    for part in _entries(metadata, "stack"):
        if not isinstance(part, dict):
            raise DomainError('metadata: an entry of "stack" must be an object')
        _check(part)


def _entries(metadata: Metadata, key: str) -> list[Any]:
    entries = metadata.get(key, [])
    if not isinstance(entries, list):
        raise DomainError(f'metadata: "{key}" must be a list, not a {type(entries).__name__}')
    return entries
