"""The result of an adaptation: the domain, and a record of how it came about."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainvec.adaptation.previews import before_after
from domainvec.adaptation.training import Training
from domainvec.domains.domain import Domain
from domainvec.errors import InputError
from domainvec.files import atomic_path
from domainvec.images import save_png

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator


@dataclass(frozen=True)
class AdaptationResult:
    """Result of an adaptation.

    Attributes:
        domain: the domain, float32 numbers that float16 holds exactly, on the generator's device.
        history: a record of each step: `step` (from 1), `loss`, `terms` (the losses before weighting) and
            `seconds` spent so far.
        training: the settings of the loop, defaults filled in.
        seconds: how long the steps took, those before an interruption included.
        generator: the generator that the domain was made for.
        stopped: why the training ended before its last step; None if it did not.
        measured: what the stop rules measured; None without any.
    """

    domain: Domain
    history: list[dict[str, Any]]
    training: Training
    seconds: float
    generator: Generator = field(repr=False, compare=False)
    stopped: str | None = None
    measured: dict[str, Any] | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the domain file, and beside it a picture (.png) and a record of the training (.json).

        The picture shows sixteen images and the same ones adapted. The record holds losses, seconds and the
        domain's metadata.

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
        if self.measured is not None:
            record["measured"] = self.measured
        with atomic_path(path.with_suffix(".json")) as temporary:
            text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
            # Names of files that are not UTF-8 must not cost the record.
            temporary.write_text(text, encoding="utf-8", errors="replace")
