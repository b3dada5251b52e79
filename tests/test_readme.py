"""The README's two commands are what others rely on, and its table of folders is complete."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


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
