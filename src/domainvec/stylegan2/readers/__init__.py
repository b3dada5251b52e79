"""Readers of StyleGAN2 checkpoints, one module for each format.

The format is recognized by a file's content, never by its name, and nothing in a file is executed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

from domainvec.errors import CheckpointError
from domainvec.stylegan2.readers import native, nvidia, rosinality, tensorflow
from domainvec.stylegan2.readers.layout import Checkpoint, Weights, flatten
from domainvec.stylegan2.readers.tensors import ARRAY_NAMES, TENSOR_NAMES, is_tensor
from domainvec.stylegan2.readers.torch_files import LEGACY_MAGIC, nested_storage, opened_zip, read_legacy
from domainvec.stylegan2.readers.unpickling import PLAIN_NAMES, Names, kind, quote_some, recorded, unpickle

__all__ = ["Checkpoint", "Weights", "read_checkpoint"]

_PICKLE_NAMES: Names = {
    **PLAIN_NAMES,
    **ARRAY_NAMES,
    **TENSOR_NAMES,
    **recorded(
        "torch_utils.persistence _reconstruct_persistent_obj",
        "dnnlib.tflib.network Network",
    ),
    "torch.storage _load_from_bytes": nested_storage,
}
_HEAD_BYTES = 512
# Pickles since Python 2.3 begin with their protocol. Older ones are never checkpoints, but if one begins with
# a name, the error should mention it.
_PICKLE_HEAD = re.compile(rb"\x80|\(?[ci][\w.]+\n[\w.]+\n")


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read the networks of a file or a folder in any supported format.

    Args:
        path: a folder of ours, or a file: a .safetensors file of ours, a .pkl file of NVIDIA's PyTorch or
            TensorFlow code, or a .pt or .safetensors file of rosinality's code.

    Returns:
        the weights, checked against one another.

    Raises:
        UnsafeCheckpointError: if the file asks for anything besides building tensors and plain values.
        CheckpointError: if there is no such file, or it is broken or not a StyleGAN2 checkpoint.
    """
    path = Path(path)
    try:
        return native.read_folder(path) if path.is_dir() else _read_file(path)
    except CheckpointError as error:
        raise type(error)(f"{path}: {error}") from error
    except RecursionError:
        raise CheckpointError(f"{path}: the file is nested too deeply to be a checkpoint") from None
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file or folder") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error


def _read_file(path: Path) -> Checkpoint:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise CheckpointError("the file is empty; download it again")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise CheckpointError(
            "this is a web page, not a checkpoint: the page that links to the file was saved, not the file"
        )
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            "this is a Git LFS pointer instead of the file itself; run git lfs pull to get that"
        )
    if head.startswith(b"PK"):
        with opened_zip(path) as content:
            return _read_torch(content)
    if head[8:9] == b"{":
        tensors, metadata = native.read_tensors(path)
        if native.METADATA_KEY in metadata:
            return native.read_single(tensors, metadata[native.METADATA_KEY])
        return _read_tensors(tensors, "the safetensors file does not say which network it holds")
    if not _PICKLE_HEAD.match(head):
        raise CheckpointError(
            f"unknown kind of file, beginning with {head[:8]!r}; expected a .pkl file of NVIDIA's code, a "
            ".pt file of rosinality's, or .safetensors. If this is an archive that holds one, unpack it"
        )
    data = path.read_bytes()
    content = unpickle(io.BytesIO(data), _PICKLE_NAMES)
    if content == LEGACY_MAGIC:
        return _read_torch(read_legacy(data))
    if nvidia.is_nvidia(content):
        return nvidia.read(content)
    if tensorflow.is_tensorflow(content):
        return tensorflow.read(content)
    raise CheckpointError(
        f"the pickle holds {_describe(content)}; expected the networks of a StyleGAN2 training"
    )


def _read_torch(content: object) -> Checkpoint:
    if nvidia.is_nvidia(content):
        return nvidia.read(content)
    if isinstance(content, dict):
        return _read_tensors(flatten(content), f"the file holds {_describe(content)}")
    raise CheckpointError(
        f"the file holds {_describe(content)}; expected rosinality's g_ema, or a state dict of that form"
    )


def _read_tensors(content: Mapping[str, object], otherwise: str) -> Checkpoint:
    """Read networks from named tensors without settings; errors begin with ``otherwise``."""
    if rosinality.is_rosinality(content):
        return rosinality.read(content)
    if any("synthesis.b4." in name for name in content):
        raise CheckpointError(
            "the file holds the tensors of a stylegan2-ada-pytorch network without its settings, such as "
            "conv_clamp; load the .pkl file that they come from"
        )
    tensors = [name for name, value in content.items() if is_tensor(value)]
    raise CheckpointError(
        f"{otherwise}; expected rosinality's g_ema, or a state dict of that form. "
        f"Its tensors: {quote_some(tensors)}"
    )


def _describe(content: object) -> str:
    if isinstance(content, dict):
        return f"a dictionary of {quote_some(list(content))}"
    return kind(content)
