"""`domainvec evaluate`: how good domains are, as a table, as JSON and as a page to send."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainvec.cli.arguments import AllowMismatch, Debug, Device, Threads, split_weight

if TYPE_CHECKING:
    import torch

    from domainvec.encoders import Encoder
    from domainvec.evaluation.metrics import Evaluation
    from domainvec.evaluation.measurement import Candidate

# As in `adapt`; the papers measure with CLIP ViT-L/14, which guides nobody.
_ENCODERS = {"faces": ("faces-clip", "faces-clip-robust")}
_CLIP = ("openai/clip-vit-large-patch14",)


class FeaturesChoice(str, Enum):
    """What pictures are compared in."""

    AUTO = "auto"
    INCEPTION = "inception"
    ENCODER = "encoder"
    JUDGE = "judge"


def evaluate(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="DOMAIN[:STRENGTH]... [GENERATOR]",
            help="Domain files, and last the generator: a bundled or published name, a folder, or a .pkl, "
            ".pt or .safetensors file; without one, the bundled faces.",
        ),
    ],
    reference: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures of the target, to compare with.")
    ] = None,
    world: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What the domain is in the face world, such as pencil_sketch: compares with its true "
            "drawings. One for all domains, or repeated, one for each.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="What the pictures should show; repeat it for other words.  [default: each target]"
        ),
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            help='A sentence with {} for the text; "{}" is the papers\' "A {}".  [default: the encoder\'s]'
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What measures Quality and Diversity: a bundled name, a folder, a Hugging Face id.  "
            "[default: a bundled one that did not guide if there is one; for other generators CLIP ViT-L/14]",
        ),
    ] = None,
    features: Annotated[
        FeaturesChoice,
        typer.Option(help="What the pictures are compared in; auto is Inception if it is there."),
    ] = FeaturesChoice.AUTO,
    lpips: Annotated[bool, typer.Option(help="Measure LPIPS if its library is there.")] = True,
    samples: Annotated[int, typer.Option(min=8, help="How many pictures.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture; the others follow.")] = 0,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pictures drawn at once.  [default: what fits into memory]")
    ] = None,
    truncation: Annotated[
        float, typer.Option(help="1 keeps all variety; towards 0 the pictures become more typical.")
    ] = 1.0,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    as_html: Annotated[Path | None, typer.Option("--html", help="Write one page with pictures.")] = None,
    allow_mismatch: AllowMismatch = False,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Measure domains: Quality, Diversity, distances to real pictures, identity, size.

    One row for each domain, all of the same faces. In a cell, the value before adapting stands left of the
    arrow. docs/evaluate.md says what each figure means.
    """
    if features is not FeaturesChoice.AUTO and reference is None:
        raise typer.BadParameter("give --reference FOLDER to compare with", param_hint="--features")
    for path, suffix in ((as_json, ".json"), (as_html, ".html")):
        if path is not None and (path.suffix.lower() != suffix or path.is_dir()):
            raise typer.BadParameter(
                f"{path} would hold a {suffix} file: name it so", param_hint=f"--{suffix[1:]}"
            )

    import json
    from dataclasses import replace

    from domainvec.cli.machine import prepare
    from domainvec.evaluation.measurement import LEAST, measure_domains
    from domainvec.evaluation.page import printable, render_page
    from domainvec.files import atomic_path
    from domainvec.picture_files import PictureFolder
    from domainvec.stylegan2 import Generator

    files, generator = _split(names)
    where = prepare(device, threads)
    compared = None if reference is None else PictureFolder.read(reference, least=LEAST)
    model = Generator.from_pretrained(generator, device=where)
    candidates = _load(files, model, allow_mismatch)
    measuring, missing = _encoder(encoder, generator, candidates, where)
    evaluation = measure_domains(
        model,
        candidates,
        encoder=measuring,
        reference=compared,
        features=features.value,
        worlds=world or (),
        texts=text or (),
        templates=template,
        samples=samples,
        seed=seed,
        batch_size=batch_size,
        truncation=truncation,
        lpips=lpips,
        on_domain=lambda name: typer.echo(f"measuring {printable(name)} ...", err=True),
    )
    evaluation = replace(
        evaluation,
        settings={"generator": Path(generator).name, **evaluation.settings},
        notes=(*missing, *evaluation.notes),
    )
    _print(evaluation)
    if as_json is not None:
        with atomic_path(as_json) as path:
            plain = json.dumps(evaluation.to_dict(), indent=1)
            path.write_text(plain + "\n", encoding="utf-8")
        typer.echo(f"{as_json}: all figures")
    if as_html is not None:
        with atomic_path(as_html) as path:
            path.write_text(render_page(evaluation), encoding="utf-8")
        typer.echo(f"{as_html}: a page with pictures, {as_html.stat().st_size / 1000:.0f} kB")


def _split(names: Sequence[str]) -> tuple[list[str], str]:
    """Tell the domain files from the generator, which is the last one if that is no domain file."""
    from safetensors import SafetensorError, safe_open

    from domainvec.domains.file import holds_domain

    *others, last = names
    path, _ = split_weight(last)
    if not others:
        return [last], "faces"
    if path.suffix == ".safetensors" and path.is_file():
        try:
            with safe_open(path, framework="pt") as file:
                if not holds_domain(file.keys()):
                    return others, last
        except (OSError, SafetensorError):
            pass  # reading it as a domain says what is wrong with it
    elif path.suffix != ".safetensors":
        return others, last
    return [*others, last], "faces"


def _load(files: Sequence[str], model: object, allow_mismatch: bool) -> list[Candidate]:
    from domainvec.domains import Domain
    from domainvec.evaluation.measurement import Candidate
    from domainvec.stylegan2 import Generator

    assert isinstance(model, Generator)
    candidates = []
    for file, strength in map(split_weight, files):
        loaded = Domain.load(file, generator=model, allow_mismatch=allow_mismatch)
        size = file.stat().st_size
        if strength is None:
            candidates.append(Candidate(file.stem, loaded, size))
        else:
            candidates.append(Candidate(f"{file.stem} × {strength:g}", loaded * strength, size))
    return candidates


def _encoder(
    name: str | None, generator: str, candidates: Sequence[Candidate], where: torch.device
) -> tuple[Encoder | None, list[str]]:
    """Load the encoder that measures, and say so if the one that nobody asked for cannot be had."""
    from domainvec.encoders import Encoder
    from domainvec.errors import EncoderError
    from domainvec.evaluation.measurement import guiding_encoders

    if name is not None:
        return Encoder.from_pretrained(name, device=where), []
    choices = _ENCODERS.get(generator, _CLIP)
    guides = {
        entry.get("name")
        for each in candidates
        for entry in guiding_encoders(each.domain.metadata)
        if isinstance(entry.get("name"), str)
    }
    chosen = next((choice for choice in choices if choice not in guides), choices[0])
    try:
        return Encoder.from_pretrained(chosen, device=where), []
    except EncoderError as error:
        return None, [f"Quality and Diversity were left out: {error}; name another with --encoder"]


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from domainvec.evaluation.metrics import RENDERING_METRICS
    from domainvec.evaluation.page import number, printable, size_text

    def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        sheet = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            sheet.add_column(column, justify="right" if index else "left")
        for row in rows:
            sheet.add_row(*(Text(printable(cell, 60)) for cell in row))
        console.print(sheet)

    def cell(value: float | None, before: float | None) -> str:
        if value is None:
            return "–"
        return number(value) if before is None else f"{number(before)} → {number(value)}"

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    figures, seen = evaluation.measured(), any(each.seen_as for each in evaluation.domains)
    rows = []
    for each in evaluation.domains:
        values = {key: estimate.value for key, estimate in each.figures.items()}
        rows.append(
            [
                each.name,
                f"{each.parameters:,}",
                "–" if each.bytes is None else size_text(each.bytes),
                f"{1000 * each.seconds:,.0f} ms",
                *(cell(values.get(figure.key), each.before.get(figure.key)) for figure in figures),
                *([f"{n} {share:.0%}" for n, share in list(each.seen_as.items())[:1]] or ["–"] * seen),
            ]
        )
    titles = [*(figure.title for figure in figures), *["seen as"] * seen]
    table("", ["domain", "numbers", "file", "a picture", *titles], rows)
    judged = [each for each in evaluation.domains if each.report]
    if judged:
        rows = []
        for each in judged:
            truth, values = each.truth_reaches(), {k: e.value for k, e in each.truth_figures().items()}
            reached = (
                number(values[figure.key])
                + (f" of {number(truth[figure.key])}" if figure.key in truth else "")
                for figure in RENDERING_METRICS
            )
            rows.append([each.name, *reached])
        table(
            "against true drawings: the value of what the truth itself has",
            ["domain", *(figure.title for figure in RENDERING_METRICS)],
            rows,
        )
    settings = evaluation.settings
    if settings["encoder"]:
        typer.echo(f"Quality and Diversity: {printable(settings['encoder'])}")
    if settings["features"]:
        typer.echo(
            f"distances: {printable(settings['features'])}, to {settings['reference_pictures']} pictures of "
            f"{printable(settings['reference'])}"
        )
    for each in evaluation.domains:
        for note in each.notes:
            typer.echo(f"note: {printable(each.name)}: {printable(note)}")
    for note in evaluation.notes:
        typer.echo(f"note: {printable(note)}")
    for name, reason in evaluation.skipped.items():
        typer.echo(f"skipped {printable(name)}: {printable(reason)}")
