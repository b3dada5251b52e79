"""Formatting of evaluations for people, in terminals and on pages."""

from __future__ import annotations


def sanitize(text: object, max_length: int = 400) -> str:
    """Replace the control characters of untrusted text, and truncate it."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in str(text))
    return shown if len(shown) <= max_length else shown[: max_length - 1] + "…"


def format_number(value: float) -> str:
    """Format a value with three decimals, or fewer if it is large, or in scientific notation if tiny."""
    if 0 < abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def format_bytes(count: int | None) -> str:
    """Format a file size; a dash for None."""
    if count is None:
        return "–"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
