"""The files of a CLIP model: found, fetched from the Hugging Face hub, and checked before loading."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from domainvec.errors import EncoderError
from domainvec.files import BUNDLED_FOLDER

_HUB_TIMEOUT = 10  # seconds
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TOKENIZERS = ({"tokenizer.json"}, {"vocab.json", "merges.txt"})
_LFS_POINTER = b"version https://git-lfs"


def locate(name_or_path: str | Path) -> tuple[str, str, bool]:
    """Find out what a name means: a bundled encoder, a folder, or a model of the Hugging Face hub.

    Returns:
        The folder, or the name at the hub; what messages call it; whether it is a folder.

    Raises:
        EncoderError: if it is none of them.
    """
    given = str(name_or_path)
    bundled = sorted(path.parent.name for path in BUNDLED_FOLDER.glob("*/tokenizer.json"))
    if given in bundled:
        return str(BUNDLED_FOLDER / given), given, True
    folder = Path(given).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise EncoderError(
                f"the folder {given} has no config.json; expected a CLIP model saved by transformers"
            )
        return str(folder), folder.resolve().name, True
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", given) and not folder.exists():
        return given, given, False
    raise EncoderError(
        f"no encoder {given!r}: it is neither bundled ({', '.join(bundled) or 'none is'}), nor a folder, "
        f"nor a Hugging Face id such as openai/clip-vit-base-patch32"
    )


def fetch_model(name: str) -> Path:
    """Find a model of the hub in the local Hugging Face cache, or download it there.

    Args:
        name: such as "openai/clip-vit-base-patch32".

    Returns:
        Its folder in the cache.

    Raises:
        EncoderError: if it is not in the cache and the hub has no such model or cannot be reached.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download, try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str) and _is_complete(Path(cached).parent):
        return Path(cached).parent
    try:
        files = [file.rfilename for file in HfApi().model_info(name, timeout=_HUB_TIMEOUT).siblings or ()]
        weights = "model*.safetensors" if {_WEIGHTS, _INDEX} & set(files) else "pytorch_model*.bin"
        require_clip(Path(hf_hub_download(name, "config.json")).parent, name)  # before hundreds of megabytes
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", weights]))
    except EncoderError:
        raise
    except Exception as error:  # the hub's client and its network library each raise their own kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EncoderError(
            f"cannot load the encoder {name}: it is not in the local Hugging Face cache, and the hub did not "
            f"give it ({reason}); connect to the network, or name a folder that holds it"
        ) from error


def require_clip(folder: Path, name: str) -> None:
    """Raise EncoderError unless a folder's config.json is of a CLIP model."""
    kind = (read_json(folder, name, "config.json") or {}).get("model_type")
    if kind != "clip":
        raise EncoderError(f"{name} is a model of type {kind!r}; expected a CLIP model (type 'clip')")


def require_model_files(folder: Path, name: str, pickles: bool) -> None:
    """Make sure that a folder holds a model's weights and tokenizer themselves.

    Args:
        folder: of the model.
        name: what messages call it.
        pickles: whether pickled weights may stand in for safetensors.

    Raises:
        EncoderError: saying what is missing.
    """
    files = {path.name: path for path in folder.iterdir() if path.is_file()}
    for path in files.values():
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise EncoderError(
                    f"the {path.name} of {name} is a Git LFS pointer, not the file itself; run `git lfs "
                    f"pull` where it was cloned"
                )
    shards = (read_json(folder, name, _INDEX) or {}).get("weight_map", {"": _WEIGHTS})
    absent = sorted(set(shards.values()) - set(files))
    pickled = sorted(file for file in files if file.endswith((".bin", ".pt", ".pth", ".ckpt")))
    if absent and not pickled:
        raise EncoderError(f"{name} has no {absent[0]}; expected its weights beside its config.json")
    if absent and not pickles:
        raise EncoderError(
            f"{name} has its weights only in {pickled[0]}, a pickle; pickles can run any program, so they "
            f"are refused. Expected model.safetensors: if you trust the file, "
            f"transformers.CLIPModel.from_pretrained(folder).save_pretrained(folder) writes it"
        )
    if not any(wanted <= set(files) for wanted in _TOKENIZERS):
        raise EncoderError(
            f"{name} has no tokenizer; expected tokenizer.json, or vocab.json and merges.txt, beside its "
            f"config.json"
        )


def read_json(folder: Path, name: str, file: str) -> dict[str, Any] | None:
    """Read a JSON object of a model's folder; None if there is no such file.

    Raises:
        EncoderError: if the file is not JSON, or not an object.
    """
    try:
        values = json.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EncoderError(f"the {file} of {name} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise EncoderError(f"the {file} of {name} holds a {type(values).__name__}; expected an object")
    return values


def _is_complete(folder: Path) -> bool:
    try:
        require_model_files(folder, folder.name, pickles=True)
    except EncoderError:
        return False
    return any((folder / file).is_file() for file in ("preprocessor_config.json", "processor_config.json"))
