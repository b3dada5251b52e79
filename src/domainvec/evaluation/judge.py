"""The judge: a small network that names the domain of a face, and that no guidance ever sees."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from domainvec.errors import CheckpointError, InputError, ShapeError
from domainvec.files import BUNDLED_FOLDER, atomic_path

_KIND = "domainvec-judge"


class Judge(nn.Module):
    """A convolutional classifier of the face world's domains.

    Guidance is scored by a network of another kind (convolutions with batch normalisation, not a vision
    transformer) trained on other draws, so that what fools the one need not fool the other.

    Args:
        names: domains, one for each logit.
        widths: channels after each stage; each stage but the first halves the resolution.
        resolution: pixels that the network looks at; pictures of another size are resampled.

    Raises:
        InputError: if there are fewer than two names, or names repeat.
    """

    def __init__(
        self, names: Sequence[str], *, widths: Sequence[int] = (24, 48, 96, 128), resolution: int = 64
    ) -> None:
        super().__init__()
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"names are {list(names)}; expected at least two, all different")
        self.names = tuple(names)
        self.widths = tuple(widths)
        self.resolution = resolution
        stages: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((3, *widths), widths, strict=False)):
            stages.append(_convolution(before, after, stride=1 if i == 0 else 2))
            if i > 0:
                stages.append(_convolution(after, after, stride=1))
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(widths[-1], len(names))

    def features(self, images: Tensor) -> Tensor:
        """Describe pictures by the mean activations before the classifier.

        Args:
            images: (N, 3, H, W), about [-1, 1].

        Returns:
            (N, widths[-1]).

        Raises:
            ShapeError: if the images are of another shape.
        """
        if images.dim() != 4 or images.shape[1] != 3:
            raise ShapeError(f"images have shape {tuple(images.shape)}; expected (N, 3, height, width)")
        size = (self.resolution, self.resolution)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        activations: Tensor = self.stages(images)
        return activations.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, names) of pictures (N, 3, H, W), about [-1, 1]."""
        logits: Tensor = self.classifier(self.features(images))
        return logits

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike[str] = "faces-judge", device: torch.device | str | None = None
    ) -> Judge:
        """Load the bundled judge, or a folder that `save_pretrained` wrote: frozen, in evaluation mode.

        Raises:
            CheckpointError: if there is no such judge, or its files are broken.
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
        if not isinstance(config, dict) or config.get("kind") != _KIND:
            raise CheckpointError(
                f"{folder.name} does not hold a judge; expected kind {_KIND!r} in its config.json"
            )
        try:
            judge = cls(config["names"], widths=config["widths"], resolution=config["resolution"])
            judge.load_state_dict({key: _cast(value, torch.float32) for key, value in weights.items()})
        except (KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"the files of the judge {folder.name} do not fit each other: {reason}"
            ) from error
        return judge.eval().requires_grad_(False).to(device or "cpu")

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write config.json and model.safetensors (float16) into a folder, which is made if it is missing."""
        config = {
            "kind": _KIND,
            "names": list(self.names),
            "widths": list(self.widths),
            "resolution": self.resolution,
        }
        with atomic_path(Path(folder) / "config.json") as path:
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        with atomic_path(Path(folder) / "model.safetensors") as path:
            save_file({key: _cast(value, torch.float16) for key, value in self.state_dict().items()}, path)


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def _cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Cast weights, and leave counters alone."""
    return value.to("cpu", dtype if value.is_floating_point() else value.dtype).contiguous()
