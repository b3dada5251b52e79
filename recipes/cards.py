"""Pieces of the models' cards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainvec.files import atomic_path


def percent_table(title: str, shares: Mapping[str, float]) -> str:
    """A Markdown table of shares."""
    rows = "\n".join(f"| {name} | {100 * share:.1f} % |" for name, share in shares.items())
    return f"| {title} | named rightly |\n| --- | --- |\n{rows}"


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")


def write_card(folder: Path, card: str, metrics: Mapping[str, Any]) -> None:
    """Write metrics.json and README.md."""
    write_json(folder / "metrics.json", metrics)
    with atomic_path(folder / "README.md") as path:
        path.write_text(card)
