"""The metadata of a domain, a JSON object that records its origin, and its propagation through arithmetic.

Two keys are reserved: `mix`, a list of `{"weight": number, "domain": metadata}`, describes a weighted sum,
and `stack`, a list of metadata, describes the rows of a batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domainvec.errors import DomainError

Metadata = dict[str, Any]

_SHARED = ("generator_fingerprint", "generator", "license")  # inherited by mixes and stacks
_MAX_TEXT = 300  # characters of a target text, which is untrusted


def copy(metadata: Mapping[str, Any]) -> Metadata:
    """Make a deep copy, in the form that a file would give back: tuples become lists.

    Raises: DomainError if the metadata is not JSON-serializable, or has an invalid `mix` or `stack`.
    """
    try:
        text = json.dumps(metadata, allow_nan=False, ensure_ascii=False)
        # File names that are not UTF-8 have lone surrogates, which no file of text can hold.
        return parse(text.encode("utf-8", "replace").decode("utf-8"))
    except (TypeError, ValueError, RecursionError) as error:
        raise DomainError(
            f"metadata must be JSON-serializable (text, finite numbers, lists, ...): {error}"
        ) from error


def parse(text: str) -> Metadata:
    """Parse metadata from JSON.

    Raises: DomainError if the text is not JSON, not an object, or has an invalid `mix` or `stack`.
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


def scale(metadata: Metadata, weight: float) -> Metadata:
    """Return the metadata of a domain multiplied by a number."""
    if "stack" in metadata:
        return stack([scale(row, weight) for row in metadata["stack"]])
    return _mix([(weight * part_weight, part) for part_weight, part in _parts(metadata)])


def add(first: Metadata, second: Metadata) -> Metadata:
    """Return the metadata of the sum of two domains; a single domain is added to each row of a stack."""
    rows = max(len(first.get("stack", ())), len(second.get("stack", ())))
    if rows:
        return stack([add(select_row(first, index), select_row(second, index)) for index in range(rows)])
    return _mix(_parts(first) + _parts(second))


def stack(rows: Sequence[Metadata]) -> Metadata:
    """Return the metadata of a batch with one domain per row."""
    return _shared(rows) | {"stack": list(rows)}


def select_row(metadata: Metadata, index: int) -> Metadata:
    """Return the metadata of one row of a stack, or the metadata itself if it is not a stack."""
    rows = metadata.get("stack")
    return rows[index] if rows else metadata


def unscaled(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata of a domain before it was multiplied by a number."""
    while isinstance(metadata.get("mix"), list) and len(metadata["mix"]) == 1:
        metadata = metadata["mix"][0]["domain"]
    return metadata


def target_texts(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the target texts of a domain; none for a mix of several domains."""
    target = unscaled(metadata).get("target")
    listed = target if isinstance(target, list) else [target]
    texts = [text for text in listed if isinstance(text, str) and text.strip()]
    # JSON allows lone surrogates, tokenizers do not.
    return tuple(text[:_MAX_TEXT].encode("utf-8", "replace").decode() for text in texts)


def guiding_encoders(metadata: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of the encoders that guided a domain, or the parts of a mix or a stack."""
    pending: list[Any] = [metadata]
    while pending:
        entry = pending.pop()
        pending += [part["domain"] for part in entry.get("mix", ())] + list(entry.get("stack", ()))
        encoders = entry.get("encoders")
        if isinstance(encoders, list):
            yield from (encoder for encoder in encoders if isinstance(encoder, dict))


def _parts(metadata: Metadata) -> list[tuple[float, Metadata]]:
    if "mix" in metadata:
        return [(part["weight"], part["domain"]) for part in metadata["mix"]]
    return [(1.0, metadata)]


def _mix(parts: Sequence[tuple[float, Metadata]]) -> Metadata:
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    shared = _shared([part for _, part in parts])
    return shared | {"mix": [{"weight": weight, "domain": part} for weight, part in parts]}


def _shared(parts: Sequence[Metadata]) -> Metadata:
    """Return the inherited keys: the common value, or the list of all values if they differ."""
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
