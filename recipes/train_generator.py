"""Train the bundled generators on the photo domain of the face world, on a CPU, resumable.

    python recipes/train_generator.py --output runs/faces
    python recipes/train_generator.py --output runs/faces-128 --resolution 128 --init runs/faces/faces

Adversarial training from scratch is slow on a CPU. This world knows, for each noise z, the picture that z
should give, so the generator is taught in pairs: z, normalised as the mapping network does, is a face
(`synthfaces.Attributes.from_normal`); its code (`synthfaces.code`) goes through a small teacher network to w;
the synthesis network draws it; the loss compares the drawing with the true one, first at 16 px, then at 32 px
and 64 px. A third of the pictures take shape from one z (coarse layers), colour from another (fine layers),
so that style mixing does what its name says. Beside it, a regression learns to read codes off z; its
layers and the teacher's, one after the other, are the plain StyleGAN2 mapping network, and both networks are
tuned together on pictures to the end. What is saved is a plain StyleGAN2 generator. Where a checkpoint is, a
larger --images goes on from it, at the learning rate of that share of the whole.

With --init a trained generator grows to a larger --resolution: the new block begins by adding nothing to its
enlarged picture, and the layers from --train-from on, or all, learn from larger drawings, those that were
trained before more slowly.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import synthfaces
from domainvec import images as pictures
from domainvec.files import atomic_path
from domainvec.stylegan2 import Generator, GeneratorConfig
from domainvec.stylegan2.layers import Linear, activate

Z_DIM = 64
W_DIM = 384
WIDTHS = (256, 256, 192, 96, 48, 32)
"""Feature maps at 4 px, 8 px, ..., 128 px."""
COLOUR_COORDINATES = [2, 4, 5, 6, 7, 16, 19, 21, 22, 23, 33, 34, 35, 36, 37, 38]
"""Coordinates of z that only colour a face: skin, hair, eyes, lips, frames, hat, background, clothes."""
COLOUR_LAYER = 5
"""First layer that draws with the colour's w in a mixed picture: the first at 32 px."""
MIXED_SHARE = 0.33
HELD_OUT = 512
EVALUATED = 128
"""Of these faces, how many are drawn at each report."""
USED_COORDINATES = 41
"""Coordinates of z from this one on are not used by the world."""
MAPPING_RATE = 100
"""The mapping network's weights are kept 100 times larger than they act; its steps must be as well."""
INHERITED_RATE = 0.3
"""Steps of the weights that --init brings, relative to those of new ones."""


def config(resolution: int) -> GeneratorConfig:
    """The shape of the generator of a resolution."""
    channels = WIDTHS[: resolution.bit_length() - 2]
    return GeneratorConfig(resolution, z_dim=Z_DIM, w_dim=W_DIM, mapping_layers=6, channels=channels)


class Teacher(nn.Module):
    """The code of a face to w."""

    def __init__(self) -> None:
        super().__init__()
        widths = [synthfaces.CODE_DIM] + [W_DIM] * 3
        self.layers = nn.ModuleList(Linear(i, o) for i, o in pairwise(widths))

    def forward(self, code: Tensor) -> Tensor:
        """(N, CODE_DIM) to (N, w_dim)."""
        for layer in self.layers:
            code = activate(layer(code))
        return code


class Pair(nn.Module):
    """The generator and its teacher; everything that is trained and averaged."""

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.generator = Generator(config(resolution))
        self.teacher = Teacher()


def normalise(z: np.ndarray) -> np.ndarray:
    """z as the mapping network sees it: scaled to unit mean square."""
    return z / np.sqrt(np.mean(np.square(z), axis=-1, keepdims=True))


def mixed(shape: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The face with the shape of one z and the colours of another."""
    z = shape.copy()
    z[COLOUR_COORDINATES] = colour[COLOUR_COORDINATES]
    return z


def importance(face: synthfaces.Attributes) -> float:
    """How often a face is shown, relative to a plain one: what is rare and intricate comes more often."""
    rare = (face.hat != "none") + (face.beard in ("mustache", "full")) + (face.glasses != "none")
    return 1.0 + 0.7 * rare + 0.5 * (face.mouth_opening > 0) + 0.4 * face.wrinkles


def draw_block(start: int, count: int, resolution: int) -> tuple[np.ndarray, ...]:
    """``count`` training faces: both z, the codes of both, the weight and the picture."""
    rows = []
    for index in range(start, start + count):
        shape = normalise(synthfaces.latent(1, index))
        is_mixed = index % 100 < 100 * MIXED_SHARE
        colour = normalise(synthfaces.latent(2, index)) if is_mixed else shape
        face = synthfaces.Attributes.from_normal(mixed(shape, colour))
        codes = [synthfaces.code(synthfaces.Attributes.from_normal(z)) for z in (shape, colour)]
        drawing = synthfaces.draw(face, resolution=resolution)
        rows.append((np.stack([shape, colour]), np.stack(codes), importance(face), drawing))
    z, codes, weights, drawings = zip(*rows, strict=True)
    return (
        np.stack(z).astype(np.float32),
        np.stack(codes),
        np.array(weights, np.float32),
        np.stack(drawings),
    )


def training_set(folder: Path, count: int, resolution: int, processes: int) -> dict[str, np.ndarray]:
    """Draw the training set once, and open it memory-mapped."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("z", "codes", "weights", "drawings")
    paths = {name: folder / f"{name}-{resolution}-{count}.npy" for name in names}
    if not all(path.exists() for path in paths.values()):
        block = 500
        with ProcessPoolExecutor(processes) as pool:
            jobs = [
                pool.submit(draw_block, start, min(block, count - start), resolution)
                for start in range(0, count, block)
            ]
            blocks = []
            for number, job in enumerate(jobs, 1):
                blocks.append(job.result())
                if number % 20 == 0:
                    print(f"drawn {number * block} of {count}", flush=True)
        for name, parts in zip(names, zip(*blocks, strict=True), strict=True):
            with atomic_path(paths[name]) as path, path.open("wb") as file:
                np.save(file, np.concatenate(parts))
    return {name: np.load(path, mmap_mode="r") for name, path in paths.items()}


def box(x: Tensor, size: int) -> Tensor:
    """Mean over size × size around each pixel, the border repeated."""
    half = size // 2
    return F.avg_pool2d(F.pad(x, (half, half, half, half), mode="replicate"), size, 1)


def drawing_loss(drawn: Tensor, true: Tensor) -> Tensor:
    """Absolute differences of pixels and of gradients over a pyramid, heavier where there is detail."""
    with torch.no_grad():
        detail = (true - box(box(true, 5), 5)).abs().mean(1, keepdim=True)
        weight = 1 + (14 * box(detail, 3)).clamp(max=4)
    loss = drawn.new_zeros(())
    level_weight = 1.0
    while true.shape[-1] >= 8:
        error = drawn - true
        horizontal = (error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]
        vertical = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
        loss = loss + level_weight * ((error.abs() * weight).mean() + horizontal.mean() + vertical.mean())
        drawn, true, weight = (F.avg_pool2d(t, 2) for t in (drawn, true, weight))
        level_weight = 0.5
    return loss


class Muon:
    """Momentum, made orthogonal: for the kernels, whose scale the demodulation ignores.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers"; the five Newton-Schulz steps' coefficients are
    theirs.
    """

    def __init__(
        self, parameters: list[nn.Parameter], scales: list[float] | None = None, momentum: float = 0.95
    ) -> None:
        self.parameters = parameters
        self.scales = scales or [1.0] * len(parameters)
        self.momentum = momentum
        self.buffers = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, learning_rate: float, *, unit: bool = True) -> None:
        """Move kernels by ``learning_rate`` × their scales in root mean square; ``unit`` keeps theirs 1."""
        for p, scale, buffer in zip(self.parameters, self.scales, self.buffers, strict=True):
            if p.grad is None:  # a layer above the resolution in training
                continue
            buffer.lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp(buffer, self.momentum).flatten(1)
            x = (update / (update.norm() + 1e-7)).bfloat16()
            for _ in range(5):
                gram = x @ x.T
                x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
            # The kernels have entries of unit variance: a unit step is one of root mean square 1.
            p.add_(x.float().reshape(p.shape), alpha=-learning_rate * scale * math.sqrt(update.shape[1]))
            if unit:
                p.mul_(p.square().mean().rsqrt())


def batch(data: dict[str, np.ndarray], rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """z (N, 2, 64), codes (N, 2, CODE_DIM) and pictures (N, 3, H, W) in [-1, 1] of some rows."""
    drawings = pictures.from_uint8(data["drawings"][rows])
    return torch.from_numpy(data["z"][rows]), torch.from_numpy(data["codes"][rows]), drawings


def layer_latents(shape: Tensor, colour: Tensor, num_ws: int) -> Tensor:
    """w (N, num_ws, w_dim): shape for the coarse layers, colour for the fine ones."""
    coarse = shape[:, None].expand(-1, COLOUR_LAYER, -1)
    return torch.cat([coarse, colour[:, None].expand(-1, num_ws - COLOUR_LAYER, -1)], 1)


def mapped(generator: Generator, z: Tensor) -> Tensor:
    """w (N, w_dim) of the plain mapping network."""
    return generator.mapping(z)[:, 0]


@torch.no_grad()
def grow(generator: Generator, smaller: Generator) -> None:
    """Take over a smaller generator: what its blocks draw, enlarged, is the picture to begin with."""
    generator.load_state_dict(generator.state_dict() | smaller.state_dict())
    for to_rgb in generator.synthesis.to_rgbs[len(smaller.config.channels) :]:
        to_rgb.weight.zero_()


def train_from(model: Pair, resolution: int) -> None:
    """Let only the layers of this resolution and larger ones learn."""
    block = resolution.bit_length() - 3
    synthesis = model.generator.synthesis
    model.requires_grad_(False)
    for layer in (*synthesis.convs[max(0, 2 * block - 1) :], *synthesis.to_rgbs[block:]):
        layer.requires_grad_(True)


def train(arguments: argparse.Namespace) -> None:
    """Train, or go on from the last checkpoint; save the averaged generator at the end."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    full = arguments.resolution
    data = training_set(arguments.data, arguments.faces, full, arguments.processes)
    held_out = batch(data, np.arange(min(EVALUATED, HELD_OUT)))
    shares = np.array(data["weights"], np.float64)
    shares[:HELD_OUT] = 0
    shares /= shares.sum()

    model = Pair(full)
    inherited: set[str] = set()
    if arguments.init:
        smaller = Generator.from_pretrained(arguments.init)
        grow(model.generator, smaller)
        inherited = {f"generator.{name}" for name, _ in smaller.named_parameters()}
        if arguments.train_from:
            train_from(model, arguments.train_from)
        arguments.until_16 = arguments.until_32 = arguments.teach = 0.0
    average = copy.deepcopy(model).requires_grad_(False)
    kernels: list[nn.Parameter] = []
    kernel_scales: list[float] = []
    others: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        scale = INHERITED_RATE if name in inherited else 1.0
        if "convs" in name and parameter.ndim == 4:
            kernels.append(parameter)
            kernel_scales.append(scale)
        else:
            scale *= MAPPING_RATE if ".mapping." in name else 1
            others.setdefault(scale, []).append(parameter)
    muon = Muon(kernels, kernel_scales)
    groups = [{"params": parameters, "scale": scale} for scale, parameters in others.items()]
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)
    seen, seconds = 0, 0.0
    curve: list[dict[str, float]] = []
    checkpoint = output / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        adam.load_state_dict(state["adam"])
        muon.buffers = state["muon"]
        seen, seconds, curve = state["seen"], state["seconds"], state["curve"]
        print(f"going on from {seen} images", flush=True)

    def save() -> None:
        with atomic_path(checkpoint) as path:
            torch.save(
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "adam": adam.state_dict(),
                    "muon": muon.buffers,
                    "seen": seen,
                    "seconds": seconds,
                    "curve": curve,
                },
                path,
            )
        with atomic_path(output / "curve.json") as path:
            path.write_text(json.dumps(curve, indent=1))

    synthesis, loss_of = model.generator.synthesis, drawing_loss
    if arguments.compile:
        synthesis, loss_of = (torch.compile(part, dynamic=False) for part in (synthesis, loss_of))
    size, total = arguments.batch, arguments.images
    started, reported, losses = time.monotonic() - seconds, time.monotonic(), []
    while seen < total:
        progress = seen / total
        resolution = 16 if progress < arguments.until_16 else 32 if progress < arguments.until_32 else full
        distilling = progress >= arguments.teach
        rng = np.random.default_rng([arguments.seed, seen])
        z, codes, true = batch(data, rng.choice(len(shares), size, p=shares))
        true = F.avg_pool2d(true, full // resolution)

        decay = 1.0 if progress < 0.3 else 0.5 + 0.5 * math.cos(math.pi * (progress - 0.3) / 0.7)
        rate = min(1.0, (seen + size) / (200 * size)) * (0.03 + 0.97 * decay)
        for group in adam.param_groups:
            group["lr"] = arguments.learning_rate * rate * group["scale"]

        if distilling:
            shape, colour = (mapped(model.generator, z[:, k]) for k in (0, 1))
        else:
            shape, colour = (model.teacher(codes[:, k]) for k in (0, 1))
        w = layer_latents(shape, colour, model.generator.num_ws)
        drawn = synthesis(w, None, "none", resolution, dtype=torch.bfloat16)
        loss = loss_of(drawn, true)
        model.zero_grad()
        loss.backward()
        adam.step()
        muon.step(arguments.kernel_rate * rate)
        seen += size
        losses.append(float(loss.detach()))

        halflife = min(8000.0, max(200.0, 0.03 * seen))
        with torch.no_grad():
            for mean, current in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(current, 1 - 0.5 ** (size / halflife))

        if not distilling and seen / total >= arguments.teach:
            reader = read_codes(output / "codes.pt", arguments)
            join(reader, average.teacher, average.generator)
            model.load_state_dict(average.state_dict())
        if time.monotonic() - reported > arguments.report or seen >= total:
            reported, seconds = time.monotonic(), time.monotonic() - started
            error = evaluate(average, held_out, resolution, distilling, output, seen)
            curve.append({"images": seen, "seconds": seconds, "resolution": resolution, "held_out_l1": error})
            print(
                f"{seen} images {seconds:.0f} s ({seen / seconds:.0f}/s) {resolution} px "
                f"loss {np.mean(losses):.4f} held-out L1 {error:.4f}",
                flush=True,
            )
            losses.clear()
            save()
        every = arguments.snapshot_every
        if every and resolution == full and seen // every > (seen - size) // every:
            snapshot = copy.deepcopy(average)
            if not distilling:
                join(read_codes(output / "codes.pt", arguments), snapshot.teacher, snapshot.generator)
            finish(snapshot.generator, output / "snapshots" / f"{seen:07d}", arguments.seed)
    finish(average.generator, output / "faces", arguments.seed)


class CodeReader(nn.Module):
    """The first layers of the mapping network and a linear readout: z to the code of its face."""

    def __init__(self) -> None:
        super().__init__()
        widths = [Z_DIM] + [W_DIM] * 3
        self.layers = nn.ModuleList(Linear(i, o, lr_multiplier=0.01) for i, o in pairwise(widths))
        self.readout = nn.Linear(W_DIM, synthfaces.CODE_DIM)
        # Attributes are functions of one coordinate each, mostly steps: let every unit of the first layer
        # bend at some quantile of one coordinate. Training takes it from there, in half the time.
        coordinates = torch.arange(W_DIM) % USED_COORDINATES
        quantiles = (torch.arange(W_DIM) // USED_COORDINATES + 0.5) / math.ceil(W_DIM / USED_COORDINATES)
        sign = torch.where(torch.arange(W_DIM) % 2 == 0, 1.0, -1.0)
        first = self.layers[0]
        with torch.no_grad():
            first.weight.zero_()
            first.weight[torch.arange(W_DIM), coordinates] = sign / first.weight_gain
            first.bias.copy_(-sign * torch.special.ndtri(quantiles) / first.bias_gain)

    def forward(self, z: Tensor) -> Tensor:
        """(N, z_dim), at unit mean square, to (N, CODE_DIM)."""
        for layer in self.layers:
            z = activate(layer(z))
        return self.readout(z)


def read_codes(path: Path, arguments: argparse.Namespace) -> CodeReader:
    """Teach a network to read codes off z, once: a regression, no pictures needed."""
    reader = CodeReader()
    if path.exists():
        reader.load_state_dict(torch.load(path, weights_only=True))
        return reader
    z = np.stack([normalise(synthfaces.latent(3, index)) for index in range(arguments.code_faces)])
    codes = np.stack([synthfaces.code(synthfaces.Attributes.from_normal(row)) for row in z])
    inputs, targets = torch.from_numpy(z).float(), torch.from_numpy(codes)
    spread = targets.std(0).clamp(min=0.05)
    kernels = [layer.weight for layer in reader.layers[1:]]
    muon = Muon(kernels)
    slow = [p for layer in reader.layers for p in layer.parameters() if not any(p is k for k in kernels)]
    adam = torch.optim.Adam(
        [{"params": slow}, {"params": reader.readout.parameters()}], betas=(0.9, 0.99), fused=True
    )
    steps, started, losses = arguments.code_steps, time.monotonic(), []
    rng = torch.Generator().manual_seed(arguments.seed)
    for step in range(steps):
        rate = min(1, (step + 1) / 50) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * step / steps)))
        adam.param_groups[0]["lr"] = 3e-3 * rate * MAPPING_RATE
        adam.param_groups[1]["lr"] = 3e-3 * rate
        rows = torch.randint(len(inputs), (512,), generator=rng)
        loss = ((reader(inputs[rows]) - targets[rows]) / spread).square().mean()
        reader.zero_grad()
        loss.backward()
        adam.step()
        muon.step(0.02 * rate * MAPPING_RATE, unit=False)
        losses.append(loss.item())
        if step % 250 == 249:
            print(
                f"codes {step + 1} of {steps}: unexplained variance {np.mean(losses[-250:]):.4f} "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
    with atomic_path(path) as temporary:
        torch.save(reader.state_dict(), temporary)
    return reader


@torch.no_grad()
def join(reader: CodeReader, teacher: Teacher, generator: Generator) -> None:
    """Make the plain mapping network of the reader's layers and the teacher's.

    The reader's readout and the teacher's first layer have no activation in between: they become one layer.
    """
    layers = generator.mapping.layers
    for layer, source in zip(layers, reader.layers, strict=False):
        layer.load_state_dict(source.state_dict())
    first = teacher.layers[0]
    weight = first.weight * first.weight_gain
    effective = [(weight @ reader.readout.weight, weight @ reader.readout.bias + first.bias)]
    effective += [(layer.weight * layer.weight_gain, layer.bias) for layer in teacher.layers[1:]]
    for layer, (weight, bias) in zip(layers[len(reader.layers) :], effective, strict=True):
        layer.weight.copy_(weight / layer.weight_gain)
        layer.bias.copy_(bias / layer.bias_gain)


@torch.no_grad()
def evaluate(
    average: Pair,
    held_out: tuple[Tensor, Tensor, Tensor],
    resolution: int,
    plain: bool,
    output: Path,
    seen: int,
) -> float:
    """Mean absolute difference to faces never trained on; a grid of truths above drawings."""
    z, codes, true = held_out
    true = F.avg_pool2d(true, true.shape[-1] // resolution)
    shape, colour = (
        mapped(average.generator, z[:, k]) if plain else average.teacher(codes[:, k]) for k in (0, 1)
    )
    w = layer_latents(shape, colour, average.generator.num_ws)
    synthesis = partial(average.generator.synthesis, noise="none", resolution=resolution)
    drawn = torch.cat([synthesis(part, dtype=torch.bfloat16) for part in w.split(64)])
    rows = [x[k : k + 16] for k in (0, 16, 48, 64) for x in (true, drawn)]
    pictures.save_png(pictures.grid(rows, scale=128 // resolution), output / f"samples-{seen:07d}.png")
    return float((drawn - true).abs().mean())


@torch.no_grad()
def finish(generator: Generator, output: Path, seed: int) -> None:
    """Set the average w, and save what a stranger loads."""
    z = torch.randn(50_000, Z_DIM, generator=torch.Generator().manual_seed(seed))
    generator.mapping.w_avg.copy_(torch.cat([mapped(generator, part) for part in z.split(5000)]).mean(0))
    generator.save_pretrained(output, torch.float16)
    print(f"saved {output}", flush=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("runs/faces"))
    parser.add_argument("--resolution", type=int, choices=(64, 128), default=64)
    parser.add_argument("--init", help="generator to begin with, of this resolution or half of it")
    parser.add_argument(
        "--train-from", type=int, help="with --init, the least resolution whose layers learn; all by default"
    )
    parser.add_argument("--data", type=Path, default=Path("runs/data"))
    parser.add_argument("--faces", type=int, default=24_000, help="size of the training set")
    parser.add_argument("--processes", type=int, default=2, help="that draw the training set")
    parser.add_argument("--images", type=int, default=172_000, help="pictures shown in all")
    parser.add_argument("--until-16", type=float, default=0.13, help="share of the training at 16 px")
    parser.add_argument("--until-32", type=float, default=0.5, help="share of the training up to 32 px")
    parser.add_argument("--teach", type=float, default=0.84, help="share of the training with the teacher")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--kernel-rate", type=float, default=0.02)
    parser.add_argument(
        "--code-faces", type=int, default=200_000, help="faces that teach to read codes off z"
    )
    parser.add_argument("--code-steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", type=float, default=120, help="seconds between checkpoints")
    parser.add_argument(
        "--snapshot-every",
        type=int,
        default=0,
        help="pictures between generators kept on the way, from full resolution on",
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile the synthesis network (needs a C++ compiler)"
    )
    arguments = parser.parse_args()
    if arguments.resolution > 64 and not arguments.init:
        parser.error("--resolution 128 grows from a generator of 64 px; name it with --init")
    train(arguments)


if __name__ == "__main__":
    main()
