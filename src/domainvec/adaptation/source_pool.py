"""The source side of an adaptation: images of the frozen generator, and what the encoders see in them.

None of it depends on the domain. Drawn from a pool of latents it is computed once, kept in a file, and shared
by all domains that are trained on that generator with those encoders.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from domainvec.adaptation.drawing import draw_latents, draw_step, synthesize
from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.training import AdaptationEncoder, Training
from domainvec.files import save_tensors
from domainvec.guidance.viewing import SourceBatch, Viewer
from domainvec.stylegan2.download import cache_folder

if TYPE_CHECKING:
    from domainvec.stylegan2.network import Generator

_BLOCK = 4
"""Entries are computed in fixed groups of this size, since rounding depends on the rest of a batch."""

_DECIDES = ("source_pool", "style_mixing", "truncation_psi", "noise", "precision")
"""Settings that decide what is in a pool."""

_DECIDES_BATCH = ("batch_size", "resolution", "seed", "shared_draws")
"""Settings that decide what is in the batch of a step besides."""


@dataclass(frozen=True)
class PoolEntries:
    """Latents and what is known of their images.

    Attributes:
        w: latents (N, num_ws, w_dim).
        images: G(w), (N, 3, R, R), or None where only embeddings are needed.
        embeddings: those of each encoder, (N, L, D_i), as far as they are known (`Viewer.precompute`).
    """

    w: Tensor
    images: Tensor | None
    embeddings: Sequence[Tensor] = ()


class SourcePool:
    """A fixed set of latents with their images and embeddings, computed when first needed.

    Args:
        latents: all w of the pool, (P, num_ws, w_dim).
        compute: returns images and embeddings of some latents; it is also told the number of the first one.
        keep_images: whether images are needed besides embeddings; they are kept in half precision.
        path: the file that keeps them between runs; what it holds is read now.
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

    def draw(self, seed: int, step: int, count: int) -> PoolEntries:
        """Return the batch of a step; each pass over the pool has another order.

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
        return PoolEntries(
            self._latents[chosen.to(device)],
            parts["images"].float() if self._keep_images else None,
            [parts[name] for name in sorted(parts) if name.startswith("embeddings.")],
        )

    def save(self) -> None:
        """Write the file if there is anything new; warn where that fails."""
        if self._num_new:
            try:
                save_tensors(self._path, self._known)
            except OSError as error:
                warnings.warn(
                    f"the source pool cannot be kept in {self._path.parent} ({error}), so the next run will "
                    "compute it again; set DOMAINVEC_CACHE to a folder that can be written to",
                    stacklevel=2,
                )
            self._num_new = 0

    def _ensure(self, index: int) -> None:
        if self._known and self._known["known"][index]:
            return
        block = slice(index // _BLOCK * _BLOCK, (index // _BLOCK + 1) * _BLOCK)
        with torch.no_grad():
            images, embeddings = self._compute(self._latents[block], block.start)
        values = {f"embeddings.{i}": tensor.float().cpu() for i, tensor in enumerate(embeddings)}
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
        """Read the file; one that is missing or broken is computed again."""
        try:
            with safe_open(self._path, framework="pt") as file:
                # Copies, since numbers mapped from a file are not aligned as others are.
                return {name: file.get_tensor(name).clone() for name in file.keys()}
        except (OSError, SafetensorError):
            return {}


class SourceSide:
    """What a step starts from, whatever the domain: latents, and their images as the encoders see them.

    Args:
        generator: the frozen generator.
        encoders: with their fingerprints.
        training: of one session; those of others may differ in what is trained.
        viewer: shows the images to the encoders.
    """

    def __init__(
        self,
        generator: Generator,
        encoders: Sequence[AdaptationEncoder],
        training: Training,
        viewer: Viewer,
    ) -> None:
        self._generator, self._encoders, self._training = generator, encoders, training
        self._viewer = viewer
        self._pools: dict[int | None, SourcePool] = {}
        self._step: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for sessions that can share a source side."""
        training = self._training
        return (
            id(self._generator),
            tuple(map(id, self._encoders)),
            json.dumps(self._viewer.settings),
            self._viewer.needs_images,
            *(getattr(training, name) for name in (*_DECIDES, *_DECIDES_BATCH)),
            training.full_size_fraction,
            training.full_size_fraction and training.steps,
        )

    def at(self, step: int) -> tuple[Tensor, SourceBatch]:
        """Return latents (N, num_ws, w_dim) and their source batch; that of the last step is kept."""
        if step != self._step:
            training = self._training
            entries = self._draw(step)
            with training.autocast(entries.w.device):
                rng = step_rng(training.seed, step, "views")
                source = self._viewer.source_batch(entries.images, rng=rng, precomputed=entries.embeddings)
            self._kept, self._step = (entries.w, source), step
        return self._kept

    def save(self) -> None:
        """Keep the pools for other runs."""
        for pool in self._pools.values():
            pool.save()

    def _draw(self, step: int) -> PoolEntries:
        training, generator = self._training, self._generator
        if training.source_pool:
            resolution = training.resolution_at(step)
            if resolution not in self._pools:
                self._pools[resolution] = self._make_pool(step)
            return self._pools[resolution].draw(training.seed, step, training.batch_size)
        with torch.no_grad():
            w = draw_step(generator, training, step)
            own = w if training.shared_draws else draw_step(generator, training, step, source=True)
            return PoolEntries(w, synthesize(generator, training, own, step, None))

    def _make_pool(self, step: int) -> SourcePool:
        """Make the pool that a step draws from, and others of its resolution."""
        generator, training, viewer = self._generator, self._training, self._viewer

        def compute(w: Tensor, first: int) -> tuple[Tensor, Sequence[Tensor]]:
            images = synthesize(generator, training, w, step, None)
            with training.autocast(w.device):
                return images, viewer.precompute(images, rng=step_rng(0, first, "views of the pool"))

        noise = hashlib.sha256()
        for _, noise_map in sorted(generator.synthesis.named_buffers()):
            noise.update(noise_map.cpu().float().numpy().tobytes())
        identity = {
            "version": 3,
            "generator": generator.fingerprint,
            "conv_clamp": generator.config.conv_clamp,
            "noise_maps": noise.hexdigest(),
            "encoders": [each.fingerprint for each in self._encoders] if viewer.encoders else [],
            "images": viewer.needs_images,
            "views": viewer.settings,
            "resolution": training.resolution_at(step) or generator.resolution,
            **{name: getattr(training, name) for name in _DECIDES},
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        rng = step_rng(0, 0, "latents of the pool")  # The same for every seed, or it could not be shared.
        with torch.no_grad():
            latents = draw_latents(generator, training, training.source_pool, rng)
        file = cache_folder() / "sources" / f"{digest}.safetensors"
        return SourcePool(latents, compute, viewer.needs_images, file)
