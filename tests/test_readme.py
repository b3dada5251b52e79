"""What the README says is what works: its commands parse, its Python runs, its files exist."""

import functools
import re
import shlex
from pathlib import Path

import pytest
import typer.main

import domainvec as dv
from domainvec.cli.app import app

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SHELL_LINES = [
    line for block in re.findall(r"```sh\n(.+?)```", README, re.DOTALL) for line in block.splitlines()
]
COMMANDS = [part for line in SHELL_LINES for part in line.split(" && ") if part.startswith("domainvec ")]


def marked_command(marker):
    match = re.search(rf"^<!-- {marker} -->\n```sh\n(.+)\n```$", README, re.MULTILINE)
    assert match, f"one line of shell after <!-- {marker} -->"
    return match[1]


def test_the_first_command_ends_with_the_picture():
    assert marked_command("first-command").endswith(
        ' && domainvec adapt --to "a pencil sketch" -o sketch.safetensors'
    )


def test_the_second_command_ends_with_the_tests():
    assert marked_command("test-command").endswith(" && pytest")


@pytest.mark.parametrize("marker", ["first-command", "test-command"])
def test_both_commands_install_the_tested_versions(marker):
    assert "pip install -c constraints.txt " in marked_command(marker)


def test_ci_runs_the_second_command():
    assert "<!-- test-command -->" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line):
    _, name, *arguments = shlex.split(line, comments=True)
    command = typer.main.get_command(app).commands[name]
    assert command.make_context(name, arguments).params


def test_the_python_runs(tiny_generator, tiny_encoder_folder, tmp_path, monkeypatch):
    tiny_encoder = dv.Encoder.from_pretrained(tiny_encoder_folder)
    monkeypatch.setattr(dv.Generator, "from_pretrained", lambda name: tiny_generator)
    monkeypatch.setattr(dv.Encoder, "from_pretrained", lambda name: tiny_encoder)
    monkeypatch.setattr(dv, "adapt", functools.partial(dv.adapt, steps=2))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        names = {}
        exec(compile(block, "README.md", "exec"), names)
        assert names["images"].shape == (4, 3, 16, 16)
        assert names["both"].shape == (2, 3, 16, 16)
    assert (tmp_path / "sketch.safetensors").is_file()


def test_every_folder_in_the_table_exists():
    folders = re.findall(r"^\| `([\w/]+/)` \|", README, re.MULTILINE)
    assert len(folders) > 10
    assert [folder for folder in folders if not (REPOSITORY / folder).is_dir()] == []


def test_every_part_of_the_package_is_in_the_table():
    package = REPOSITORY / "src" / "domainvec"
    parts = [path.name for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert [part for part in parts if f"`src/domainvec/{part}/`" not in README] == []


def test_contributing_is_short():
    assert len((REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 80
