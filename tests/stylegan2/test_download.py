"""Downloads, against a local server that can misbehave."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from foreign_forms import make_networks, nvidia_modules, nvidia_pickle, tensors_of

from domainvec.errors import CheckpointError, DownloadError
from domainvec.stylegan2 import download as downloads
from domainvec.stylegan2.download import PUBLISHED, cache_folder, download, published_file
from domainvec.stylegan2.pretrained import load_discriminator, load_generator

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Usage:
    free: int


@dataclass
class Site:
    """What the server does, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    validators: bool = True
    cuts: list[int] = field(default_factory=list)  # after how many bytes the next answers are cut off
    statuses: list[int] = field(default_factory=list)  # what the next answers are, instead of the file
    content_type: str = "application/octet-stream"
    announce: int | None = None  # a wrong length to announce
    shift: int = 0  # how far off the parts are that it sends
    asked: list[str | None] = field(default_factory=list)  # the Range of each request

    def tag(self, content: bytes) -> str:
        return f'"{hashlib.sha256(content).hexdigest()[:8]}"'


class Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range")
        site.asked.append(wanted)
        if site.statuses:
            self.send_error(site.statuses.pop(0))
            return
        content = site.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        start = 0
        if site.ranges and wanted and self.headers.get("If-Range") == site.tag(content):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            begin = start + site.shift
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        length = len(content) - start if site.announce is None else site.announce
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", site.content_type)
        if site.validators:
            self.send_header("ETag", site.tag(content))
        self.end_headers()
        cut = site.cuts.pop(0) if site.cuts else len(content)
        try:
            self.wfile.write(content[start : start + cut])
        except ConnectionError:  # the client has heard enough
            pass

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def site(monkeypatch):
    """A server of our own; no proxy in between, and a cache folder of its own for each test."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    site = Site(files={"file.pkl": CONTENT})
    handler = type("OneSiteHandler", (Handler,), {"site": site})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}/"
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "cache" / "file.pkl"


def fetch(site: Site, path: Path, attempts: int = 4) -> None:
    download(f"{site.url}file.pkl", path, attempts=attempts, pause_seconds=0)


def left(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir() if not p.name.endswith(".lock"))


def test_a_file_is_fetched_whole(site, path, capsys) -> None:
    fetch(site, path)
    assert path.read_bytes() == CONTENT
    assert left(path) == ["file.pkl"]
    assert site.asked == [None]
    assert "file.pkl" in capsys.readouterr().err  # the progress


def test_a_cut_connection_goes_on_where_it_stopped(site, path) -> None:
    site.cuts = [300_000, 200_000]
    fetch(site, path)
    assert path.read_bytes() == CONTENT
    assert site.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_run_goes_on_where_the_last_one_stopped(site, path) -> None:
    site.cuts = [300_000]
    with pytest.raises(
        DownloadError, match=r"cut after 300,000 of 1,048,576 bytes.*300,000 bytes have arrived"
    ):
        fetch(site, path, attempts=1)
    assert left(path) == ["file.pkl.part", "file.pkl.part.tag"]
    fetch(site, path)
    assert site.asked == [None, "bytes=300000-"]
    assert path.read_bytes() == CONTENT and left(path) == ["file.pkl"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(site, path) -> None:
    site.cuts = [300_000]
    with pytest.raises(DownloadError):
        fetch(site, path, attempts=1)
    site.files["file.pkl"] = CONTENT[::-1]
    fetch(site, path)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_file_that_shrank_meanwhile_is_fetched_anew(site, path) -> None:
    path.parent.mkdir()
    (path.parent / "file.pkl.part").write_bytes(CONTENT + b"more")
    (path.parent / "file.pkl.part.tag").write_text(site.tag(CONTENT))
    fetch(site, path)
    assert path.read_bytes() == CONTENT
    assert site.asked == ["bytes=1048580-", None]


@pytest.mark.parametrize("lacking", ["ranges", "validators"])
def test_a_server_that_cannot_go_on_starts_again(site, path, lacking) -> None:
    setattr(site, lacking, False)
    site.cuts = [300_000, 900_000]
    fetch(site, path)
    assert path.read_bytes() == CONTENT


def test_part_of_an_unknown_origin_is_not_trusted(site, path) -> None:
    path.parent.mkdir()
    (path.parent / "file.pkl.part").write_bytes(b"x" * 1000)
    fetch(site, path)
    assert path.read_bytes() == CONTENT and site.asked == [None]


def test_another_part_than_asked_for_is_refused(site, path) -> None:
    site.cuts, site.shift = [300_000], 10
    with pytest.raises(DownloadError, match="sends another part than was asked for"):
        fetch(site, path)


def test_a_wrong_length_is_noticed(site, path) -> None:
    site.announce = len(CONTENT) + 1000
    site.validators = False
    with pytest.raises(DownloadError, match=r"cut after 1,048,576 of 1,049,576 bytes"):
        fetch(site, path, attempts=2)
    assert not path.exists()


def test_passing_troubles_are_tried_again(site, path) -> None:
    site.statuses = [503, 429]
    fetch(site, path)
    assert path.read_bytes() == CONTENT and len(site.asked) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_lasting_troubles_are_not(site, path, status) -> None:
    site.statuses = [status]
    with pytest.raises(DownloadError, match=f"file.pkl cannot be fetched: the server answers {status} "):
        fetch(site, path)
    assert len(site.asked) == 1 and left(path) == []


def test_a_web_page_in_place_of_the_file(site, path) -> None:
    site.content_type = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="is a web page, not a file; is there a sign-in page"):
        fetch(site, path)
    assert left(path) == []


def test_no_server_at_all(site, path) -> None:
    with pytest.raises(DownloadError, match=r"cannot be fetched .*refused.*Is this machine online\?"):
        download("http://127.0.0.1:9/file.pkl", path, attempts=2, pause_seconds=0)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/file.pkl", "/etc/passwd"])
def test_only_web_addresses_are_opened(path, url) -> None:
    with pytest.raises(DownloadError, match="is not an http or https address"):
        download(url, path)


def test_too_little_room(site, path, monkeypatch) -> None:
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: Usage(free=1000))
    with pytest.raises(DownloadError, match=r"needs 1,048,576 bytes; .* has 1,000 free"):
        fetch(site, path)


def test_a_folder_that_cannot_be_written(site, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(DownloadError, match="cannot write"):
        fetch(site, tmp_path / "cache" / "file.pkl")


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
def test_two_at_once_fetch_once(site, path, capsys) -> None:
    site.cuts = [1000] * 5
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: download(f"{site.url}file.pkl", path, pause_seconds=0.05), range(2)))
    assert path.read_bytes() == CONTENT
    assert site.asked.count(None) == 1  # the second never began
    assert "waiting for another process that downloads file.pkl" in capsys.readouterr().err


# Published checkpoints, by name.


@pytest.fixture(scope="module")
def networks():
    return make_networks(clamp=256.0)


@pytest.fixture
def published(site, networks, tmp_path, monkeypatch):
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "cache"))
    site.files[PUBLISHED["afhqcat"]] = nvidia_pickle(nvidia_modules(*networks))
    return tmp_path / "cache" / "afhqcat.pkl"


def test_a_published_network_is_fetched_once_and_checked(site, published, networks, capsys) -> None:
    generator = load_generator("afhqcat", base_url=site.url)
    for name, tensor in tensors_of(networks[0]).items():
        assert (generator.state_dict()[name] == tensor).all()
    assert generator.config.conv_clamp == 256
    shown = capsys.readouterr().err
    assert "NVIDIA Source Code License" in shown and "nvlabs.github.io/stylegan2-ada-pytorch/license" in shown
    expected = hashlib.sha256(published.read_bytes()).hexdigest()
    assert (published.parent / "afhqcat.pkl.sha256").read_text() == f"{expected}  afhqcat.pkl\n"

    load_discriminator("afhqcat", base_url=site.url)
    load_generator("afhqcat", base_url="http://127.0.0.1:9/")
    assert site.asked == [None]
    assert capsys.readouterr().err == ""  # the licence is shown once


def test_a_file_that_changed_in_the_cache_is_refused(site, published) -> None:
    load_generator("afhqcat", base_url=site.url)
    data = bytearray(published.read_bytes())
    data[-1000] ^= 1
    published.write_bytes(data)
    with pytest.raises(DownloadError, match=r"SHA-256 differs from that in afhqcat.pkl.sha256.*Delete both"):
        load_generator("afhqcat", base_url=site.url)
    published.unlink()  # without the file, the old record does not count
    load_generator("afhqcat", base_url=site.url)


def test_a_file_that_cannot_be_read_is_not_kept(site, published) -> None:
    good = site.files[PUBLISHED["afhqcat"]]
    site.files[PUBLISHED["afhqcat"]] = good[:1000]
    with pytest.raises(CheckpointError, match="cut off"):
        load_generator("afhqcat", base_url=site.url)
    assert left(published) == []
    site.files[PUBLISHED["afhqcat"]] = good
    load_generator("afhqcat", base_url=site.url)


def test_a_file_put_into_the_cache_by_hand_is_taken(site, published, networks) -> None:
    published.parent.mkdir()
    published.write_bytes(site.files[PUBLISHED["afhqcat"]])
    load_generator("afhqcat", base_url="http://127.0.0.1:9/")
    assert left(published) == ["afhqcat.pkl", "afhqcat.pkl.sha256"]
    assert site.asked == []


def test_another_folder_can_be_named(site, published, tmp_path) -> None:
    with published_file("afhqcat", folder=tmp_path / "else", base_url=site.url) as path:
        assert path == tmp_path / "else" / "afhqcat.pkl" and path.exists()


def test_the_usual_cache_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("DOMAINVEC_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "domainvec"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "domainvec"
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("DOMAINVEC_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("DOMAINVEC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/xdg")
    assert cache_folder() == tmp_path / "xdg" / "domainvec"


@pytest.mark.skipif(sys.platform == "win32", reason="other ways to a home folder")
def test_a_user_without_a_home_folder_has_no_cache(monkeypatch, tmp_path, site) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "DOMAINVEC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    folder = cache_folder()
    assert not folder.exists()
    with pytest.raises(OSError, match="no home folder"):
        (folder / "sources").mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"no home folder.*set DOMAINVEC_CACHE.*give the path"):
        load_generator("afhqcat", base_url=site.url)
    assert not any(tmp_path.glob("~*")) and not any(tmp_path.glob("*domainvec*"))
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_published_names_are_the_known_files() -> None:
    assert {name: url.rpartition("/")[2] for name, url in PUBLISHED.items()} == {
        "ffhq": "ffhq.pkl",
        "metfaces": "metfaces.pkl",
        "afhqcat": "afhqcat.pkl",
        "afhqdog": "afhqdog.pkl",
        "afhqwild": "afhqwild.pkl",
        "ffhq-256": "ffhq-res256-mirror-paper256-noaug.pkl",
        "ffhq-512": "ffhq-res512-mirror-stylegan2-noaug.pkl",
        "ffhq-config-f": "stylegan2-ffhq-config-f.pkl",
        "car": "stylegan2-car-config-f.pkl",
        "church": "stylegan2-church-config-f.pkl",
        "horse": "stylegan2-horse-config-f.pkl",
        "cat": "stylegan2-cat-config-f.pkl",
    }
    assert len({url.rpartition("/")[2] for url in PUBLISHED.values()}) == len(PUBLISHED)
