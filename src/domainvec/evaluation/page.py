"""An evaluation as one web page: pictures inside, no script, nothing loaded, all text of files escaped."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from domainvec.evaluation.estimate import Estimate
from domainvec.evaluation.figures import TRUTH_FIGURES, DomainFigures, Evaluation, Figure

_COLUMNS = 8
_MAX_PICTURE_BYTES = 500_000  # in base64; the page stays below 1 MB with it
_SIDES = (160, 128, 96, 64, 48)  # pixels of a picture, the largest that fits is taken
_MAX_DETAILS = 20_000  # characters of a domain's metadata
_MAX_DETAILS_BYTES = 240_000  # of all metadata, escaped
_MAX_DOMAINS_DETAILED = 12
_NAMED = 4  # domains in the title, at most
_ARROWS = {"higher": "↑ higher is better", "lower": "↓ lower is better", "near": "near the reference value"}

_STYLE = """
:root{--ink:#1c1e21;--soft:#6b7076;--line:#e2e4e8;--card:#fff;--back:#f6f7f9;--accent:#2f6f5e}
@media(prefers-color-scheme:dark){:root{--ink:#e9eaec;--soft:#9aa0a7;--line:#33373d;--card:#1e2125;
--back:#15171a;--accent:#7cc4ae}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:2.5rem 1.25rem 4rem}h1{font-size:1.7rem;margin:0 0 .25rem}
h2{font-size:1.1rem;margin:2.25rem 0 .75rem}.lead,.soft,small{color:var(--soft)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.5rem .75rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;font-size:.86rem;color:var(--soft)}tr:last-child td{border-bottom:0}
td b{font-size:1.05rem}td small{display:block;white-space:nowrap}
.strip{margin:0 0 .75rem}.strip img{display:block;width:100%;border-radius:6px}
.strip figcaption{font-size:.86rem;color:var(--soft);margin-bottom:.2rem}
.note{border-left:4px solid var(--accent);padding:.4rem .9rem;margin:.5rem 0;background:var(--card)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.45rem 1.25rem;margin:0}dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}pre{overflow-x:auto;font-size:.8rem;white-space:pre-wrap;
overflow-wrap:anywhere}summary{cursor:pointer}footer{margin-top:3rem;color:var(--soft);font-size:.86rem}
@media(max-width:640px){dl{grid-template-columns:1fr}}
"""


def render_page(evaluation: Evaluation, *, title: str | None = None) -> str:
    """Write an evaluation as one HTML page that shows what it says without any other file.

    It has no script, and forbids any by its content policy. What a domain file says of itself is shown as
    text.

    Args:
        evaluation: what was measured.
        title: of the page; by default the domains' names.

    Returns:
        the page, below 1 MB.
    """
    shown = title or _enumerated([_named(each.name) for each in evaluation.domains])
    settings = evaluation.settings
    parts = [
        f"<h1>{_text(shown)}</h1>",
        f'<p class="lead">{_lead(evaluation)}</p>',
        "<h2>Before and after</h2>",
        '<div class="card">',
        *_strips(evaluation),
        "</div>",
        "<h2>The figures</h2>",
        _table(
            evaluation.domains,
            evaluation.measured(),
            {id(each): each.figures for each in evaluation.domains},
            {id(each): each.before for each in evaluation.domains},
            "before",
            sizes=True,
        ),
        *(f'<p class="note">{_text(note)}</p>' for note in _notes(evaluation)),
    ]
    judged = [each for each in evaluation.domains if each.report]
    if judged:
        parts += [
            "<h2>Against the true drawings</h2>",
            _table(
                judged,
                TRUTH_FIGURES,
                {id(each): each.truth_figures() for each in judged},
                {id(each): each.truth_reaches() for each in judged},
                "the truth",
            ),
        ]
    parts += ["<h2>What each figure means</h2>", '<div class="card"><dl>']
    parts += [_meaning(figure) for figure in evaluation.measured()]
    if judged:
        parts += [_meaning(figure, " (true drawings)") for figure in TRUTH_FIGURES]
    parts += [
        "</dl><p><small>A range is the 95 % interval of the sample's noise.</small></p></div>",
        "<h2>Settings</h2>",
        '<div class="card"><dl>',
        *(f"<dt>{_text(_words(key))}</dt><dd>{_text(_value(value))}</dd>" for key, value in settings.items()),
        "</dl></div>",
        "<h2>What the files say of themselves</h2>",
        *_details(evaluation.domains[:_MAX_DOMAINS_DETAILED]),
        f"<footer>domainvec {_text(settings.get('version', ''))}</footer>",
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(shown)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def printable(text: object, longest: int = 400) -> str:
    """Give text that a stranger may have written without control characters, cut to a length."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in str(text))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _text(text: object, longest: int = 400) -> str:
    return escape(printable(text, longest))


def _named(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _enumerated(names: Sequence[str]) -> str:
    """Name a few things, and count the others."""
    few = names if len(names) <= _NAMED else names[: _NAMED - 1]
    rest = len(names) - len(few)
    return ", ".join(few) + (f" and {rest} more" if rest else "")


def _lead(evaluation: Evaluation) -> str:
    settings = evaluation.settings
    name = settings.get("generator") or settings["generator_fingerprint"]
    first = evaluation.domains[0]
    lead = f"{settings['samples']} pictures each by the generator {name}, {settings['resolution']} px"
    if len(evaluation.domains) == 1 and first.target:
        lead = f"“{' / '.join(first.target)}”: {lead}"
    return _text(lead)


def _notes(evaluation: Evaluation) -> list[str]:
    several = len(evaluation.domains) > 1
    notes = [
        f"{each.name}: {note}" if several else note for each in evaluation.domains for note in each.notes
    ]
    skipped = [f"Skipped {name}: {reason}" for name, reason in list(evaluation.skipped.items())[:10]]
    if len(evaluation.skipped) > len(skipped):
        skipped.append(f"… and {len(evaluation.skipped) - len(skipped)} more files")
    return [*notes[:20], *evaluation.notes, *skipped]


def _strips(evaluation: Evaluation) -> list[str]:
    """Rows of pictures, as large as the page's size allows: before, each domain, and what it should be."""
    blocks = 2 if len(evaluation.domains) == 1 else 1
    rows = []
    for block in range(blocks):
        faces = slice(block * _COLUMNS, (block + 1) * _COLUMNS)
        if len(evaluation.before[faces]):
            rows.append(("before", evaluation.before[faces]))
            for each in evaluation.domains:
                rows.append((each.name, each.pictures[faces]))
                if each.truth is not None:
                    rows.append((f"the true drawings for {each.name}", each.truth[faces]))
    if evaluation.reference is not None:
        name = evaluation.settings.get("reference")
        rows.append((f"from the reference folder {name}", evaluation.reference[:_COLUMNS]))
    encoded: list[str] = []
    for side in _SIDES:
        encoded = [_encoded(pictures, side) for _, pictures in rows]
        if sum(map(len, encoded)) <= _MAX_PICTURE_BYTES:
            break
    strips: list[str] = []
    size = 0
    for (label, _), data in zip(rows, encoded, strict=True):
        size += len(data)
        if size > _MAX_PICTURE_BYTES:
            strips.append(f"<p>The page is full: {len(rows) - len(strips)} more rows are not shown.</p>")
            break
        strips.append(
            f'<figure class="strip"><figcaption>{_text(label, 80)}</figcaption>'
            f'<img alt="{_text(label, 80)}" src="data:image/jpeg;base64,{data}"></figure>'
        )
    return strips


def _encoded(pictures: Tensor, side: int) -> str:
    """A row of pictures (N, 3, H, W) uint8 as a JPEG in base64; eight places wide, so that rows align."""
    gap = 4
    sheet = Image.new("RGB", (_COLUMNS * (side + gap) - gap, side), "white")
    for column, pixels in enumerate(pictures.permute(0, 2, 3, 1).numpy()):
        tile = Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(tile, (column * (side + gap), 0))
    buffer = BytesIO()
    sheet.save(buffer, format="JPEG", quality=82, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _table(
    domains: Sequence[DomainFigures],
    figures: Sequence[Figure],
    values: Mapping[int, Mapping[str, Estimate]],
    beside: Mapping[int, Mapping[str, float]],
    beside_name: str,
    *,
    sizes: bool = False,
) -> str:
    size_titles = ("Numbers", "File", "A picture") if sizes else ()
    seen = sizes and any(each.seen_as for each in domains)
    titles = ["Domain", *size_titles, *(figure.title for figure in figures), *(["Seen as"] if seen else [])]
    rows = []
    for each in domains:
        cells = [f"<b>{_text(each.name, 80)}</b><small>{_text(' / '.join(each.target), 80)}</small>"]
        if sizes:
            cells += [
                f"{each.parameters:,}" + _small(f"{each.nonzero:,} not zero", each.nonzero < each.parameters),
                "–" if each.bytes is None else size_text(each.bytes),
                f"{1000 * each.seconds:,.0f} ms",
            ]
        for figure in figures:
            found, other = values[id(each)].get(figure.key), beside[id(each)].get(figure.key)
            cells.append("–" if found is None else _cell(found, other, beside_name))
        if seen:
            cells.append(
                "".join(f"<small>{_text(n, 60)} {share:.0%}</small>" for n, share in each.seen_as.items())
            )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{_text(title)}</th>" for title in titles)
    return (
        f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(found: Estimate, other: float | None, other_name: str) -> str:
    interval = _small(f"{number(found.low)} to {number(found.high)}", found.low < found.high)
    return f"<b>{number(found.value)}</b>{interval}" + _small(
        f"{other_name} {'' if other is None else number(other)}", other is not None
    )


def number(value: float) -> str:
    """Write a figure for a table: three decimals, fewer for large ones and more for tiny ones."""
    if 0 < abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def size_text(count: int) -> str:
    """A number of bytes for a table."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _small(text: str, wanted: bool) -> str:
    return f"<small>{_text(text)}</small>" if wanted else ""


def _meaning(figure: Figure, suffix: str = "") -> str:
    arrow = _ARROWS[figure.better]
    meaning = f"{_text(figure.meaning)} <small>{_text(arrow)}</small>"
    return f"<dt>{_text(figure.title + suffix)}</dt><dd>{meaning}</dd>"


def _words(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _value(value: Any) -> str:  # noqa: ANN401 -- what JSON can hold
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value[:6])) + (f", … ({len(value)})" if len(value) > 6 else "")
    return str(value)


def _details(domains: Sequence[DomainFigures]) -> Iterator[str]:
    for each in domains:
        try:
            plain = json.dumps(each.metadata, indent=1, ensure_ascii=False)
        except RecursionError:
            plain = "too deeply nested to be shown"
        longest = _MAX_DETAILS
        while len((shown := _text(plain, longest)).encode()) > _MAX_DETAILS_BYTES // len(domains):
            longest //= 2
        yield f'<details class="card"><summary>{_text(each.name, 80)}</summary><pre>{shown}</pre></details>'
