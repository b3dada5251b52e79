"""An evaluation as a single web page, with embedded images and without scripts."""

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
from domainvec.evaluation.formatting import format_bytes, format_number, sanitize
from domainvec.evaluation.metrics import RENDERING_METRICS, DomainMetrics, Evaluation, Metric

_COLUMNS = 8
_MAX_IMAGE_BYTES = 500_000  # of all images, in base64; keeps the page below 1 MB
_SIDES = (160, 128, 96, 64, 48)  # of an image in pixels; the largest that fits is used
_MAX_METADATA = 20_000  # characters of a domain's metadata
_MAX_METADATA_BYTES = 240_000  # of all metadata, escaped
_MAX_METADATA_DOMAINS = 12
_MAX_TITLE_NAMES = 4
_BETTER = {"higher": "↑ higher is better", "lower": "↓ lower is better", "near": "near the reference value"}

_STYLE = """
:root{--ink:#1c1e21;--soft:#6b7076;--line:#e2e4e8;--card:#fff;--back:#f6f7f9;--accent:#2f6f5e}
@media(prefers-color-scheme:dark){:root{--ink:#e9eaec;--soft:#9aa0a7;--line:#33373d;--card:#1e2125;
--back:#15171a;--accent:#7cc4ae}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:2.5rem 1.25rem 4rem}h1{font-size:1.7rem;margin:0 0 .25rem}
h2{font-size:1.1rem;margin:2.25rem 0 .75rem}h1,.note{overflow-wrap:anywhere}
.lead,.soft,small{color:var(--soft)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem;overflow-x:auto}
table,tbody{display:block;font-variant-numeric:tabular-nums}
tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.75rem 1rem}
tr+tr{border-top:1px solid var(--line);margin-top:1.25rem;padding-top:1.25rem}
td{min-width:0;overflow-wrap:anywhere}td:first-child{grid-column:1/-1}
td:not(:first-child)::before{content:attr(data-title);font-weight:600;font-size:.86rem;color:var(--soft)}
td b,td small{display:block}td b{font-size:1.05rem}
.strip{margin:0 0 .75rem}.strip img{display:block;width:100%;border-radius:6px}
.strip figcaption{font-size:.86rem;color:var(--soft);margin-bottom:.2rem}
.note{border-left:4px solid var(--accent);padding:.4rem .9rem;margin:.5rem 0;background:var(--card)}
dl{display:grid;grid-template-columns:14rem 1fr;gap:.45rem 1.25rem;margin:0}dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}pre{overflow-x:auto;font-size:.8rem;white-space:pre-wrap;
overflow-wrap:anywhere}summary{cursor:pointer}footer{margin-top:3rem;color:var(--soft);font-size:.86rem}
@media(max-width:640px){dl{grid-template-columns:1fr}main{padding:1.5rem .75rem 3rem}}
"""


def render_page(evaluation: Evaluation, *, title: str | None = None) -> str:
    """Render an evaluation as a self-contained HTML page.

    The page has no scripts, and its content security policy forbids them. Everything from domain files is
    untrusted, and escaped.

    Args:
        evaluation: the evaluation.
        title: of the page; by default the names of the domains.

    Returns:
        HTML, smaller than 1 MB.
    """
    heading = title or _join_names([_readable(each.name) for each in evaluation.domains])
    reported = [each for each in evaluation.domains if each.report]
    sections = {
        "Before and after": _card(*_strips(evaluation)),
        "Metrics": _metrics_table(evaluation)
        + "".join(f'<p class="note">{_text(note)}</p>' for note in _notes(evaluation)),
        "Comparison with renderings": _renderings_table(reported) if reported else "",
        "What the metrics mean": _card(_explanations(evaluation, bool(reported))),
        "Settings": _card(_settings(evaluation)),
        "Metadata of the domain files": "".join(_metadata(evaluation.domains[:_MAX_METADATA_DOMAINS])),
    }
    body = "\n".join(f"<h2>{name}</h2>\n{content}" for name, content in sections.items() if content)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(heading)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{_text(heading)}</h1>\n<p class="lead">{_lead(evaluation)}</p>\n{body}\n'
        f"<footer>domainvec {_text(evaluation.settings.get('version', ''))}</footer>\n"
        "</main>\n</body>\n</html>\n"
    )


def _text(text: object, max_length: int = 400) -> str:
    return escape(sanitize(text, max_length))


def _card(*content: str) -> str:
    return f'<div class="card">{"".join(content)}</div>'


def _readable(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _join_names(names: Sequence[str]) -> str:
    """Join a few names, and count the others."""
    few = names if len(names) <= _MAX_TITLE_NAMES else names[: _MAX_TITLE_NAMES - 1]
    rest = len(names) - len(few)
    return ", ".join(few) + (f" and {rest} more" if rest else "")


def _lead(evaluation: Evaluation) -> str:
    settings = evaluation.settings
    name = settings.get("generator") or settings["generator_fingerprint"]
    first = evaluation.domains[0]
    lead = f"{settings['samples']} images per domain, generator {name}, {settings['resolution']} px"
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


def _strips(evaluation: Evaluation) -> Iterator[str]:
    """Render rows of images, as large as the size limit of the page allows."""
    rows = []
    for block in range(2 if len(evaluation.domains) == 1 else 1):
        faces = slice(block * _COLUMNS, (block + 1) * _COLUMNS)
        if len(evaluation.before[faces]):
            rows.append(("before", evaluation.before[faces]))
            for each in evaluation.domains:
                rows.append((each.name, each.images[faces]))
                if each.renderings is not None:
                    rows.append((f"renderings for {each.name}", each.renderings[faces]))
    if evaluation.reference is not None:
        name = evaluation.settings.get("reference")
        rows.append((f"from the reference folder {name}", evaluation.reference[:_COLUMNS]))
    encoded: list[str] = []
    for side in _SIDES:
        encoded = [_encode_strip(images, side) for _, images in rows]
        if sum(map(len, encoded)) <= _MAX_IMAGE_BYTES:
            break
    size = 0
    for index, ((label, _), data) in enumerate(zip(rows, encoded, strict=True)):
        size += len(data)
        if size > _MAX_IMAGE_BYTES:
            yield f"<p>The page is full: {len(rows) - index} more rows are not shown.</p>"
            return
        yield (
            f'<figure class="strip"><figcaption>{_text(label, 80)}</figcaption>'
            f'<img alt="{_text(label, 80)}" src="data:image/jpeg;base64,{data}"></figure>'
        )


def _encode_strip(images: Tensor, side: int) -> str:
    """Encode images (N, 3, H, W) uint8 as a base64 JPEG, eight columns wide so that all rows align."""
    gap = 4
    sheet = Image.new("RGB", (_COLUMNS * (side + gap) - gap, side), "white")
    for column, pixels in enumerate(images.permute(0, 2, 3, 1).numpy()):
        tile = Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(tile, (column * (side + gap), 0))
    buffer = BytesIO()
    sheet.save(buffer, format="JPEG", quality=82, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _metrics_table(evaluation: Evaluation) -> str:
    rows = []
    for each in evaluation.domains:
        row = {
            "Domain": _name(each),
            "Parameters": _stack(f"{each.parameters:,}", _nonzero(each)),
            "File": _stack(format_bytes(each.bytes)),
            "Per image": _stack(f"{1000 * each.seconds:,.0f} ms"),
            **_cells(evaluation.measured, each.values, each.before, "before"),
        }
        if any(other.seen_as for other in evaluation.domains):
            predicted = [f"{_text(name, 60)} {share:.0%}" for name, share in each.seen_as.items()]
            row["Classified as"] = "".join(f"<small>{line}</small>" for line in predicted)
        rows.append(row)
    return _table(rows)


def _renderings_table(domains: Sequence[DomainMetrics]) -> str:
    return _table(
        [
            {
                "Domain": _name(each),
                **_cells(RENDERING_METRICS, each.rendering_values, each.rendering_bounds, "renderings"),
            }
            for each in domains
        ]
    )


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    """Render rows of cells by title. Each row is a grid that wraps, so that it fits any screen."""
    body = ""
    for row in rows:
        cells = (f'<td data-title="{_text(title)}">{cell}</td>' for title, cell in row.items())
        body += f"<tr>{''.join(cells)}</tr>"
    return _card(f"<table><tbody>{body}</tbody></table>")


def _name(domain: DomainMetrics) -> str:
    return _stack(_text(domain.name, 80), _text(" / ".join(domain.target), 80))


def _nonzero(domain: DomainMetrics) -> str:
    return f"{domain.nonzero:,} not zero" if domain.nonzero < domain.parameters else ""


def _cells(
    metrics: Sequence[Metric],
    values: Mapping[str, Estimate],
    references: Mapping[str, float],
    reference_name: str,
) -> dict[str, str]:
    cells = {}
    for metric in metrics:
        value, reference = values.get(metric.key), references.get(metric.key)
        if value is None:
            cells[metric.title] = "<b>–</b>"
            continue
        interval = f"{format_number(value.low)} to {format_number(value.high)}"
        cells[metric.title] = _stack(
            format_number(value.value),
            interval if value.low < value.high else "",
            "" if reference is None else f"{reference_name} {format_number(reference)}",
        )
    return cells


def _stack(first: str, *others: str) -> str:
    """Render a cell: its value, and smaller lines below it."""
    return f"<b>{first}</b>" + "".join(f"<small>{other}</small>" for other in others if other)


def _explanations(evaluation: Evaluation, with_renderings: bool) -> str:
    shown = [(metric, metric.title) for metric in evaluation.measured]
    if with_renderings:
        shown += [(metric, f"{metric.title} (renderings)") for metric in RENDERING_METRICS]
    lines = [
        f"<dt>{_text(title)}</dt><dd>{_text(metric.explanation)} <small>{_BETTER[metric.better]}</small></dd>"
        for metric, title in shown
    ]
    return f"<dl>{''.join(lines)}</dl><p><small>Ranges are 95 % intervals of sampling noise.</small></p>"


def _settings(evaluation: Evaluation) -> str:
    settings = {**evaluation.settings, "encoder": evaluation.encoder or None}
    lines = [
        f"<dt>{_text(key.replace('_', ' ').capitalize())}</dt><dd>{_text(_format_setting(value))}</dd>"
        for key, value in settings.items()
    ]
    return f"<dl>{''.join(lines)}</dl>"


def _format_setting(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value[:6])) + (f", … ({len(value)})" if len(value) > 6 else "")
    return str(value)


def _metadata(domains: Sequence[DomainMetrics]) -> Iterator[str]:
    for each in domains:
        try:
            plain = json.dumps(each.metadata, indent=1, ensure_ascii=False)
        except RecursionError:
            plain = "too deeply nested to be shown"
        max_length = _MAX_METADATA
        while len((shown := _text(plain, max_length)).encode()) > _MAX_METADATA_BYTES // len(domains):
            max_length //= 2
        yield f'<details class="card"><summary>{_text(each.name, 80)}</summary><pre>{shown}</pre></details>'
