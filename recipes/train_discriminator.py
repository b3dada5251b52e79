"""Train the discriminator of a bundled generator: photos of the face world against the generator's samples.

    python recipes/train_discriminator.py --generator runs/faces-128/faces

StyleGAN2's discriminator and its training (Karras et al. 2020, arXiv:1912.04958): non-saturating loss, R1 at
photos every few steps. The generator is not trained. Each batch shows the same faces as photos and as
samples, so that nothing but the drawing tells them apart; both are drawn once, and both are rounded to 8
bits. The discriminator is saved into the generator's folder; how well it tells held-out photos and samples
apart is written beside the checkpoint, to discriminator.json. Stop it at any time, run it again and it goes
on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from cards import write_json
from timed import TimedTraining
from torch import Tensor

from domainvec.evaluation import render_faces
from domainvec.files import atomic_path
from domainvec.images import from_uint8, to_uint8
from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator
from domainvec.stylegan2.pretrained import load_discriminator, save_discriminator

WIDTHS = (192, 192, 128, 64, 32, 16)
"""Feature maps at 4 px, 8 px, ..., 128 px."""
R1_EVERY = 16
HELD_OUT = 256


@torch.no_grad()
def photos_and_samples(generator: Generator, folder: Path, count: int) -> list[np.ndarray]:
    """The same faces as the world and the generator draw them, each (N, H, W, 3) uint8, drawn once."""
    noise = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(4))
    ways = {
        "photos": lambda z: render_faces(z, "photo", generator.resolution),
        "samples": lambda z: generator(z).clamp(-1, 1),
    }
    for name, draw in ways.items():
        path = folder / f"{name}.npy"
        if not path.exists():
            drawn = np.concatenate([to_uint8(draw(z)) for z in noise.split(50)])
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.save(file, drawn)
    return [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ways]


def gradient_penalty(discriminator: Discriminator, photos: Tensor) -> Tensor:
    """R1: the mean squared norm of the gradient at photos (Mescheder et al. 2018, arXiv:1801.04406)."""
    photos = photos.requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(photos).sum(), photos, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def train(
    discriminator: Discriminator, photos: np.ndarray, samples: np.ndarray, options: argparse.Namespace
) -> int:
    """Train for the minutes asked for; return the number of photos seen."""
    # Lazy regularization: Adam as it would be with the penalty in every step (StyleGAN2, appendix B).
    share = R1_EVERY / (R1_EVERY + 1)
    optimizer = torch.optim.Adam(
        discriminator.parameters(), options.learning_rate * share, betas=(0.0, 0.99**share)
    )
    parts = {"discriminator": discriminator, "optimizer": optimizer}
    run = TimedTraining(options.output / "discriminator.pt", parts, options.minutes)
    random, _ = run.randomness(options.seed)
    losses: list[float] = []
    while run.goes_on():
        rows = random.integers(HELD_OUT, len(photos), options.batch)
        true, drawn = (from_uint8(pool[rows]) for pool in (photos, samples))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            on_true, on_drawn = discriminator(true), discriminator(drawn)
        loss = F.softplus(on_drawn.float()).mean() + F.softplus(-on_true.float()).mean()
        losses.append(loss.item())
        if run.step % R1_EVERY == 0:
            loss = loss + options.r1 / 2 * R1_EVERY * gradient_penalty(discriminator, true)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.count()
        if run.step % 100 == 0:
            print(f"{run.describe(options.batch)}, loss {np.mean(losses[-100:]):.3f}", flush=True)
        run.save_now_and_then()
    run.save()
    return run.step * options.batch


@torch.no_grad()
def measure(discriminator: Discriminator, photos: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """How well it tells held-out photos and samples apart.

    Returns:
        "accuracy", the mean share of both on their side of 0, and "ranked", the share of pairs of a photo and
        a sample in which the photo has the higher logit; "photos" and "samples", the mean logits.
    """
    on_true, on_drawn = (
        torch.cat([discriminator(part) for part in from_uint8(pool[:HELD_OUT]).split(32)])
        for pool in (photos, samples)
    )
    right = ((on_true > 0).float().mean() + (on_drawn < 0).float().mean()) / 2
    figures = {
        "accuracy": right,
        "ranked": (on_true > on_drawn.T).float().mean(),
        "photos": on_true.mean(),
        "samples": on_drawn.mean(),
    }
    return {name: round(figure.item(), 4) for name, figure in figures.items()}


def main() -> None:
    """Parse the command line, train, measure and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--generator", type=Path, required=True, help="folder, which the discriminator is saved into"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/discriminator"), help="of the checkpoint")
    parser.add_argument("--faces", type=int, default=8_000, help="that are drawn in both ways")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=8, help="photos, and as many samples")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--r1", type=float, default=0.5, help="weight of the gradient penalty")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    generator = Generator.from_pretrained(options.generator)
    photos, samples = photos_and_samples(generator, options.output, options.faces)
    widths = WIDTHS[: len(generator.config.channels)]
    discriminator = Discriminator(DiscriminatorConfig(generator.resolution, widths))
    seen = train(discriminator, photos, samples, options)
    save_discriminator(discriminator, options.generator, torch.float16)
    figures = {"photos_seen": seen, **measure(load_discriminator(options.generator), photos, samples)}
    print(json.dumps(figures, indent=2))
    write_json(options.output / "discriminator.json", figures)


if __name__ == "__main__":
    main()
