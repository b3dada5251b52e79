"""The documentation says what works: its examples run, its links lead somewhere, its lists are complete.

The examples of a page run in its order, as printed, in a folder that holds what a clone has. What would take
long is made short: trainings and inversions of one step, evaluations of a few images. Networks that would be
downloaded are replaced by small random ones.
"""

import functools
import importlib
import importlib.util
import re
import shlex
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from glob import glob
from pathlib import Path

import pytest

import domainvec as dv
import domainvec.evaluation
from domainvec.adaptation import picture, pictures, result, stopping
from domainvec.adaptation.inversion import Inverter
from domainvec.cli import generate
from domainvec.cli.app import main
from domainvec.stylegan2.download import PUBLISHED

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    ROOT / "recipes" / "README.md",
]
BUNDLED = ("faces", "faces-clip", "faces-clip-robust")
SETUP = ("python3 -m venv", ". ", "pip install", "pre-commit install", "ruff", "mypy", "pytest")
IGNORED = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line]


def name(path):
    return path.relative_to(ROOT).as_posix()


def blocks(page):
    """The examples of a page: (language, code, line)."""
    text = page.read_text(encoding="utf-8")
    found = list(re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert text.count("```") == 2 * len(found), f"{name(page)}: examples begin at the start of a line"
    for block in found:
        yield block[1], block[2], text[: block.start()].count("\n") + 2


WITH_EXAMPLES = [page for page in PAGES if any(blocks(page))]


@functools.cache
def bundled(kind, name):
    return kind(name)


@pytest.fixture
def at_toy_size(monkeypatch, make_generator, tiny_encoder_folder):
    load_generator, load_encoder = dv.Generator.from_pretrained, dv.Encoder.from_pretrained

    def generator_from(name, device=None):
        if name in PUBLISHED:
            return make_generator()
        return bundled(load_generator, name) if name in BUNDLED else load_generator(name)

    def encoder_from(name, device=None):
        if name in BUNDLED:
            return bundled(load_encoder, name)
        encoder = load_encoder(tiny_encoder_folder if name.startswith("openai/") else name)
        encoder._unknown_words = lambda text, encoding: []  # CLIP knows all words.
        return encoder

    resolve, inverter, few = (
        dv.Training.resolve,
        Inverter.__init__,
        functools.partial(dv.before_after, seeds=(0,)),
    )
    monkeypatch.setattr(dv.Generator, "from_pretrained", generator_from)
    monkeypatch.setattr(dv.Encoder, "from_pretrained", encoder_from)
    monkeypatch.setattr(
        dv.Training, "resolve", lambda self, *to: replace(resolve(self, *to), steps=1, batch_size=2)
    )
    monkeypatch.setattr(
        Inverter,
        "__init__",
        lambda self, generator, encoders, images, settings, **options: inverter(
            self, generator, encoders, images, replace(settings, steps=1), **options
        ),
    )
    monkeypatch.setattr(dv, "before_after", lambda generator, domain, *_: few(generator, domain))
    monkeypatch.setattr(result, "before_after", few)
    monkeypatch.setattr(picture, "_LOOKS", 1)
    monkeypatch.setattr(pictures, "_SOURCE_SAMPLES", 4)
    monkeypatch.setattr(stopping, "_COPY_SAMPLES", 4)
    monkeypatch.setattr(generate, "parse_seeds", lambda text: [0, 1])
    evaluation = domainvec.evaluation
    monkeypatch.setattr(evaluation.renderings, "_NUM_TESTED", 4)
    monkeypatch.setattr(
        evaluation,
        "measure_domains",
        functools.partial(evaluation.measure_domains, sampling=evaluation.Sampling(samples=8)),
    )
    monkeypatch.setattr(evaluation, "evaluate_domain", functools.partial(evaluation.evaluate_domain, count=8))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder that holds what examples read."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    spec = importlib.util.spec_from_file_location(
        "foreign_forms", ROOT / "tests" / "stylegan2" / "foreign_forms.py"
    )
    foreign = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(importlib.sys.modules, "foreign_forms", foreign)
    spec.loader.exec_module(foreign)
    networks = foreign.make_networks(clamp=256.0)
    (tmp_path / "network.pkl").write_bytes(foreign.nvidia_pickle(foreign.nvidia_modules(*networks)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_commands(code):
    """Run lines of shell: our commands in this process; of scripts, only check their options."""
    for line in code.replace("\\\n", " ").splitlines():
        for command in line.split(" && "):
            words = shlex.split(command, comments=True)
            words = [path for word in words for path in (sorted(glob(word)) if "*" in word else [word])]
            if not words or command.startswith(SETUP):
                continue
            if words[0] == "domainvec":
                few = ["--samples", "8"] if words[1] == "evaluate" else []
                with pytest.raises(SystemExit) as stop:
                    main([*words[1:], *few])
                assert stop.value.code == 0, command
            else:
                assert words[0] == "python", f"{command}: nothing here knows how to check this"
                script = (ROOT / words[1]).read_text(encoding="utf-8")
                unknown = {word for word in words[2:] if word.startswith("--") and f'"{word}"' not in script}
                assert not unknown, command


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name)
def test_the_examples_run(page, at_toy_size, clone):
    before = {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()}
    names = {}
    for language, code, line in blocks(page):
        if language == "sh":
            run_commands(code)
        else:
            assert language == "python", f"{name(page)}:{line}: an example in {language or 'no language'}"
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    assert {path: path.read_bytes() for path in before} == before
    new = {path.name for path in clone.iterdir()} - {"docs", "network.pkl"}
    assert [file for file in new if not any(fnmatch(file, pattern) for pattern in IGNORED)] == []
    assert {path for path in (clone / "docs").rglob("*") if path.is_file()} <= before.keys()


def anchors(page):
    """What links may point at: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_has_every_page():
    folder = ROOT / "docs"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")} - {"README.md"}
    assert [page for page in pages if f"({page}" not in index] == []


def test_the_reference_has_every_public_name():
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    listed = {}
    for module, table in re.findall(r"^## `([\w.]+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        rows = re.findall(r"^\| (`.+?`) \| .+ \|$", table, re.MULTILINE)
        listed[module] = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed["domainvec"]) == sorted(dv.__all__)
    for module, names in listed.items():
        assert [name for name in names if not hasattr(importlib.import_module(module), name)] == []


def test_the_reference_of_commands_is_up_to_date():
    folder = ROOT / "docs" / "reference"
    spec = importlib.util.spec_from_file_location("command_line_page", folder / "command_line.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    committed = (folder / "command-line.md").read_text(encoding="utf-8")
    assert committed == script.page(), "run: python docs/reference/command_line.py"
