"""`domainvec adapt`: from a text, a picture or several to a domain."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from domainvec.cli.arguments import (
    Debug,
    Device,
    GeneratorName,
    Steps,
    Threads,
    file_name,
    parse_steps,
    with_suffix,
)

# Each bundled generator has encoders that were taught its world; for any other, there is CLIP.
_ENCODERS = {"faces": ("faces-clip", "faces-clip-robust")}
_CLIP = ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16")


def default_encoders(generator: str) -> tuple[str, ...]:
    """Name the encoders that suit a generator."""
    return _ENCODERS.get(generator, _CLIP)


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
            help='What the pictures are to become: "a pencil sketch". Repeat it to say the same in other '
            "words; the texts are averaged.",
        ),
    ] = None,
    generator: GeneratorName = "faces",
    to_image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A picture to become like, of any size and shape; with --to, a text is followed, too.",
        ),
    ] = None,
    to_images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A few pictures, such as ten, to become like; or with --to."),
    ] = None,
    text_weight: Annotated[
        float | None, typer.Option(min=0, help="Of the text beside a picture or several.  [default: 1]")
    ] = None,
    adversarial: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="With --to-images: weight of the discriminator; 0 for none.  [default: by the encoder]",
        ),
    ] = None,
    distances: Annotated[
        float | None,
        typer.Option(min=0, help="With --to-images: weight of CDC's distance consistency.  [default: none]"),
    ] = None,
    reinversions: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With --to-images: how often they are inverted again, through the domain on its way; "
            "0 suits media, more suits characters.  [default: by the encoder]",
        ),
    ] = None,
    source: Annotated[str, typer.Option("--from", metavar="TEXT", help="What the pictures are.")] = "a photo",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The domain file; a picture and a record go beside it.  [default: named by the target]",
        ),
    ] = None,
    steps: Steps = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all randomness.")] = 0,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What reads text and pictures: a bundled name, a folder or a Hugging Face id. Repeat it to "
            "be guided by several.  [default: those of a bundled generator, else CLIP ViT-B/32 and B/16]",
        ),
    ] = None,
    guidance: Annotated[
        GuidanceName | None,
        typer.Option(
            help="The losses: as published, or robust, for small encoders.  [default: what suits the encoder]"
        ),
    ] = None,
    parameterization: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What is learned: modulation, modulation+rgb, stylespace, stylespace+rgb, "
            "stylespace-sparse, affine, affine+, affine-light+, lora, lora:RANK or full.  "
            "[default: what suits the encoder]",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            help="Learn in these layers alone: coarse (0-3, up to 8 px), middle (4-7, up to 32 px), fine "
            "(from 8), or numbers such as 0-7 or 2,4-5.  [default: all]",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam.  [default: what suits encoder and parameterization]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pictures a step.  [default: what suits the encoder]")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Of feature maps.  [default: bfloat16 where the machine computes in it]"),
    ] = None,
    train_resolution: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Stop synthesis here in training; the layers above stay as they are.  [default: what the "
            "encoders look at, from 256]",
        ),
    ] = None,
    full_size_fraction: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Of the steps, at the end, in which synthesis goes on to full size: the layers above learn.",
        ),
    ] = 0.0,
    source_pool: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Draw from N latents, whose unadapted pictures are embedded once and kept in the cache for "
            "all domains of this generator; 0 for new ones in every step.  [default: what suits the encoder, "
            "256 for the bundled ones]",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint that a stopped run left.")
    ] = False,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 25,
    preview_every: Annotated[int, typer.Option(min=0, help="Steps between previews; 0 for none.")] = 25,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Learn a domain: bring the generator's pictures to a text, to a picture, or to several.

    Writes the domain file, a picture of sixteen samples before and after (.png) and a record of the run
    (.json). While it runs there is a preview (.preview.png), and a checkpoint (.ckpt) from which a run that
    was stopped goes on with --resume.
    """
    targets = targets or []
    count = parse_steps(steps)
    if to_image is not None and to_images is not None:
        raise typer.BadParameter("give --to-image or --to-images, not both", param_hint="--to-image")
    if not targets and to_image is None and to_images is None:
        raise typer.BadParameter("give a text, --to-image FILE or --to-images FOLDER", param_hint="--to")
    if (train_resolution is not None or full_size_fraction) and to_images is not None:
        raise typer.BadParameter("a few pictures are learnt at full size", param_hint="--train-resolution")
    of_several = {"weight": adversarial, "distances": distances, "reinversions": reinversions}
    for name, value in of_several.items():
        if value is not None and to_images is None:
            option = "--adversarial" if name == "weight" else f"--{name}"
            raise typer.BadParameter("this is for --to-images FOLDER alone", param_hint=option)
    if text_weight is not None and (not targets or (to_image is None and to_images is None)):
        raise typer.BadParameter(
            "weighs a text beside pictures: give --to, and --to-image or --to-images",
            param_hint="--text-weight",
        )
    pictured = to_image.stem if to_image is not None else to_images.name if to_images is not None else ""
    named = targets[0] if targets else f"like {pictured}"
    output = with_suffix(output or Path(file_name(named)), ".safetensors")
    checkpoint, preview = output.with_suffix(".ckpt"), output.with_suffix(".preview.png")
    drawn = {path.resolve() for path in (output.with_suffix(".png"), preview)}
    if to_image is not None and to_image.resolve() in drawn:
        raise typer.BadParameter(f"the run's picture would replace {to_image}: name another", param_hint="-o")
    if to_images is not None and to_images.resolve() in output.resolve().parents:
        raise typer.BadParameter(
            f"the run's pictures would be among those of {to_images}: name a file outside", param_hint="-o"
        )
    output.parent.mkdir(parents=True, exist_ok=True)

    from domainvec import adaptation
    from domainvec.adaptation.checkpoint import earlier_checkpoint
    from domainvec.cli.machine import prepare
    from domainvec.cli.networks import load_networks
    from domainvec.cli.progress import step_progress, tell_inversion
    from domainvec.domains import Domain
    from domainvec.domains.parameterizations import find_parameterization
    from domainvec.encoders import Encoder
    from domainvec.guidance.objective import default_guidance
    from domainvec.guidance.settings import FACES, PUBLISHED
    from domainvec.picture_files import PictureFile, PictureFolder
    from domainvec.stylegan2 import Generator

    if parameterization is not None:
        find_parameterization(parameterization)
    where = prepare(device, threads)
    picture = None if to_image is None else PictureFile.read(to_image)
    folder = None if to_images is None else PictureFolder.read(to_images)
    model = Generator.from_pretrained(generator, device=where)
    names = encoder or default_encoders(generator)
    encoders = [Encoder.from_pretrained(name, device=where) for name in names]
    presets = {GuidanceName.PUBLISHED: PUBLISHED, GuidanceName.ROBUST: FACES}
    chosen = presets[guidance] if guidance else default_guidance(encoders)
    training = adaptation.default_training(chosen, image=bool(picture), images=bool(folder))
    total = training.complete(steps=count)["steps"]
    small = model.resolution <= 256
    draw_preview = adaptation.previews(model, preview, preview_every or total + 1, range(8 if small else 4))
    said = [repr(" / ".join(targets))] if targets else []
    side = adaptation.training_resolution(train_resolution, model, encoders)
    if picture is not None:
        said.append(picture.path.name)
        typer.echo(picture.describe(side), err=True)
    if folder is not None:
        said.append(f"{len(folder)} pictures of {folder.folder}")
        for file in folder.files:
            typer.echo(PictureFile.read(file).describe(model.resolution), err=True)
        for name, reason in folder.skipped.items():
            typer.echo(f"{name}: skipped, {reason}", err=True)
    to = " and ".join(said)
    typer.echo(f"{source!r} to {to}: {generator}, {model.resolution} px, guided by {', '.join(names)}")
    earlier = earlier_checkpoint(checkpoint)
    if resume and not checkpoint.exists():
        typer.echo(f"there is no {checkpoint} yet: this run starts at the beginning", err=True)
    elif checkpoint.exists() and not resume:
        typer.echo(
            f"this run starts anew; an earlier one's checkpoint is kept as {earlier}: to go on with that, "
            f"name it {checkpoint} again and give --resume",
            err=True,
        )

    done = 0
    try:
        with step_progress(total) as report:

            def on_step(step: int, loss: float, parts: dict[str, float], domain: Domain) -> None:
                nonlocal done
                done = step
                report(step, loss)
                draw_preview(step, loss, parts, domain)

            common: dict[str, Any] = {
                "steps": count,
                "seed": seed,
                "guidance": chosen,
                "parameterization": parameterization,
                "layers": layers,
                "learning_rate": learning_rate,
                "batch_size": batch_size,
                "precision": None if precision is None else precision.value,
                "source_pool": source_pool,
                "checkpoint": checkpoint,
                "checkpoint_every": checkpoint_every,
                "resume": resume,
                "callback": on_step,
                "metadata": describe_generator(generator),
            }
            size: dict[str, Any] = {"resolution": train_resolution, "full_size_fraction": full_size_fraction}
            text = targets or None
            share = 1.0 if text_weight is None else text_weight
            if picture is not None:
                result = adaptation.adapt_to_image(
                    model,
                    encoders,
                    picture,
                    text,
                    source,
                    text_weight=share,
                    on_inversion=tell_inversion(adaptation.Inversion().steps),
                    **size,
                    **common,
                )
            elif folder is not None:
                given: dict[str, Any] = {name: each for name, each in of_several.items() if each is not None}
                adversary = replace(adaptation.default_adversary(chosen), **given)
                opponent = load_networks(generator).discriminator if adversary.weight else None
                if opponent is None and adversary.weight:
                    typer.echo(f"{generator} has no discriminator: a small fresh one learns", err=True)
                result = adaptation.adapt_to_images(
                    model,
                    folder,
                    encoders,
                    text,
                    source,
                    discriminator=opponent,
                    adversary=adversary,
                    text_weight=share,
                    on_inversion=tell_inversion(adversary.inversion.steps_for(len(folder))),
                    **common,
                )
            else:
                result = adaptation.adapt(model, encoders, targets, source, **size, **common)
    except (KeyboardInterrupt, SystemExit) as stop:
        code = 130 if isinstance(stop, KeyboardInterrupt) else stop.code
        kept = f"; the same command with --resume goes on from {checkpoint}" if checkpoint.exists() else ""
        typer.echo(f"stopped after {done} of {total} steps{kept}", err=True)
        raise SystemExit(code) from None

    if result.stopped is not None:
        typer.echo(f"stopped: {result.stopped}", err=True)
    result.save(output)
    for leftover in (checkpoint, earlier, preview):
        leftover.unlink(missing_ok=True)
    kept = f", {result.domain.num_nonzero:,} of them not zero" if result.domain.is_sparse else ""
    typer.echo(f"{output}: {result.domain.size:,} numbers{kept}, {output.stat().st_size / 1000:.1f} kB")
    typer.echo(f"{output.with_suffix('.json')}: the record of the run, {result.seconds:.0f} s")
    typer.echo(f"{output.with_suffix('.png')}: sixteen pictures, and below each row the same ones adapted")
