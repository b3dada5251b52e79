"""The truth: faces that a generator draws, and what the face world draws for the same face.

The one module that knows `synthfaces`; it needs the extra `faces`, and imports it when it draws.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.errors import CheckpointError, InputError
from domainvec.evaluation.inversion import invert, resample
from domainvec.evaluation.pairing import own_truth_nearest
from domainvec.files import save_tensors
from domainvec.images import from_uint8
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator

FACE_DIM = 64
"""Width of the normal noise z that a face of the world is made of."""
LARGEST_DRAWING = 128
"""Side in pixels that the world's media are drawn at."""

Draw = Callable[[Tensor, str, int], Tensor]
"""Faces z (N, FACE_DIM), a domain's name and a resolution to pictures (N, 3, H, W)."""

_AT_ONCE = 16
_TESTED = 32


def true_drawings(z: Tensor, domain: str, resolution: int = 64) -> Tensor:
    """Draw faces in a domain of the face world.

    Args:
        z: a face for each row, (N, FACE_DIM); it is scaled to unit mean square, as mapping networks do.
        domain: such as "photo", "zombie" or "pencil_sketch+zombie".
        resolution: side in pixels, a divisor of 128.

    Returns:
        (N, 3, resolution, resolution) in [-1, 1].

    Raises:
        InputError: if z is not (N, FACE_DIM), or the extra `faces` is not installed.
        UnknownDomainError, DrawingError: as `synthfaces.draw`.
    """
    if z.ndim != 2 or z.shape[1] != FACE_DIM:
        raise InputError(f"z has shape {tuple(z.shape)}; the world's faces are (N, {FACE_DIM})")
    synthfaces = _world()
    z = z.cpu()
    normalised = (z / z.square().mean(1, keepdim=True).sqrt()).double().numpy()
    faces = [synthfaces.Attributes.from_normal(row) for row in normalised]
    return from_uint8(synthfaces.draw_many(faces, domain, resolution))


def visible_questions(domain: str) -> tuple[str, ...]:
    """Names of the questions whose answers can be seen in a domain: no colours where it has its own.

    Raises:
        InputError: if the extra `faces` is not installed.
        UnknownDomainError: as `synthfaces.domain`.
    """
    synthfaces = _world()
    natural = synthfaces.domain(domain).keeps_colors
    return tuple(name for name, asked in synthfaces.QUESTIONS.items() if natural or not asked.needs_color)


@dataclass(frozen=True)
class FacePairs:
    """The same faces in a generator and in the world."""

    w: Tensor
    """The generator's latents, (N, num_ws, w_dim)."""
    z: Tensor
    """The world's faces, (N, FACE_DIM)."""

    def __len__(self) -> int:
        return len(self.z)


def pairs_for(
    generator: Generator,
    seed: int,
    count: int,
    cache_folder: str | os.PathLike[str] | None = None,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    steps: int = 150,
    draw: Draw = true_drawings,
) -> FacePairs:
    """Find latents of a generator that show known faces of the world.

    A generator that was taught the world's faces by their noise, as the bundled one, gives them at once. For
    any other the world's photos are inverted, a few at a time; with a cache folder this goes on where it was
    interrupted, and is done once.

    Args:
        generator: of faces of the world.
        seed: of the first face; the others have the seeds that follow, as in `domainvec.seeds.latents`.
        count: number of faces.
        cache_folder: where to keep inverted latents, a file for each generator, world and seed; None keeps
            nothing.
        features: as in `invert`.
        steps: as in `invert`.
        draw: the world.

    Raises:
        CheckpointError: if the file in the cache is broken.
        InputError: if count is below 1.
    """
    if count < 1:
        raise InputError(f"count is {count}; expected 1 or more")
    z = latents(range(seed, seed + count), FACE_DIM)
    device = generator.mapping.w_avg.device
    if knows_faces(generator, draw):
        with torch.no_grad():
            return FacePairs(generator.mapping(z.to(device)), z)
    side = min(generator.resolution, LARGEST_DRAWING)
    file = None
    w = torch.empty(0, generator.num_ws, generator.w_dim)
    if cache_folder is not None:
        # The first photo tells whether the world is still the one that was inverted.
        world = hashlib.sha256(draw(z[:1], "photo", side).numpy().tobytes()).hexdigest()[:8]
        file = Path(cache_folder) / f"pairs-{generator.fingerprint}-{world}-{seed}-{steps}.safetensors"
        w = _cached(file, w)
    for start in range(len(w), count, _AT_ONCE):
        photos = draw(z[start : start + _AT_ONCE], "photo", side)
        w = torch.cat([w, invert(generator, photos, features=features, steps=steps).cpu()])
        if file is not None:
            save_tensors(file, {"w": w})
    return FacePairs(w[:count].to(device), z)


@torch.no_grad()
def knows_faces(generator: Generator, draw: Draw = true_drawings) -> bool:
    """Whether the generator draws, for noise z, the face that the world makes of z.

    It does if at least half of 32 pictures are nearest to their own photo; chance is 1 in 32.
    """
    if generator.z_dim != FACE_DIM:
        return False
    z = latents(range(_TESTED), FACE_DIM)
    images = generator(z.to(generator.mapping.w_avg.device)).cpu()
    photos = draw(z, "photo", min(generator.resolution, LARGEST_DRAWING))
    return own_truth_nearest(resample(images, photos.shape[-1]), photos).value >= 0.5


def _world() -> ModuleType:
    """Import the face world, which needs the libraries that draw."""
    try:
        import synthfaces.domains
    except ImportError as error:
        raise InputError(
            f"the face world cannot be drawn: {error}; install it with: pip install 'domainvec[faces]'"
        ) from error
    return synthfaces


def _cached(file: Path, like: Tensor) -> Tensor:
    """What an earlier run has found, (M, num_ws, w_dim)."""
    if not file.exists():
        return like
    try:
        with safe_open(file, framework="pt") as stored:
            w: Tensor = stored.get_tensor("w").clone()
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}; delete it to invert anew") from error
    if w.shape[1:] != like.shape[1:] or not w.isfinite().all():
        raise CheckpointError(f"{file} does not hold latents of this generator; delete it to invert anew")
    return w
