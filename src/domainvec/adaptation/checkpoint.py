"""Where a run stands, in a safetensors file; its history and what run it is are in the header, as JSON."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.adaptation.training import Progress
from domainvec.errors import AdaptationError
from domainvec.files import save_tensors

_TENSORS = ("vector", "mean", "mean_square")
_STATE = "state."


def save_checkpoint(path: str | os.PathLike[str], progress: Progress, identity: Mapping[str, Any]) -> None:
    """Write where a run stands, whole or not at all.

    Args:
        path: where to.
        progress: what to write.
        identity: what makes the run the one it is, as JSON can hold it; `load_checkpoint` compares it.

    Raises: OSError if the file cannot be written.
    """
    text = json.dumps({"identity": identity, "history": progress.history})
    tensors = {name: getattr(progress, name).cpu() for name in _TENSORS}
    tensors |= {f"{_STATE}{name}": tensor.cpu().contiguous() for name, tensor in progress.state.items()}
    save_tensors(path, tensors, {"domainvec.adaptation": text})


def earlier_checkpoint(path: str | os.PathLike[str]) -> Path:
    """Name the file that keeps the checkpoint of an earlier run when another starts anew."""
    return Path(f"{os.fspath(path)}.old")


def load_checkpoint(path: str | os.PathLike[str], identity: Mapping[str, Any], like: Tensor) -> Progress:
    """Read where a run stands.

    Args:
        path: a file written by `save_checkpoint`.
        identity: that of the run which is to go on.
        like: a vector of its length and device.

    Raises: AdaptationError if the file is broken, or is of another run; the message says what differs.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["domainvec.adaptation"])
            # A copy, since numbers mapped from the file are not aligned as others are, and the order in which
            # vector instructions add them up depends on it.
            tensors = {name: file.get_tensor(name).to(like.device, copy=True) for name in _TENSORS}
            state = {
                name.removeprefix(_STATE): file.get_tensor(name).clone()
                for name in file.keys()
                if name.startswith(_STATE)
            }
        found, history = header["identity"], header["history"]
        steps = [record["step"] for record in history]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise AdaptationError(
            f"{path}: not a checkpoint of an adaptation, or a broken one ({error}); start without resuming"
        ) from error
    differences = list(_differences(found, json.loads(json.dumps(identity))))
    if differences:
        raise AdaptationError(
            f"{path}: a checkpoint of another run: {'; '.join(differences)}. Resume with what it was started "
            "with, or start anew without resuming"
        )
    good = steps == list(range(1, len(steps) + 1)) and all(
        tensor.shape == like.shape and tensor.dtype == torch.float32 and bool(tensor.isfinite().all())
        for tensor in tensors.values()
    )
    if not good:
        raise AdaptationError(f"{path}: a broken checkpoint; start without resuming")
    return Progress(**tensors, history=history, state=state)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise SystemExit(143) inside the block, so that a checkpoint can still be written.

    A handler that the program has set itself is left alone, as are threads, where none can be set.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _differences(found: object, expected: object, name: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            yield from _differences(found.get(key), expected.get(key), f"{name}.{key}" if name else key)
    elif found != expected:
        yield f"{name} was {_short(found)}, now {_short(expected)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
