"""Write `command-line.md`, all commands and their options, from the help texts.

python docs/reference/command_line.py
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from enum import EnumMeta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer.main

from domainvec.cli.app import app
from domainvec.files import atomic_path

PAGE = Path(__file__).with_name("command-line.md")
HEAD = """# Command line

Written from the help texts by `python docs/reference/command_line.py`; `domainvec COMMAND --help` shows them.

All commands exit with 0; with 1 and one line `error: ...` on standard error; or with 2 if the command itself
is not understood.
"""


def page() -> str:
    """Return the whole page."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([HEAD, *(_section(name, command) for name, command in commands.items())])


def _section(name: str, command: Any) -> str:  # noqa: ANN401 -- typer's own click types
    types = get_type_hints(inspect.unwrap(command.callback))
    tables: defaultdict[str, list[str]] = defaultdict(list)
    for parameter in command.params:
        title = parameter.rich_help_panel or f"{parameter.param_type_name}s".capitalize()
        tables[title].append(_row(parameter, types[parameter.name]))
    lines = [f"## {name}", "", inspect.cleandoc(command.help), ""]
    for title in sorted(tables, key=["Arguments", "Options", "Advanced options"].index):
        lines += [f"| {title} | |", "| --- | --- |", *tables[title], ""]
    return "\n".join(lines)


def _row(parameter: Any, kind: Any) -> str:  # noqa: ANN401
    choices = [
        str(each.value) for enum in (kind, *get_args(kind)) if isinstance(enum, EnumMeta) for each in enum
    ]
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
    else:
        flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
        name = f"{flags} {parameter.metavar or '|'.join(choices)}"
    default = getattr(parameter.default, "value", parameter.default)
    told = (
        "" if default is None or isinstance(default, bool) or callable(default) else f"  [default: {default}]"
    )
    meaning = f"{parameter.help}{'  [required]' if parameter.required else told}"
    option, text = (" ".join(cell.split()).replace("|", r"\|") for cell in (name, meaning))
    return f"| `{option}` | {text} |"


if __name__ == "__main__":
    with atomic_path(PAGE) as path:
        path.write_text(page(), encoding="utf-8")
