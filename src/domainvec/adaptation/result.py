"""What an adaptation gives: the domain, and the record of how it came about."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainvec.adaptation.pictures import before_after
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.domains.domain import Domain
from domainvec.errors import InputError
from domainvec.files import atomic_path
from domainvec.images import save_png

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


@dataclass(frozen=True)
class AdaptationResult:
    """Result of an adaptation.

    Args:
        domain: the domain, float32 numbers that float16 holds exactly, on the generator's device.
        history: for each step a record of `step` (from 1), `loss`, `parts` (the losses before weighting) and
            `seconds` since the start.
        settings: what was asked for, defaults filled in.
        seconds: how long the steps took, those before an interruption included.
        generator: the generator it was made for.
        stopped: why the run ended before its last step; None if it did not.
        watched: what was seen on the way by what may end a run: its curve and what was chosen.
    """

    domain: Domain
    history: list[dict[str, Any]]
    settings: AdaptationSettings
    seconds: float
    generator: Generator = field(repr=False, compare=False)
    stopped: str | None = None
    watched: dict[str, Any] | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the domain file, and beside it a picture (.png) and a record of the run (.json).

        The picture shows sixteen faces and the same ones adapted. The record holds losses, seconds and what
        the domain's metadata says.

        Args:
            path: the domain file, `….safetensors`; existing files are replaced.

        Raises:
            InputError: if the path has another suffix.
            OSError: if a file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".safetensors":
            raise InputError(
                f"{path}: a domain file must be named ….safetensors; its picture and record go beside it"
            )
        self.domain.save(path)
        save_png(before_after(self.generator, self.domain), path.with_suffix(".png"))
        record = {
            "domain": self.domain.metadata,
            "size": self.domain.size,
            "seconds": self.seconds,
            "history": self.history,
        }
        if self.stopped is not None:
            record["stopped"] = self.stopped
        if self.watched is not None:
            record["watched"] = self.watched
        with atomic_path(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
