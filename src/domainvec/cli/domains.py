"""Domain files on the command line: FILE[:STRENGTH], folders and patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import NamedTuple

from domainvec.cli.arguments import split_weight
from domainvec.domains import Domain
from domainvec.domains.file import is_domain_file
from domainvec.errors import InputError
from domainvec.stylegan2 import Generator


class NamedDomain(NamedTuple):
    """A domain with the name of its file, its strength included, and the size of the file in bytes."""

    name: str
    domain: Domain
    bytes: int


def load_domains(texts: Sequence[str], generator: Generator, allow_mismatch: bool) -> list[NamedDomain]:
    """Load domains for a generator.

    Args:
        texts: FILE or FILE:STRENGTH each. FILE may also be a folder, for all domain files in it, or a pattern
            such as ``styles/*.safetensors`` that the shell has not expanded.
        generator: the generator.
        allow_mismatch: as in `Domain.load`.

    Raises:
        DomainError: if a file is not a domain file, or does not fit the generator.
        InputError: if a folder or a pattern has no domain files.
    """
    loaded = []
    for path, strength in map(split_weight, texts):
        for file in _expand(path):
            domain, name = Domain.load(file, generator=generator, allow_mismatch=allow_mismatch), file.stem
            if strength is not None:
                domain, name = domain * strength, f"{name} × {strength:g}"
            loaded.append(NamedDomain(name, domain, file.stat().st_size))
    return loaded


def names_domains(text: str) -> bool:
    """Return whether an argument stands for domain files rather than for a generator."""
    path, _ = split_weight(text)
    if path.is_dir():
        return not (path / "config.json").is_file() and bool(_domain_files(path))
    if path.exists():
        return is_domain_file(path)
    return path.suffix == ".safetensors" or _is_pattern(path)


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        files = _domain_files(path)
        if not files:
            raise InputError(f"{path}: this folder has no domain files (.safetensors written by domainvec)")
        return files
    if path.exists() or not _is_pattern(path):
        return [path]
    files = [file for file in map(Path, sorted(glob(str(path)))) if file.is_file()]
    if not files:
        raise InputError(f"{path}: there is no such file, and no file matches this pattern")
    return files


def _domain_files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*.safetensors")) if is_domain_file(file)]


def _is_pattern(path: Path) -> bool:
    return bool(re.search(r"[*?[]", str(path)))
