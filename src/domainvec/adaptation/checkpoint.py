"""Checkpoints: where a session stands, in a safetensors file whose header says which session it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.errors import AdaptationError
from domainvec.files import save_tensors

_HEADER = "domainvec.session"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        state: all that changes from step to step, by name.
        history: a record of each step that is done.
        stopped: why the training ended early, and by which rule; None if it did not.
    """

    state: Mapping[str, Tensor]
    history: list[dict[str, Any]]
    stopped: tuple[str, str] | None = None

    def save(self, path: str | os.PathLike[str], identity: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all.

        Args:
            path: the file to write or replace.
            identity: what makes the session the one it is, for JSON; `load` compares it.

        Raises: OSError if the file cannot be written.
        """
        header = {"identity": identity, "history": self.history, "stopped": self.stopped}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state.items()}
        save_tensors(path, tensors, {_HEADER: json.dumps(header)})

    @classmethod
    def load(cls, path: str | os.PathLike[str], identity: Mapping[str, Any]) -> Checkpoint:
        """Read a file written by `save`.

        Args:
            path: the file.
            identity: that of the session which is to go on.

        Raises: AdaptationError if the file is broken or belongs to another session; the message says what
            differs.
        """
        path = Path(path)
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})[_HEADER])
                # Copies, since numbers mapped from the file are not aligned as others are, and the order in
                # which vector instructions add them up depends on it.
                state = {name: file.get_tensor(name).clone() for name in file.keys()}
            found, history, stopped = header["identity"], header["history"], header["stopped"]
            steps = [record["step"] for record in history]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise AdaptationError(
                f"{path}: not a checkpoint of an adaptation, or a broken one ({error}); start without "
                "resuming"
            ) from error
        if differences := list(_differences(found, json.loads(json.dumps(identity)))):
            raise AdaptationError(
                f"{path}: a checkpoint of another run: {'; '.join(differences)}. Resume with the settings it "
                "was started with, or start again without resuming"
            )
        trained = [tensor for name, tensor in state.items() if name.startswith(("learnable.", "optimizer."))]
        finite = all(bool(tensor.isfinite().all()) for tensor in trained)
        if steps != list(range(1, len(steps) + 1)) or not finite:
            raise AdaptationError(f"{path}: a broken checkpoint; start without resuming")
        return cls(state, history, None if stopped is None else (str(stopped[0]), str(stopped[1])))


def earlier_checkpoint(path: str | os.PathLike[str]) -> Path:
    """Name the file that keeps the checkpoint of an earlier run when another starts from the beginning."""
    return Path(f"{os.fspath(path)}.old")


def check_states(path: object, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise AdaptationError unless a checkpoint has the tensors that a session needs, in their shapes."""
    for name, tensor in expected.items():
        if name not in found or found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            raise AdaptationError(f"{path}: a broken checkpoint ({name}); start without resuming")


def _differences(found: object, expected: object, name: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            yield from _differences(found.get(key), expected.get(key), f"{name}.{key}" if name else key)
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from _differences(one, other, f"{name}.{index}")
    elif found != expected:
        yield f"{name} was {_short(found)}, now {_short(expected)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
