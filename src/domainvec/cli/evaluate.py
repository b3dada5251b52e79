"""`domainvec evaluate`: metrics of domains, as a table, as JSON and as a web page."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainvec.cli.arguments import AllowMismatch, Debug, Device, Threads

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from domainvec.cli.domains import NamedDomain
    from domainvec.encoders import Encoder
    from domainvec.evaluation.metrics import Evaluation

# The papers evaluate with CLIP ViT-L/14, which is not used for guidance.
_ENCODERS = {"faces": ("faces-clip", "faces-clip-robust")}
_CLIP = ("openai/clip-vit-large-patch14",)


class FeaturesChoice(str, Enum):
    """Features for the distances to reference images."""

    AUTO = "auto"
    INCEPTION = "inception"
    ENCODER = "encoder"
    JUDGE = "judge"


def evaluate(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="DOMAIN[:STRENGTH]... [GENERATOR]",
            help="Domain files, or folders of them, followed by the generator: a bundled or published name, "
            "a folder, or a .pkl, .pt or .safetensors file.  [default: the bundled faces]",
        ),
    ],
    reference: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Images of the target domain to compare with.")
    ] = None,
    world: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The domain of the synthetic faces, such as pencil_sketch, whose renderings are the ground "
            "truth. Give it once for all domains, or once for each.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="What the images should show; repeatable.  [default: the target of each domain]"),
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            help='A sentence with {} for the text, such as the papers\' "{}"; repeatable.  '
            "[default: those of the encoder]"
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The encoder for Quality and Diversity: a bundled name, a folder or a Hugging Face id.  "
            "[default: a bundled one that did not guide, if possible; CLIP ViT-L/14 for other generators]",
        ),
    ] = None,
    features: Annotated[
        FeaturesChoice,
        typer.Option(help="Features for the comparison with --reference; auto prefers Inception."),
    ] = FeaturesChoice.AUTO,
    lpips: Annotated[bool, typer.Option(help="Measure LPIPS if torch-fidelity is installed.")] = True,
    samples: Annotated[int, typer.Option(min=8, help="Number of images.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image; the others follow.")] = 0,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per batch.  [default: what fits into memory]")
    ] = None,
    truncation: Annotated[
        float, typer.Option(help="1 for full diversity; smaller values give more typical images.")
    ] = 1.0,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all metrics to this file.")] = None,
    as_html: Annotated[
        Path | None, typer.Option("--html", help="Write a web page with images to this file.")
    ] = None,
    allow_mismatch: AllowMismatch = False,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Measure domains: Quality, Diversity, distances to reference images, identity, size.

    The table has a row for each domain, all measured on the same faces, and shows the values before and after
    adaptation. docs/evaluate.md explains the metrics.
    """
    if features is not FeaturesChoice.AUTO and reference is None:
        raise typer.BadParameter("give --reference FOLDER to compare with", param_hint="--features")
    for path, suffix in ((as_json, ".json"), (as_html, ".html")):
        if path is not None and (path.suffix.lower() != suffix or path.is_dir()):
            raise typer.BadParameter(
                f"{path} is not the name of a {suffix} file", param_hint=f"--{suffix[1:]}"
            )

    from dataclasses import replace

    from domainvec.cli.domains import load_domains, names_domains
    from domainvec.cli.machine import prepare
    from domainvec.evaluation.formatting import sanitize
    from domainvec.evaluation.measurement import Candidate, measure_domains
    from domainvec.evaluation.sampling import MIN_IMAGES, Sampling
    from domainvec.picture_files import PictureFolder
    from domainvec.stylegan2 import Generator

    files, generator = names, "faces"
    if len(names) > 1 and not names_domains(names[-1]):
        *files, generator = names
    where = prepare(device, threads)
    images = None if reference is None else PictureFolder.read(reference, least=MIN_IMAGES)
    model = Generator.from_pretrained(generator, device=where)
    domains = load_domains(files, model, allow_mismatch)
    chosen, missing = _load_encoder(encoder, generator, domains, where)
    evaluation = measure_domains(
        model,
        [
            Candidate(*each, ground_truth=ground_truth, texts=text or ())
            for each, ground_truth in zip(domains, _ground_truths(world, len(domains)), strict=True)
        ],
        sampling=Sampling(samples, seed, truncation, batch_size),
        encoder=chosen,
        templates=template,
        reference=images,
        features=features.value,
        lpips=lpips,
        on_domain=lambda name: typer.echo(f"measuring {sanitize(name)} ...", err=True),
    )
    evaluation = replace(
        evaluation,
        settings={"generator": Path(generator).name, **evaluation.settings},
        notes=(*missing, *evaluation.notes),
    )
    written = _write(evaluation, as_json, as_html)
    _print(evaluation)
    for line in written:
        typer.echo(line)


def _ground_truths(names: Sequence[str] | None, count: int) -> Sequence[str | None]:
    """Return the ground truth of each domain, given one for all or one for each."""
    from domainvec.errors import InputError

    if not names:
        return [None] * count
    if len(names) not in (1, count):
        raise InputError(
            f"--world is given {len(names)} times for {count} domains; give it once, or for each"
        )
    return names if len(names) > 1 else [names[0]] * count


def _load_encoder(
    name: str | None, generator: str, domains: Sequence[NamedDomain], device: torch.device
) -> tuple[Encoder | None, list[str]]:
    """Load the encoder that measures; if it is a default that is not available, return a note instead."""
    from domainvec.domains.provenance import guiding_encoders
    from domainvec.encoders import Encoder
    from domainvec.errors import EncoderError

    if name is not None:
        return Encoder.from_pretrained(name, device=device), []
    choices = _ENCODERS.get(generator, _CLIP)
    guides = [entry.get("name") for each in domains for entry in guiding_encoders(each.domain.metadata)]
    default = next((choice for choice in choices if choice not in guides), choices[0])
    try:
        return Encoder.from_pretrained(default, device=device), []
    except EncoderError as error:
        return None, [f"Quality and Diversity were left out: {error}; choose another encoder with --encoder"]


def _write(evaluation: Evaluation, as_json: Path | None, as_html: Path | None) -> list[str]:
    """Write the files, and return a line about each."""
    import json

    from domainvec.evaluation.page import render_page
    from domainvec.files import atomic_path

    lines = []
    if as_json is not None:
        with atomic_path(as_json) as path:
            path.write_text(json.dumps(evaluation.to_dict(), indent=1) + "\n", encoding="utf-8")
        lines.append(f"{as_json}: all metrics")
    if as_html is not None:
        with atomic_path(as_html) as path:
            path.write_text(render_page(evaluation), encoding="utf-8")
        lines.append(f"{as_html}: a page with images, {as_html.stat().st_size / 1000:.0f} kB")
    return lines


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console

    from domainvec.evaluation.formatting import sanitize

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(_metrics_table(evaluation))
    if any(each.report for each in evaluation.domains):
        console.print(_renderings_table(evaluation))
    settings = evaluation.settings
    if evaluation.encoder:
        typer.echo(f"Quality and Diversity: {sanitize(evaluation.encoder)}")
    if settings["features"]:
        typer.echo(
            f"distances: {settings['reference_pictures']} images of {sanitize(settings['reference'])}, "
            f"features of {sanitize(settings['features'])}"
        )
    for each in evaluation.domains:
        for note in each.notes:
            typer.echo(f"note: {sanitize(each.name)}: {sanitize(note)}")
    for note in evaluation.notes:
        typer.echo(f"note: {sanitize(note)}")
    for name, reason in evaluation.skipped.items():
        typer.echo(f"skipped {sanitize(name)}: {sanitize(reason)}")


def _metrics_table(evaluation: Evaluation) -> Table:
    from domainvec.evaluation.formatting import format_bytes, format_number

    metrics = evaluation.measured
    classified = any(each.seen_as for each in evaluation.domains)
    titles = [*(metric.title for metric in metrics), *["classified as"] * classified]
    rows = []
    for each in evaluation.domains:
        row = [each.name, f"{each.parameters:,}", format_bytes(each.bytes), f"{1000 * each.seconds:,.0f} ms"]
        for metric in metrics:
            value, before = each.values.get(metric.key), each.before.get(metric.key)
            after = "–" if value is None else format_number(value.value)
            row.append(after if value is None or before is None else f"{format_number(before)} → {after}")
        if classified:
            row.append(next((f"{name} {share:.0%}" for name, share in each.seen_as.items()), "–"))
        rows.append(row)
    return _table("", ["domain", "parameters", "file", "per image", *titles], rows)


def _renderings_table(evaluation: Evaluation) -> Table:
    from domainvec.evaluation.formatting import format_number
    from domainvec.evaluation.metrics import RENDERING_METRICS

    rows = []
    for each in evaluation.domains:
        values, bounds = each.rendering_values, each.rendering_bounds
        if values:
            row = [format_number(values[metric.key].value) for metric in RENDERING_METRICS]
            for index, metric in enumerate(RENDERING_METRICS):
                if metric.key in bounds:
                    row[index] += f" ({format_number(bounds[metric.key])})"
            rows.append([each.name, *row])
    titles = ["domain", *(metric.title for metric in RENDERING_METRICS)]
    return _table(
        "compared with renderings (in brackets: the value of the renderings themselves)", titles, rows
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from domainvec.evaluation.formatting import sanitize

    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*(Text(sanitize(cell, 60)) for cell in row))
    return table
