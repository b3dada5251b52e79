"""`domainvec adapt-many`: a list of texts to a folder of domains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainvec.cli.adapt import describe_generator
from domainvec.cli.arguments import (
    AllowUnknown,
    CheckpointEvery,
    Debug,
    Device,
    Encoders,
    GeneratorName,
    Keep,
    Parameterization,
    Seed,
    SourcePool,
    Steps,
    Threads,
    file_name,
    parse_steps,
)
from domainvec.encoders.templates import require_prompt
from domainvec.errors import InputError
from domainvec.text_files import read_lines


def adapt_many(
    prompts: Annotated[Path, typer.Argument(help="A text file with one target per line.")],
    generator: GeneratorName = "faces",
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the domain files go.")
    ] = Path("domains"),
    source: Annotated[
        str, typer.Option("--from", metavar="TEXT", help="What the generator's images are.")
    ] = "a photo",
    together: Annotated[
        int, typer.Option(min=1, help="Number of domains that are trained side by side.")
    ] = 8,
    keep: Keep = None,
    encoder: Encoders = None,
    steps: Steps = None,
    seed: Seed = 0,
    parameterization: Parameterization = None,
    allow_unknown: AllowUnknown = False,
    source_pool: SourcePool = None,
    checkpoint_every: CheckpointEvery = 25,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Learn a domain for each line of a text file.

    Domains that are trained side by side share their source images and what the encoders see in them; each
    result is the one that `adapt` gives. After an interruption the same command goes on: domains whose files
    exist are not trained again. Empty lines and lines that begin with # are skipped.
    """
    count = parse_steps(steps)
    texts = _read(prompts)
    files = {text: output / f"{file_name(text)}.safetensors" for text in texts}
    missing = [text for text, file in files.items() if not file.exists()]
    if len(missing) < len(texts):
        typer.echo(f"{len(texts) - len(missing)} of {len(texts)} domains are in {output} already", err=True)
    if not missing:
        return

    import domainvec as dv
    from domainvec.cli.machine import prepare
    from domainvec.cli.progress import step_progress
    from domainvec.cli.signals import interruptible
    from domainvec.encoders import default_encoder_names

    where = prepare(device, threads)
    model = dv.Generator.from_pretrained(generator, device=where)
    names = encoder or default_encoder_names(model)
    encoders = [dv.Encoder.from_pretrained(name, device=where) for name in names]
    changes = {"steps": count, "parameterization": parameterization, "source_pool": source_pool}
    chosen = {name: value for name, value in changes.items() if value is not None}
    training = dv.Training.for_encoder(encoders).replace(seed=seed, **chosen)
    most = "at most " if count == "auto" else ""
    typer.echo(
        f"{len(missing)} domains, {most}{training.steps} steps each: {generator}, guided by "
        f"{', '.join(names)}"
    )
    total = training.steps * len(missing)
    finished = 0
    with interruptible() as interruption, step_progress() as report:
        for first in range(0, len(missing), together):
            sessions = {
                text: dv.Session(
                    model,
                    encoders,
                    dv.Text(text, source=source, allow_unknown=allow_unknown),
                    training=training,
                    keep=keep,
                    checkpoint=files[text].with_suffix(".ckpt"),
                    checkpoint_every=checkpoint_every,
                    resume=True,
                    metadata=describe_generator(generator),
                )
                for text in missing[first : first + together]
            }

            def on_step(session: dv.Session, progress: dv.Progress) -> None:
                done = finished * training.steps + sum(each.step for each in sessions.values())  # noqa: B023
                report(progress.phase, done, total, progress.loss)
                if interruption and not all(each.done for each in sessions.values()):  # noqa: B023
                    raise KeyboardInterrupt

            try:
                results = dv.run_together(list(sessions.values()), on_step)
            except KeyboardInterrupt:
                typer.echo("stopped; the same command goes on from here", err=True)
                raise SystemExit(interruption.exit_code or 130) from None
            for text, result in zip(sessions, results, strict=True):
                result.save(files[text])
                files[text].with_suffix(".ckpt").unlink(missing_ok=True)
                size = files[text].stat().st_size / 1000
                typer.echo(f"{files[text]}: {text!r}, {result.domain.size:,} numbers, {size:.1f} kB")
            finished += len(sessions)


def _read(prompts: Path) -> list[str]:
    """Read the targets, one per line.

    Raises: typer.BadParameter if there is none, or two would have one file name.
    """
    try:
        texts = read_lines(prompts)
        for text in texts:
            require_prompt(text)
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="PROMPTS") from None
    named: dict[str, str] = {}
    for text in texts:
        other = named.setdefault(file_name(text), text)
        if other is not text:
            raise typer.BadParameter(
                f"{other!r} and {text!r} would both be {file_name(text)}.safetensors: change one",
                param_hint="PROMPTS",
            )
    return texts
