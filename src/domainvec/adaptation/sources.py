"""The source side of an adaptation: pictures of the frozen generator, and what the encoders see in them.

None of it depends on the domain. Drawn from a pool of latents it is computed once, kept in a file, and shared
by all domains that are trained on that generator with those encoders.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.adaptation.drawing import draw_latents, draw_step, encoding, synthesize
from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.settings import AdaptationSettings
from domainvec.files import save_tensors
from domainvec.guidance.viewing import Seen, Viewer
from domainvec.stylegan2.download import cache_folder

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

BLOCK = 4
"""How many entries are computed together, always the same ones: rounding depends on a batch's company."""


@dataclass(frozen=True)
class Sources:
    """The source side of a batch.

    Args:
        w: latents (N, num_ws, w_dim).
        images: G(w), (N, 3, R, R), or None where only looks are needed.
        looks: what each encoder sees in them, (N, L, D_i), as far as that is known (`Viewer.look`).
    """

    w: Tensor
    images: Tensor | None
    looks: Sequence[Tensor] = ()


class SourcePool:
    """A fixed number of latents with what follows from them, computed at first need.

    Args:
        latents: all w of the pool, (P, num_ws, w_dim).
        compute: gives images and looks of some latents, whose first one's number it is told besides.
        keep_images: whether images are needed besides looks; they are kept in half precision.
        path: the file that keeps them between runs; what is there is read now.
    """

    def __init__(
        self,
        latents: Tensor,
        compute: Callable[[Tensor, int], tuple[Tensor, Sequence[Tensor]]],
        keep_images: bool,
        path: Path,
    ) -> None:
        self._latents = latents
        self._compute = compute
        self._keep_images = keep_images
        self._path = path
        self._known: dict[str, Tensor] = self._read()
        self._num_new = 0

    def draw(self, seed: int, step: int, count: int) -> Sources:
        """Give the batch of a step: the pool is gone through in a new order each time.

        Args:
            seed: of the run.
            step: counted from 0.
            count: the batch size.
        """
        size = len(self._latents)
        orders: dict[int, Tensor] = {}
        indices = []
        for position in range(step * count, (step + 1) * count):
            epoch = position // size
            if epoch not in orders:
                orders[epoch] = torch.randperm(size, generator=step_rng(seed, epoch, "order of the pool"))
            indices.append(int(orders[epoch][position % size]))
        for index in indices:
            self._ensure(index)
        chosen = torch.tensor(indices)
        device = self._latents.device
        parts = {name: tensor[chosen].to(device) for name, tensor in self._known.items()}
        return Sources(
            self._latents[chosen.to(device)],
            parts["images"].float() if self._keep_images else None,
            [parts[name] for name in sorted(parts) if name.startswith("looks.")],
        )

    def save(self) -> None:
        """Write what is known to the file, unless nothing is new; where that fails, a warning says so."""
        if self._num_new:
            try:
                save_tensors(self._path, self._known)
            except OSError as error:
                warnings.warn(
                    f"the source pool cannot be kept in {self._path.parent} ({error}): the next run will "
                    "compute it anew; set DOMAINVEC_CACHE to a folder that can be written to",
                    stacklevel=2,
                )
            self._num_new = 0

    def _ensure(self, index: int) -> None:
        if self._known and self._known["known"][index]:
            return
        block = slice(index // BLOCK * BLOCK, (index // BLOCK + 1) * BLOCK)
        with torch.no_grad():
            images, looks = self._compute(self._latents[block], block.start)
        values = {f"looks.{i}": tensor.float().cpu() for i, tensor in enumerate(looks)}
        if self._keep_images:
            values["images"] = images.half().cpu()
        size = len(self._latents)
        if not self._known:
            self._known = {name: value.new_zeros(size, *value.shape[1:]) for name, value in values.items()}
            self._known["known"] = torch.zeros(size, dtype=torch.bool)
        for name, value in values.items():
            self._known[name][block] = value
        self._known["known"][block] = True
        self._num_new += 1

    def _read(self) -> dict[str, Tensor]:
        """Read the file; one that is missing or broken is made anew."""
        try:
            with safe_open(self._path, framework="pt") as file:
                # Copies, since numbers mapped from a file are not aligned as others are.
                return {name: file.get_tensor(name).clone() for name in file.keys()}
        except (OSError, SafetensorError):
            return {}


class SourceSide:
    """What a step starts from, whatever the domain: latents, and their pictures as the encoders see them.

    Args:
        generator: the frozen generator.
        settings: of the run; those of other runs may differ in what guides and what is trained.
        viewer: shows the encoders the pictures.
        about: the metadata that `describe` gives, in which generator and encoders have their fingerprints.
    """

    def __init__(
        self, generator: Generator, settings: AdaptationSettings, viewer: Viewer, about: Mapping[str, Any]
    ) -> None:
        self._generator, self._settings, self._viewer = generator, settings, viewer
        self._about = about
        self._pools: dict[int | None, SourcePool] = {}
        self._step: int | None = None

    def at(self, step: int) -> tuple[Tensor, Seen]:
        """Give latents (N, num_ws, w_dim) and what is seen in their pictures; the last step is kept."""
        if step != self._step:
            settings = self._settings
            sources = self._draw(step)
            with encoding(settings, sources.w.device):
                rng = step_rng(settings.seed, step, "views")
                seen = self._viewer.see(sources.images, generator=rng, looks=sources.looks)
            self._kept, self._step = (sources.w, seen), step
        return self._kept

    def save(self) -> None:
        """Keep the pools' pictures for other runs."""
        for pool in self._pools.values():
            pool.save()

    def _draw(self, step: int) -> Sources:
        settings, generator = self._settings, self._generator
        if settings.source_pool:
            resolution = settings.resolution_at(step)
            if resolution not in self._pools:
                self._pools[resolution] = _source_pool(generator, settings, self._viewer, self._about, step)
            return self._pools[resolution].draw(settings.seed, step, settings.batch_size)
        with torch.no_grad():
            w = draw_step(generator, settings, step)
            return Sources(w, synthesize(generator, settings, w, step, None))


def _source_pool(
    generator: Generator, settings: AdaptationSettings, viewer: Viewer, about: Mapping[str, Any], step: int
) -> SourcePool:
    """Make the pool from which a step draws, and others of its resolution."""

    def compute(w: Tensor, first: int) -> tuple[Tensor, Sequence[Tensor]]:
        images = synthesize(generator, settings, w, step, None)
        with encoding(settings, w.device):
            return images, viewer.look(images, generator=step_rng(0, first, "views of the pool"))

    noise = hashlib.sha256()
    for _, noise_map in sorted(generator.synthesis.named_buffers()):
        noise.update(noise_map.cpu().float().numpy().tobytes())
    decides = ("source_pool", "style_mixing", "truncation_psi", "noise", "precision")
    identity = {
        "version": 2,
        "generator": about["generator_fingerprint"],
        "noise_maps": noise.hexdigest(),
        "encoders": [encoder["fingerprint"] for encoder in about["encoders"]] if viewer.encoders else [],
        "images": viewer.needs_images,
        "looks": viewer.settings,
        "resolution": settings.resolution_at(step) or generator.resolution,
        **{name: getattr(settings, name) for name in decides},
    }
    text = json.dumps(identity, sort_keys=True)
    file = cache_folder() / "sources" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
    rng = step_rng(0, 0, "latents of the pool")  # The same for every seed, or it could not be shared.
    with torch.no_grad():
        latents = draw_latents(generator, settings, settings.source_pool, rng)
    return SourcePool(latents, compute, viewer.needs_images, file)
