"""Adapting to one picture.

Mind the GAP (Zhu et al. 2022), arXiv:2110.08398: the picture is inverted into the source domain; samples then
have to move as the inversion has to move to become the picture. DiFa (Zhang et al. 2022), arXiv:2207.08736,
adds that each patch looks like one of the picture's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from domainvec.adaptation.inversion import Inversion, InversionStep, Inverter
from domainvec.adaptation.pixels import AnyPicture, one_picture, pixel_digest
from domainvec.adaptation.randomness import step_rng
from domainvec.adaptation.target import Objective, Setting, Target
from domainvec.adaptation.training import PUBLISHED_IMAGE_TRAINING
from domainvec.errors import InputError
from domainvec.guidance.image import FACES_IMAGE, MIND_THE_GAP, ImageGuidance, Reference, image_terms
from domainvec.guidance.preservation import Preservation, Terms
from domainvec.guidance.text import Endpoints, Guidance, directional_terms, require_direction
from domainvec.guidance.viewing import AdaptedBatch, Needs, TokenEncoder, Viewer, encode_crops
from domainvec.picture_files import PictureFile

_REFERENCES = 4  # reference images in a step
_RECOLOURED_FROM = 6  # the layer from which w carries colours rather than shapes
_LOOKS = 4  # random views of a picture whose embedding stands for a text's
_BATCH = 32


class Picture(Target):
    """A picture to adapt to.

    Args:
        picture: a file of any size and shape; or pixels, (3, H, H) or (1, 3, H, H), on [-1, 1].
        guidance: the losses; by default those that go with the encoders' text guidance.
        inversion: how the picture's nearest source image is found.
        inverted: the picture's latents, (1, num_ws, w_dim), if `invert` has found them already.

    Raises: InputError if the file cannot be read; ShapeError if pixels are not those of one square picture.
    """

    kind = "picture"
    precedence = 1
    published_training = PUBLISHED_IMAGE_TRAINING

    def __init__(
        self,
        picture: AnyPicture,
        *,
        guidance: ImageGuidance | None = None,
        inversion: Inversion | None = None,
        inverted: Tensor | None = None,
    ) -> None:
        # A file is decoded once, and what cannot be read is better known now.
        self.picture = picture if isinstance(picture, Tensor | PictureFile) else PictureFile.read(picture)
        self.guidance, self.inverted = guidance, inverted
        self.inversion = Inversion() if inversion is None else inversion
        _, self.name = one_picture(self.picture, 8)

    @property
    def label(self) -> str:
        """The picture's name."""
        return self.name

    def image_guidance(self, guidance: Guidance) -> ImageGuidance:
        """The losses beside a text's guidance."""
        if self.guidance is not None:
            return self.guidance
        return MIND_THE_GAP if guidance.augmentation is None else FACES_IMAGE

    def preservation(self, guidance: Guidance) -> Preservation:
        """What the picture's guidance keeps."""
        return self.image_guidance(guidance).preservation

    def describe(self, setting: Setting) -> dict[str, Any]:
        """Return the picture's name and digest, and how it guides."""
        assert isinstance(setting.training.resolution, int)
        guidance = self.image_guidance(setting.guidance).to_dict()
        del guidance["preservation"]
        return {
            "kind": self.kind,
            "name": self.name,
            "digest": pixel_digest(one_picture(self.picture, setting.training.resolution)[0]),
            "weight": self.weight,
            "guidance": guidance,
            "inversion": self.inversion.to_dict(),
        }

    def objective(self, setting: Setting) -> Objective:
        """Prepare the inversion and the losses.

        Raises: InputError if there is no encoder.
        """
        if not setting.encoders:
            raise InputError("a picture needs an encoder; got none")
        return PictureObjective(self, setting)


@dataclass(frozen=True)
class _Prepared:
    """A picture at one resolution, as the encoders see it and its inversion."""

    pixels: Tensor
    references: list[Reference]
    resembling: Endpoints | None


class PictureObjective(Objective):
    """The losses towards one picture."""

    def __init__(self, target: Picture, setting: Setting) -> None:
        self.setting, self.target = setting, target
        self.guidance = target.image_guidance(setting.guidance)
        self.needs = Needs(
            whole=True, views=self.guidance.resemblance > 0, token_depth=self.guidance.token_depth
        )
        training = setting.training
        assert isinstance(training.resolution, int)
        self.inverter = Inverter(
            setting.generator,
            setting.encoders,
            one_picture(target.picture, training.resolution)[0].to(setting.device),
            target.inversion,
            resolution=training.resolution,
            dtype=training.dtype,
            seed=training.seed,
            known=target.inverted,
        )
        self._prepared: dict[int | None, _Prepared] = {}

    def prepare(self) -> Iterator[InversionStep]:
        """Invert the picture."""
        yield from self.inverter.run()

    def extra_latents(self, step: int) -> Tensor:
        """The picture's latents, some of them with the fine layers, and so the colours, of other faces."""
        generator, w = self.setting.generator, self.inverter.found
        rng = step_rng(self.setting.training.seed, step, "references")
        z = torch.randn(_REFERENCES, generator.z_dim, generator=rng)
        # By number, not by chance: a step without any would pull elsewhere than one with all.
        count = round(self.guidance.recoloured * _REFERENCES)
        with torch.no_grad():
            others = generator.mapping(z.to(w.device))
        rows = torch.arange(generator.num_ws) >= _RECOLOURED_FROM
        swapped = rows & (torch.arange(_REFERENCES) < count)[:, None]
        return torch.where(swapped[:, :, None].to(w.device), others, w)

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        """Resemblance, and the losses of `ImageGuidance`."""
        resolution = self.setting.training.resolution_at(step)
        if resolution not in self._prepared:
            self._prepared[resolution] = self._prepare_at(resolution)
        prepared = self._prepared[resolution]
        terms: Terms = {}
        if prepared.resembling is not None:
            weight = self.guidance.resemblance
            resembling = directional_terms(self.setting.guidance, prepared.resembling, batch)
            terms = {f"resemblance_{name}": (weight * own, v) for name, (own, v) in resembling.items()}
        return terms | image_terms(self.guidance, prepared.pixels, prepared.references, batch)

    @torch.no_grad()
    def _prepare_at(self, resolution: int | None) -> _Prepared:
        setting, depth = self.setting, self.guidance.token_depth
        picture = one_picture(self.target.picture, resolution or setting.generator.resolution)[0]
        picture = picture.to(setting.device)
        inversion = setting.generator.synthesis(self.inverter.found, resolution=resolution)
        references = []
        for encoder in setting.encoders:
            network: TokenEncoder = encoder  # type: ignore[assignment]
            embedding, tokens = network.encode_images_and_tokens(picture, depth)
            inverted, _ = network.encode_images_and_tokens(inversion, depth)
            references.append(Reference(embedding, tokens, inverted))
        resembling = None
        if self.guidance.resemblance > 0:
            resembling = image_endpoints(setting, picture, inversion, Needs(views=True))
        return _Prepared(picture, references, resembling)

    def target_embeddings(self) -> list[Tensor]:
        """Those of the picture."""
        with torch.no_grad():
            return [encoder.encode_images(self.inverter.images)[0] for encoder in self.setting.encoders]

    def state_dict(self) -> Mapping[str, Tensor]:
        """That of the inversion."""
        return self.inverter.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back that of the inversion."""
        self.inverter.load_state_dict(state)


@torch.no_grad()
def image_endpoints(setting: Setting, target: Tensor, source: Tensor, needs: Needs) -> Endpoints:
    """Embed images that guide as texts do, by the mean of their embeddings through random views.

    Args:
        setting: encoders and the text guidance whose views are used.
        target: (M, 3, H, W).
        source: (L, 3, H, W).
        needs: whether whole images count beside the views.

    Raises: InputError if they look the same to an encoder.
    """
    viewer = Viewer(setting.encoders, setting.guidance, needs)

    def embed(index: int, images: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(0)  # The same views in every run.
        crops = [
            crop
            for part in torch.split(images.float(), _BATCH)
            for _ in range(_LOOKS)
            for crop in encode_crops(viewer.encoders[index], viewer.crops(part, rng))
        ]
        return torch.nn.functional.normalize(torch.cat(crops).mean(dim=0), dim=0)[None, None]

    endpoints = [(embed(i, target), embed(i, source)) for i in range(len(setting.encoders))]
    require_direction(setting.encoders, endpoints, "pictures", "images", "pictures")
    return endpoints
