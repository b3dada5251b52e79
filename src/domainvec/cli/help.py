"""Help texts in two sections: what everybody needs, and what experts need."""

from __future__ import annotations

from typing import Any

import typer.core

ADVANCED = "Advanced options"
"""Pass it as `rich_help_panel` of an option to list it below the others."""


class GroupedCommand(typer.core.TyperCommand):
    """A command whose help lists advanced options in a section of their own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- typer's own click types
        """Write the sections of the help text."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
                section = getattr(parameter, "rich_help_panel", None) or plain
                sections.setdefault(section, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)
