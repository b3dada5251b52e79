"""The judge: a classifier of the domain and the attributes of a face, never used for guidance."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from domainvec.errors import CheckpointError, InputError, ShapeError
from domainvec.files import BUNDLED_FOLDER, atomic_path, save_tensors

DOMAIN_HEADS = ("medium", "character", "mood")
"""The heads that together classify the domain; class 0 of each is that of a plain photo."""

_KIND = "domainvec-judge-2"


class Judge(nn.Module):
    """A convolutional classifier of rendered faces, with one head for each question.

    A domain consists of a medium, a character and a mood, each predicted by its own head, so that
    compositions such as "pencil_sketch+zombie" are classified as well. All other heads predict attributes.

    Its architecture and its training data differ from those of the guiding encoders (a residual network with
    batch normalisation, not a vision transformer), so that adversarial examples of one rarely fool the other.

    Args:
        heads: the class names of each head, including "medium", "character" and "mood". Class 0 of these
            three is that of a plain photo, and class 0 of "medium" is its name.
        widths: channels of each stage; all stages but the first halve the resolution.
        resolution: input resolution; images of another size are resampled.

    Raises:
        InputError: if there are no widths, a domain head is missing, a head has fewer than two classes or a
            duplicate, or the name of a domain occurs twice or contains a "+".
    """

    def __init__(
        self,
        heads: Mapping[str, Sequence[str]],
        *,
        widths: Sequence[int] = (32, 64, 128, 192),
        resolution: int = 64,
    ) -> None:
        super().__init__()
        self.heads = {head: tuple(classes) for head, classes in heads.items()}
        self.widths = tuple(widths)
        self.resolution = resolution
        _check_heads(self.heads)
        if not widths:
            raise InputError("widths are empty; expected the channels of at least one stage")
        self.names = (
            self.heads["medium"][0],
            *(name for head in DOMAIN_HEADS for name in self.heads[head][1:]),
        )
        if len(set(self.names)) < len(self.names) or any("+" in name for name in self.names):
            raise InputError(f"the domains are {list(self.names)}; expected each once, and no '+' in a name")
        self.stages = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
            *(_DownBlock(before, after) for before, after in pairwise(widths)),
        )
        self.classifier = nn.Linear(2 * widths[-1], sum(map(len, self.heads.values())))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Classify images.

        Args:
            images: (N, 3, H, W), about [-1, 1].

        Returns:
            logits (N, classes) of each head.

        Raises:
            ShapeError: if the images have another shape.
        """
        activations = self._activations(images)
        pooled = torch.cat([activations.mean(dim=(2, 3)), activations.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.classifier(pooled)
        sizes = [len(classes) for classes in self.heads.values()]
        return dict(zip(self.heads, torch.split(logits, sizes, dim=1), strict=True))

    def features(self, images: Tensor) -> Tensor:
        """Extract features: the spatial mean of the last activations.

        Args:
            images: (N, 3, H, W), about [-1, 1].

        Returns:
            (N, widths[-1]), not negative.

        Raises:
            ShapeError: if the images have another shape.
        """
        return self._activations(images).mean(dim=(2, 3))

    def domain_log_probabilities(self, images: Tensor, names: Sequence[str] | None = None) -> Tensor:
        """Compute log-probabilities of domains: the product of those of medium, character and mood.

        Args:
            images: (N, 3, H, W), about [-1, 1].
            names: domains, or compositions whose parts are joined by "+"; all single domains if None.

        Returns:
            (N, names). Probabilities are normalised over all compositions.

        Raises:
            InputError: if the judge does not know a part, or a composition has two parts of one family.
            ShapeError: if the images have another shape.
        """
        indices = [self.class_indices(name) for name in (self.names if names is None else names)]
        logits = self(images)
        return torch.stack(
            [logits[head].log_softmax(dim=1)[:, [each[head] for each in indices]] for head in DOMAIN_HEADS]
        ).sum(dim=0)

    def attributes(self, images: Tensor) -> dict[str, Tensor]:
        """Compute log-probabilities of the attributes of faces.

        Args:
            images: (N, 3, H, W), about [-1, 1].

        Returns:
            (N, classes) for each attribute.

        Raises:
            ShapeError: if the images have another shape.
        """
        return {
            head: logits.log_softmax(dim=1)
            for head, logits in self(images).items()
            if head not in DOMAIN_HEADS
        }

    def class_indices(self, name: str) -> dict[str, int]:
        """Return the class of each domain head that corresponds to a domain or a composition.

        Raises:
            InputError: if the judge does not know a part, or a composition has two parts of one family.
        """
        indices = dict.fromkeys(DOMAIN_HEADS, 0)
        for part in [] if name == self.names[0] else name.split("+"):
            head = next((head for head in DOMAIN_HEADS if part in self.heads[head][1:]), None)
            if head is None:
                raise InputError(f"the judge knows no domain {part!r}; it knows {', '.join(self.names)}")
            if indices[head]:
                raise InputError(
                    f"{name!r} has two parts of one family; a composition has at most one "
                    f"{', one '.join(DOMAIN_HEADS)}"
                )
            indices[head] = self.heads[head].index(part)
        return indices

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike[str] = "faces-judge", device: torch.device | str | None = None
    ) -> Judge:
        """Load the bundled judge, or a folder written by `save_pretrained`, frozen and in evaluation mode.

        Raises:
            CheckpointError: if there is no such judge, or its files are invalid.
        """
        bundled = BUNDLED_FOLDER / str(name_or_path)
        folder = bundled if (bundled / "config.json").is_file() else Path(name_or_path).expanduser()
        for file in ("config.json", "model.safetensors"):
            if not (folder / file).is_file():
                raise CheckpointError(
                    f"no judge {str(name_or_path)!r}: expected 'faces-judge' or a folder with config.json "
                    f"and model.safetensors ({file} is missing)"
                )
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            weights = load_file(folder / "model.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"the judge in {folder.name} cannot be read: {error}") from error
        kind = config.get("kind") if isinstance(config, dict) else None
        if kind != _KIND:
            raise CheckpointError(
                f"{folder.name} does not hold a judge; expected kind {_KIND!r} in its config.json"
            )
        try:
            judge = cls(config["heads"], widths=config["widths"], resolution=config["resolution"])
            judge.load_state_dict({key: _cast(value, torch.float32) for key, value in weights.items()})
        except (AttributeError, KeyError, InputError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"the files of the judge {folder.name} do not match: {reason}") from error
        return judge.eval().requires_grad_(False).to(device or "cpu")

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write config.json and model.safetensors (float16) to a folder, which is created if missing."""
        config = {
            "kind": _KIND,
            "heads": {head: list(classes) for head, classes in self.heads.items()},
            "widths": list(self.widths),
            "resolution": self.resolution,
        }
        with atomic_path(Path(folder) / "config.json") as path:
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        weights = {key: _cast(value, torch.float16) for key, value in self.state_dict().items()}
        save_tensors(Path(folder) / "model.safetensors", weights)

    def _activations(self, images: Tensor) -> Tensor:
        """Return the last activations, (N, widths[-1], h, w)."""
        if images.dim() != 4 or images.shape[1] != 3:
            raise ShapeError(f"images have shape {tuple(images.shape)}; expected (N, 3, height, width)")
        size = (self.resolution, self.resolution)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        # Channels last is faster on CPUs, and the stages preserve it.
        activations: Tensor = self.stages(images.contiguous(memory_format=torch.channels_last))
        return activations


class _DownBlock(nn.Module):
    """Residual block that halves the resolution (He et al. 2015, arXiv:1512.03385)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(before, after, 3, 2, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, h, w) to (N, after, ⌈h / 2⌉, ⌈w / 2⌉)."""
        return F.relu(self.branch(x) + self.skip(F.avg_pool2d(x, 2, ceil_mode=True)))


def _check_heads(heads: Mapping[str, Sequence[str]]) -> None:
    missing = [head for head in DOMAIN_HEADS if head not in heads]
    if missing:
        raise InputError(f"the heads are {list(heads)}; expected {', '.join(DOMAIN_HEADS)} among them")
    for head, classes in heads.items():
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise InputError(
                f"the classes of {head!r} are {list(classes)}; expected at least two, all different"
            )


def _cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Cast floating-point tensors, but not counters."""
    return value.to("cpu", dtype if value.is_floating_point() else value.dtype).contiguous()
