"""Published checkpoints, downloaded once and kept in the user's cache folder.

The publisher provides no checksums. A download is therefore checked against the length that the server
announces, and by reading it as a checkpoint; its SHA-256 is then stored beside it and checked at later uses.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from domainvec.errors import CheckpointError, DownloadError
from domainvec.files import atomic_path

BASE_URL = "https://nvlabs-fi-cdn.nvidia.com/"
_ADA = "stylegan2-ada-pytorch/pretrained"
_TENSORFLOW = "stylegan2/networks"
PUBLISHED = {
    "ffhq": f"{_ADA}/ffhq.pkl",
    "metfaces": f"{_ADA}/metfaces.pkl",
    "afhqcat": f"{_ADA}/afhqcat.pkl",
    "afhqdog": f"{_ADA}/afhqdog.pkl",
    "afhqwild": f"{_ADA}/afhqwild.pkl",
    "ffhq-256": f"{_ADA}/transfer-learning-source-nets/ffhq-res256-mirror-paper256-noaug.pkl",
    "ffhq-512": f"{_ADA}/transfer-learning-source-nets/ffhq-res512-mirror-stylegan2-noaug.pkl",
    "ffhq-config-f": f"{_TENSORFLOW}/stylegan2-ffhq-config-f.pkl",
    "car": f"{_TENSORFLOW}/stylegan2-car-config-f.pkl",
    "church": f"{_TENSORFLOW}/stylegan2-church-config-f.pkl",
    "horse": f"{_TENSORFLOW}/stylegan2-horse-config-f.pkl",
    "cat": f"{_TENSORFLOW}/stylegan2-cat-config-f.pkl",
}
"""Names of published checkpoints, and their paths under BASE_URL."""

LICENSE = "NVIDIA Source Code License (for research and evaluation only, non-commercial)"
"""The licence of all of them."""

_NOWHERE = Path(os.devnull, "no home folder")  # where nobody can make a folder
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20
_PASSING_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class _Interrupted(Exception):
    """The connection failed in a way that may be temporary."""


class _Outdated(_Interrupted):
    """What was downloaded so far is not part of the file that the server has now."""


@dataclass(frozen=True)
class _Answer:
    """What a server is about to send: bytes from ``start`` to ``total``, if it announces that."""

    body: http.client.HTTPResponse
    start: int
    total: int | None
    validator: str | None


def cache_folder() -> Path:
    """Where downloads are kept: $DOMAINVEC_CACHE, or domainvec in $XDG_CACHE_HOME or in ~/.cache.

    For a user without a home folder, as in containers, this is a path at which nothing can be written.
    """
    own, common = os.environ.get("DOMAINVEC_CACHE"), os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(own).expanduser() if own else Path(common).expanduser() / "domainvec"
    except RuntimeError:  # from expanduser: there is no home folder
        return _NOWHERE / "domainvec"


@contextmanager
def published_file(name: str, *, folder: Path | None = None, base_url: str = BASE_URL) -> Iterator[Path]:
    """Provide the file of a published checkpoint, downloading it unless it is cached.

    When the block succeeds, the file's SHA-256 is recorded unless it already is. When the block raises
    CheckpointError for a file that was never read successfully, the file is removed, so that the next attempt
    downloads it again.

    Args:
        name: one of PUBLISHED.
        folder: where to keep it; ``cache_folder()`` by default.
        base_url: where to download from.

    Raises:
        DownloadError: if the file cannot be downloaded, or the cached one was modified.
    """
    url = base_url + PUBLISHED[name]
    path = (cache_folder() if folder is None else folder) / url.rpartition("/")[2]
    recorded = path.with_name(f"{path.name}.sha256")
    if not path.exists():
        if recorded.exists():
            recorded.unlink()
        project = PUBLISHED[name].partition("/")[0]
        terms = f"https://nvlabs.github.io/{project}/license.html"
        print(f"{path.name} is under the {LICENSE}: {terms}", file=sys.stderr)
        download(url, path)
    elif recorded.exists() and recorded.read_text(errors="replace").split()[:1] != [_sha256(path)]:
        raise DownloadError(
            f"{path} is not the file that was downloaded: its SHA-256 differs from that in {recorded.name}. "
            "Delete both to download it again"
        )
    try:
        yield path
    except CheckpointError:
        if not recorded.exists():
            path.unlink(missing_ok=True)
        raise
    if not recorded.exists():
        try:
            with atomic_path(recorded) as temporary:
                temporary.write_text(f"{_sha256(path)}  {path.name}\n")
        except OSError as error:
            raise DownloadError(
                f"cannot write {recorded} ({error.strerror}); give the path of the file"
            ) from None


def download(url: str, path: Path, *, attempts: int = 4, pause_seconds: float = 1.0) -> None:
    """Download a file, resuming an earlier download that was interrupted, with a progress bar.

    A partial download is kept in ``<path>.part``. It is resumed only if the server still has the same file
    (by its ETag or date); otherwise the download starts over.

    Args:
        url: an http or https address.
        path: where the complete file goes.
        attempts: how many attempts in a row may fail without receiving anything.
        pause_seconds: how long to wait before the second attempt; doubled for each further one.

    Raises:
        DownloadError: if the file cannot be downloaded completely.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url} is not an http or https address")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(f"{path.name}.lock")):
            if path.exists():  # another process was quicker
                return
            partial = path.with_name(f"{path.name}.part")
            _fetch(url, partial, attempts, pause_seconds)
            os.replace(partial, path)
            _validator_path(partial).unlink(missing_ok=True)
    except OSError as error:
        raise DownloadError(
            f"cannot write {path} ({error.strerror or error}); set DOMAINVEC_CACHE to a folder that can be "
            f"written to, or fetch {url} yourself and give the path of the file"
        ) from error


def _fetch(url: str, partial: Path, attempts: int, pause_seconds: float) -> None:
    """Complete the partial file, with as many attempts as allowed."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            _fetch_rest(url, partial)
            return
        except _Interrupted as error:
            failures = 1 if _size(partial) > before else failures + 1
            if failures >= attempts:
                arrived = f"; {_size(partial):,} bytes have arrived and are kept" if _size(partial) else ""
                raise DownloadError(
                    f"{url} cannot be fetched ({error}){arrived}. Is this machine online? Try again, or "
                    "fetch it elsewhere and give the path of the file"
                ) from error
            time.sleep(pause_seconds * 2 ** (failures - 1))


def _fetch_rest(url: str, partial: Path) -> None:
    """One attempt. Raises _Interrupted if another one may succeed."""
    validator_path = _validator_path(partial)
    validator = validator_path.read_text() if validator_path.exists() else None
    start = _size(partial) if validator else 0
    try:
        _receive(url, partial, start, validator)
    except _Outdated:
        validator_path.unlink()
        raise


def _receive(url: str, partial: Path, start: int, validator: str | None) -> None:
    """Write what the server sends to the partial file, from ``start`` on if the server supports that."""
    validator_path = _validator_path(partial)
    with _opened(url, start, validator) as answer:
        if answer.total is not None:
            free = shutil.disk_usage(partial.parent).free
            if answer.total - answer.start > free:
                raise DownloadError(
                    f"{url} needs {answer.total - answer.start:,} bytes; {partial.parent} has {free:,} free"
                )
        if answer.validator != validator:
            validator_path.unlink(missing_ok=True)
        with partial.open("r+b" if answer.start else "wb") as file:
            if answer.validator:
                validator_path.write_text(answer.validator)
            file.seek(answer.start)
            file.truncate()
            arrived = answer.start + _copy(answer, file, url.rpartition("/")[2])
    if answer.total is not None and arrived != answer.total:
        raise _Interrupted(f"the connection was cut after {arrived:,} of {answer.total:,} bytes")


@contextmanager
def _opened(url: str, start: int, validator: str | None) -> Iterator[_Answer]:
    headers = {"User-Agent": "domainvec", "Accept-Encoding": "identity"}
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            yield _understood(url, response, start)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                raise _Outdated("the server has another file now") from None
            if error.code in _PASSING_STATUSES:
                raise _Interrupted(f"the server answers {error.code} {error.reason}") from None
            raise DownloadError(
                f"{url} cannot be fetched: the server answers {error.code} {error.reason}"
            ) from None
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        ssl.SSLError,
        TimeoutError,
        ConnectionError,
    ) as error:
        reason = getattr(error, "reason", error)
        raise _Interrupted(str(reason) or type(error).__name__) from None


def _understood(url: str, response: http.client.HTTPResponse, start: int) -> _Answer:
    if response.headers.get_content_type() == "text/html":
        raise DownloadError(f"{url} is a web page, not a file; is there a sign-in page on this network?")
    etag = response.headers.get("ETag")
    weak = etag is None or etag.startswith("W/")
    validator = response.headers.get("Last-Modified") if weak else etag
    if validator is not None and not (validator.isascii() and validator.isprintable()):
        validator = None  # it could not be sent back
    if response.status == 206:
        part = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if part is None or int(part[1]) != start:
            raise DownloadError(f"{url} cannot be fetched: the server sends another part than was asked for")
        return _Answer(response, start, int(part[2]), validator)
    length = response.headers.get("Content-Length", "")
    return _Answer(response, 0, int(length) if length.isdecimal() else None, validator)


def _copy(answer: _Answer, file: BinaryIO, description: str) -> int:
    """Write what is received, with a progress bar. Returns the number of bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    arrived = 0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=answer.total, completed=answer.start)
        while chunk := answer.body.read(_CHUNK_BYTES):
            file.write(chunk)
            arrived += len(chunk)
            progress.advance(task, len(chunk))
    return arrived


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time download a file. Windows has no such lock; there, do not start two."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that downloads {path.stem}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _validator_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.tag")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
