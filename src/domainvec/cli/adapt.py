"""`domainvec adapt`: from a text, a picture or several to a domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    with_suffix,
)
from domainvec.cli.help import ADVANCED

if TYPE_CHECKING:
    import domainvec as dv


def describe_generator(generator: str) -> dict[str, str]:
    """Say in a domain's metadata what it was made with: the generator's name, and the licence if known."""
    from domainvec.stylegan2.download import LICENSE, PUBLISHED
    from domainvec.stylegan2.pretrained import BUNDLED

    about = {"generator": Path(generator).name}
    if generator in BUNDLED or generator in PUBLISHED:
        about["license"] = "Apache-2.0" if generator in BUNDLED else LICENSE
    return about


class Precision(str, Enum):
    """Number formats of the feature maps."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class RecipeName(str, Enum):
    """Adaptations as papers' code does them."""

    FACES = "hyperdomainnet-faces"
    CATS = "hyperdomainnet-cats"
    CHURCHES = "hyperdomainnet-churches"
    CARS = "hyperdomainnet-cars"


class GuidanceName(str, Enum):
    """Presets of the losses."""

    PUBLISHED = "published"
    ROBUST = "robust"


def adapt(
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="TEXT",
            help='What the images should become, such as "a pencil sketch". Repeat it to say the same in '
            "other words; the texts are averaged.",
        ),
    ] = None,
    generator: GeneratorName = "faces",
    to_image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A picture of any size to adapt to, alone or along with --to."),
    ] = None,
    to_images: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="A few pictures, such as ten, to adapt to, alone or along with --to."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="TEXT", help="What the generator's images are.  [default: a photo]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The domain file to write; a picture and a record go beside it.  "
            "[default: named after the target]",
        ),
    ] = None,
    steps: Steps = None,
    seed: Seed = 0,
    keep: Keep = None,
    encoder: Encoders = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was stopped.")
    ] = False,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
    text_weight: Annotated[
        float | None,
        typer.Option(rich_help_panel=ADVANCED, min=0, help="Weight of --to beside pictures.  [default: 1]"),
    ] = None,
    allow_unknown: AllowUnknown = False,
    guidance: Annotated[
        GuidanceName | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            help="The losses: as published, or robust for small encoders.  [default: the encoder's]",
        ),
    ] = None,
    recipe: Annotated[
        RecipeName | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            help="With --to: encoders, losses, source text and training exactly as a paper's code has them "
            "(docs/published.md); other options still change them.",
        ),
    ] = None,
    parameterization: Parameterization = None,
    layers: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            metavar="LAYERS",
            help="Train only these layers: coarse (0-3, up to 8 px), middle (4-7, up to 32 px), fine (from "
            "8), or numbers such as 0-7 or 2,4-5.  [default: all]",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=ADVANCED, help="Peak learning rate of Adam.  [default: by parameterization]"
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(rich_help_panel=ADVANCED, min=1, help="Images per step.  [default: by encoder]"),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            help="Number format of feature maps.  [default: bfloat16 if the machine computes in it]",
        ),
    ] = None,
    train_resolution: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            metavar="PIXELS",
            help="Stop synthesis at this size while training; layers above it are not trained.  [default: "
            "what the encoders look at, from 256]",
        ),
    ] = None,
    full_size_fraction: Annotated[
        float,
        typer.Option(
            rich_help_panel=ADVANCED,
            min=0,
            max=1,
            metavar="SHARE",
            help="Share of the steps, at the end, that train all layers at full size.",
        ),
    ] = 0.0,
    source_pool: SourcePool = None,
    adversarial: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            min=0,
            help="With --to-images: weight of the discriminator, 0 for none.  [default: by encoder]",
        ),
    ] = None,
    distance_consistency: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            min=0,
            help="With --to-images: weight of CDC's distance consistency.  [default: 0]",
        ),
    ] = None,
    reinversions: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=ADVANCED,
            min=0,
            help="With --to-images: how often they are inverted again through the current domain; 0 suits "
            "media, more suits characters.  [default: by encoder]",
        ),
    ] = None,
    checkpoint_every: CheckpointEvery = 25,
    preview_every: Annotated[
        int,
        typer.Option(rich_help_panel=ADVANCED, min=0, help="Steps between previews; 0 for none."),
    ] = 25,
) -> None:
    """Learn a domain from a text, a picture or several.

    Writes the domain file, a picture of sixteen images before and after (.png) and a record of the training
    (.json). While it runs there is a preview (.preview.png), and a checkpoint (.ckpt) from which --resume
    goes on after Ctrl-C or a crash.
    """
    targets = targets or []
    count = parse_steps(steps)
    _check_options(generator, targets, to_image, to_images, text_weight, train_resolution, full_size_fraction)
    if recipe is not None and (guidance is not None or to_image is not None or to_images is not None):
        raise typer.BadParameter("is for texts and has its own guidance", param_hint="--recipe")
    of_several = {
        "adversarial": adversarial,
        "distance_consistency": distance_consistency,
        "reinversions": reinversions,
    }
    given = {name: value for name, value in of_several.items() if value is not None}
    if given and to_images is None:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise typer.BadParameter("only goes with --to-images FOLDER", param_hint=option)
    output = _output(output, targets, to_image, to_images)
    checkpoint, preview = output.with_suffix(".ckpt"), output.with_suffix(".preview.png")

    import domainvec as dv
    from domainvec.adaptation import RECIPES
    from domainvec.adaptation.checkpoint import earlier_checkpoint
    from domainvec.cli.machine import prepare
    from domainvec.encoders import default_encoder_names
    from domainvec.files import require_writable
    from domainvec.guidance import FACES, PUBLISHED, default_guidance

    require_writable(output)
    where = prepare(device, threads)
    model = dv.Generator.from_pretrained(generator, device=where)
    exact = None if recipe is None else RECIPES[recipe.value]
    names = encoder or (default_encoder_names(model) if exact is None else exact.encoders)
    encoders = [dv.Encoder.from_pretrained(name, device=where) for name in names]
    presets = {GuidanceName.PUBLISHED: PUBLISHED, GuidanceName.ROBUST: FACES}
    chosen = presets[guidance] if guidance else exact.guidance if exact else default_guidance(encoders)
    if source is None:
        source = exact.source if exact else "a photo"
    parts: list[dv.Target] = []
    if to_image is not None:
        parts.append(_picture(to_image, model.resolution))
    if to_images is not None:
        parts.append(_pictures(to_images, model.resolution, chosen, given, generator))
    if targets:
        parts.append(
            (1.0 if text_weight is None else text_weight)
            * dv.Text(*targets, source=source, allow_unknown=allow_unknown)
        )
    target = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    loop: dict[str, Any] = {
        "steps": count,
        "parameterization": parameterization,
        "layers": layers,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "precision": None if precision is None else precision.value,
        "resolution": train_resolution,
        "full_size_fraction": full_size_fraction or None,
        "source_pool": source_pool,
    }
    changes = {name: value for name, value in loop.items() if value is not None}
    training = exact.training if exact else dv.Training.for_encoder(encoders, target, chosen)
    session = dv.Session(
        model,
        encoders,
        target,
        training=training.replace(seed=seed, **changes),
        guidance=chosen,
        keep=keep,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        resume=resume,
        metadata=describe_generator(generator),
    )
    typer.echo(
        f"{source!r} to {target.label}: {generator}, {model.resolution} px, guided by {', '.join(names)}"
    )
    earlier = earlier_checkpoint(checkpoint)
    _tell_checkpoint(checkpoint, earlier, resume)
    _run(session, checkpoint, preview, preview_every)
    _save(session, output)
    for leftover in (checkpoint, earlier, preview):
        leftover.unlink(missing_ok=True)


def _save(session: dv.Session, output: Path) -> None:
    """Write the domain, its picture and its record, and say so."""
    if session.stopped is not None:
        typer.echo(f"stopped: {session.stopped}", err=True)
    result = session.result()
    result.save(output)
    kept = f", {result.domain.num_nonzero:,} of them not zero" if result.domain.is_sparse else ""
    typer.echo(f"{output}: {result.domain.size:,} numbers{kept}, {output.stat().st_size / 1000:.1f} kB")
    typer.echo(f"{output.with_suffix('.json')}: the record of the training, {result.seconds:.0f} s")
    typer.echo(f"{output.with_suffix('.png')}: sixteen images, and below each row the same ones adapted")


def _run(session: dv.Session, checkpoint: Path, preview: Path, preview_every: int) -> None:
    """Train with progress and previews.

    Raises: SystemExit with the signal's exit code if the command is asked to stop.
    """
    import domainvec as dv
    from domainvec.cli.progress import session_progress
    from domainvec.cli.signals import interruptible
    from domainvec.images import save_png

    seeds = range(8 if session.generator.resolution <= 256 else 4)
    with interruptible() as interruption, session, session_progress() as report:
        for progress in session:
            report(progress)
            if preview_every and progress.phase == "training" and progress.step % preview_every == 0:
                save_png(dv.before_after(session.generator, progress.domain, seeds), preview)
            if interruption:
                break
    if interruption and not session.done:
        kept = f"; the same command with --resume goes on from {checkpoint}" if checkpoint.exists() else ""
        typer.echo(f"stopped after {session.step} of {session.training.steps} steps{kept}", err=True)
        raise SystemExit(interruption.exit_code)


def _check_options(
    generator: str,
    targets: Sequence[str],
    to_image: Path | None,
    to_images: Path | None,
    text_weight: float | None,
    train_resolution: int | None,
    full_size_fraction: float,
) -> None:
    """Raise typer.BadParameter for options that do not go together."""
    pictured = to_image is not None or to_images is not None
    if to_image is not None and to_images is not None:
        raise typer.BadParameter("give --to-image or --to-images, not both", param_hint="--to-image")
    if not targets and not pictured:
        named = generator != "faces" and not Path(generator).exists()
        hint = f"; did you mean --to {generator!r}?" if named else ""
        raise typer.BadParameter(
            f"give a text, --to-image FILE or --to-images FOLDER{hint}", param_hint="--to"
        )
    if any(not text.strip() for text in targets):
        raise typer.BadParameter("the text is empty", param_hint="--to")
    if (train_resolution is not None or full_size_fraction) and to_images is not None:
        raise typer.BadParameter("several pictures are learnt at full size", param_hint="--train-resolution")
    if text_weight is not None and not (targets and pictured):
        raise typer.BadParameter(
            "weighs a text beside pictures: give --to, and --to-image or --to-images",
            param_hint="--text-weight",
        )


def _output(
    output: Path | None, targets: Sequence[str], to_image: Path | None, to_images: Path | None
) -> Path:
    """Name the domain file.

    Raises: typer.BadParameter if the files of the run would replace or join the pictures it learns from.
    """
    pictured = to_image.stem if to_image is not None else to_images.name if to_images is not None else ""
    output = with_suffix(
        output or Path(file_name(targets[0] if targets else f"like {pictured}")), ".safetensors"
    )
    drawn = {output.with_suffix(suffix).resolve() for suffix in (".png", ".preview.png")}
    if to_image is not None and to_image.resolve() in drawn:
        raise typer.BadParameter(f"the run's picture would replace {to_image}: name another", param_hint="-o")
    if to_images is not None and to_images.resolve() in output.resolve().parents:
        raise typer.BadParameter(
            f"the run's pictures would be among those of {to_images}: name a file outside", param_hint="-o"
        )
    return output


def _picture(path: Path, side: int) -> dv.Picture:
    """Read the picture of --to-image, and say what is done with it."""
    import domainvec as dv
    from domainvec.picture_files import PictureFile

    picture = PictureFile.read(path)
    typer.echo(picture.describe(side), err=True)
    return dv.Picture(picture)


def _pictures(
    path: Path, side: int, guidance: dv.Guidance, changes: dict[str, float], generator: str
) -> dv.Pictures:
    """Read the pictures of --to-images, and say what was found."""
    import domainvec as dv
    from domainvec.cli.networks import load_networks
    from domainvec.picture_files import PictureFolder

    folder = PictureFolder.read(path)
    typer.echo(f"{len(folder)} pictures of {path}, as {side} × {side} px", err=True)
    for name, reason in folder.skipped.items():
        typer.echo(f"{name}: skipped, {reason}", err=True)
    few_shot = replace(dv.Pictures(folder).few_shot_guidance(guidance), **changes)  # type: ignore[arg-type]
    discriminator = None
    if few_shot.adversarial:
        networks = load_networks(generator)
        discriminator = networks.discriminator
        if discriminator is None:
            why = networks.discriminator_error or f"{generator} has no discriminator"
            typer.echo(f"{why}: a small new one is trained", err=True)
    return dv.Pictures(folder, guidance=few_shot, discriminator=discriminator)


def _tell_checkpoint(checkpoint: Path, earlier: Path, resume: bool) -> None:
    if resume and not checkpoint.exists():
        typer.echo(f"there is no {checkpoint} yet: this run starts from the beginning", err=True)
    elif checkpoint.exists() and not resume:
        typer.echo(
            f"this run starts from the beginning; the checkpoint of an earlier one is kept as {earlier}: to "
            f"go on with that, rename it to {checkpoint} and pass --resume",
            err=True,
        )
