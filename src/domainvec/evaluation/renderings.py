"""Ground truth: renderings by `synthfaces` of the faces that a generator draws.

This is the only module that uses `synthfaces`; it imports it on demand, since it needs the extra `faces`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.errors import CheckpointError, InputError
from domainvec.evaluation.pairing import nearest_neighbor_accuracy
from domainvec.evaluation.reconstruction import reconstruct, resample
from domainvec.files import save_tensors
from domainvec.images import from_uint8
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator

FACE_DIM = 64
"""Length of the latent z of a rendered face."""
MAX_RENDER_RESOLUTION = 128
"""Largest side in pixels of a rendering in any domain."""

Renderer = Callable[[Tensor, str, int], Tensor]
"""Maps latents z (N, FACE_DIM), the name of a domain and a resolution to images (N, 3, H, W)."""

_INVERSION_BATCH = 16
_NUM_TESTED = 32


def render_faces(z: Tensor, domain: str, resolution: int = 64) -> Tensor:
    """Render faces in a domain of `synthfaces`.

    Args:
        z: latents, (N, FACE_DIM), which are scaled to unit mean square, as by mapping networks.
        domain: such as "photo", "zombie" or "pencil_sketch+zombie".
        resolution: side in pixels, a divisor of 128.

    Returns:
        (N, 3, resolution, resolution) in [-1, 1].

    Raises:
        InputError: if z is not (N, FACE_DIM), or the extra `faces` is not installed.
        UnknownDomainError, DrawingError: as `synthfaces.draw`.
    """
    return from_uint8(_import_synthfaces().draw_many(_faces(z), domain, resolution))


def face_attributes(z: Tensor, question: str) -> list[str | None]:
    """Answer a question about rendered faces: such as "smiling" or "serious" to "smile".

    Args:
        z: latents, (N, FACE_DIM), as for `render_faces`.
        question: a name of `synthfaces.QUESTIONS`.

    Returns:
        An answer for each face; None where it is on the border or cannot be seen.

    Raises:
        InputError: if z is not (N, FACE_DIM), there is no such question, or the extra `faces` is not
            installed.
    """
    questions = _import_synthfaces().QUESTIONS
    if question not in questions:
        raise InputError(f"there is no question {question!r}; there are {', '.join(questions)}")
    return [questions[question].read(face) for face in _faces(z)]


def _faces(z: Tensor) -> list[Any]:
    if z.ndim != 2 or z.shape[1] != FACE_DIM:
        raise InputError(f"z has shape {tuple(z.shape)}; expected (N, {FACE_DIM})")
    z = z.cpu()
    normalized = (z / z.square().mean(1, keepdim=True).sqrt()).double().numpy()
    return [_import_synthfaces().Attributes.from_normal(row) for row in normalized]


def visible_questions(domain: str) -> tuple[str, ...]:
    """List the questions that can be answered in a domain: none about colours if it changes them.

    Raises:
        InputError: if the extra `faces` is not installed.
        UnknownDomainError: as `synthfaces.domain`.
    """
    synthfaces = _import_synthfaces()
    keeps_colors = synthfaces.domain(domain).keeps_colors
    questions = synthfaces.QUESTIONS.items()
    return tuple(name for name, question in questions if keeps_colors or not question.needs_color)


@dataclass(frozen=True)
class FacePairs:
    """Latents of the same faces for a generator and for the renderer."""

    w: Tensor
    """Latents of the generator, (N, num_ws, w_dim)."""
    z: Tensor
    """Latents of the renderer, (N, FACE_DIM)."""

    def __len__(self) -> int:
        return len(self.z)


def find_pairs(
    generator: Generator,
    seed: int,
    count: int,
    cache_folder: str | os.PathLike[str] | None = None,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    steps: int = 150,
    renderer: Renderer = render_faces,
) -> FacePairs:
    """Find latents of a generator that show the same faces as the renderer.

    If the generator shares its latents with the renderer, as the bundled one does, they are those of its
    mapping network. Otherwise renderings of photos are inverted in batches, resuming from the cache.

    Args:
        generator: a generator of rendered faces.
        seed: of the first face; the others use consecutive seeds, as in `domainvec.seeds.latents`.
        count: number of faces.
        cache_folder: where to cache inverted latents; None disables the cache.
        features: as in `reconstruct`.
        steps: as in `reconstruct`.
        renderer: renders the photos.

    Raises:
        CheckpointError: if a cached file is corrupt.
        InputError: if count is below 1.
    """
    if count < 1:
        raise InputError(f"count is {count}; expected 1 or more")
    z = latents(range(seed, seed + count), FACE_DIM)
    device = generator.mapping.w_avg.device
    if shares_face_latents(generator, renderer):
        with torch.no_grad():
            return FacePairs(generator.mapping(z.to(device)), z)
    side = min(generator.resolution, MAX_RENDER_RESOLUTION)
    file = None
    w = torch.empty(0, generator.num_ws, generator.w_dim)
    if cache_folder is not None:
        # A hash of the first photo detects changes of the renderer.
        version = hashlib.sha256(renderer(z[:1], "photo", side).numpy().tobytes()).hexdigest()[:8]
        file = Path(cache_folder) / f"pairs-{generator.fingerprint}-{version}-{seed}-{steps}.safetensors"
        w = _cached(file, w)
    for start in range(len(w), count, _INVERSION_BATCH):
        photos = renderer(z[start : start + _INVERSION_BATCH], "photo", side)
        w = torch.cat([w, reconstruct(generator, photos, features=features, steps=steps).cpu()])
        if file is not None:
            save_tensors(file, {"w": w})
    return FacePairs(w[:count].to(device), z)


@torch.no_grad()
def shares_face_latents(generator: Generator, renderer: Renderer = render_faces) -> bool:
    """Return whether a generator maps z to the same face as the renderer.

    The criterion is a nearest-neighbour accuracy of at least one half for 32 faces.
    """
    if generator.z_dim != FACE_DIM:
        return False
    z = latents(range(_NUM_TESTED), FACE_DIM)
    images = generator(z.to(generator.mapping.w_avg.device)).cpu()
    photos = renderer(z, "photo", min(generator.resolution, MAX_RENDER_RESOLUTION))
    return nearest_neighbor_accuracy(resample(images, photos.shape[-1]), photos).value >= 0.5


def _import_synthfaces() -> ModuleType:
    """Import synthfaces, which needs optional dependencies."""
    try:
        import synthfaces.domains
    except ImportError as error:
        raise InputError(
            f"faces cannot be rendered: {error}; install the renderer with: pip install 'domainvec[faces]'"
        ) from error
    return synthfaces


def _cached(file: Path, like: Tensor) -> Tensor:
    """Read the latents that an earlier run has found, (M, num_ws, w_dim)."""
    if not file.exists():
        return like
    try:
        with safe_open(file, framework="pt") as stored:
            w: Tensor = stored.get_tensor("w").clone()
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}; delete it to repeat the inversion") from error
    if w.shape[1:] != like.shape[1:] or not w.isfinite().all():
        raise CheckpointError(
            f"{file} does not hold latents of this generator; delete it to repeat the inversion"
        )
    return w
