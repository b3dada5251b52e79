"""Preservation: what every adaptation keeps of the source image, whatever it is guided by.

Most terms look at pixels or at the domain's numbers, so they are cheap, and a gradient cannot trick them as
it can trick an encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from domainvec.checks import require_between
from domainvec.errors import InputError, ShapeError
from domainvec.guidance.attributes import find_group
from domainvec.guidance.hyperdomainnet import in_domain_angle_loss
from domainvec.guidance.orientation import orientation_loss

if TYPE_CHECKING:
    from domainvec.guidance.viewing import AdaptedBatch

Terms = dict[str, tuple[float, Tensor]]
"""Loss terms by name: the weight and the scalar value. A weight of 0 marks a value that is only logged."""

DEFAULT_ATTRIBUTES = 3.0
"""Weight of the attributes that a user asks to keep, where the guidance has none of its own."""

_EDGE_INPUT = 64
_EDGE_MAP = 16
_LUMINANCE_MAP = 16
_PIXEL_CHANGE = 0.15  # the RGB distance, on [-1, 1], at which a pixel counts as 63 % changed
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Preservation:
    """Weights of the terms that keep an adapted image close to its source; 0 turns a term off.

    Attributes:
        in_domain_angle: keep the angles between the embeddings of a batch (HyperDomainNet, arXiv:2210.08884).
        attributes: keep what `keep` names, as the encoders read it; needs a text as the target.
        keep: groups of attributes (`domainvec.guidance.GROUPS`) such as "glasses", or other words.
        edges: keep the edges in place, at 16 px.
        orientation: keep the directions of lines, at 32 px.
        luminance: images that are darker or lighter than the rest of the batch stay so.
        pixel_change: leave pixels alone that need not change.
        chroma: add no colour variation.
        out_of_range: keep pixels within [-1, 1]. Above 0, encoders also see pixels beyond it squashed.
        l2: keep the domain's numbers small (their mean square).
        layer_l2: the same of each layer's numbers, added up over the layers, as in HyperDomainNet's code.

    Raises: InputError if a weight is negative or not finite, or if only one of `attributes` and `keep` is
        given.
    """

    in_domain_angle: float = 0.0
    attributes: float = 0.0
    keep: tuple[str, ...] = ()
    edges: float = 0.0
    orientation: float = 0.0
    luminance: float = 0.0
    pixel_change: float = 0.0
    chroma: float = 0.0
    out_of_range: float = 0.0
    l2: float = 0.0
    layer_l2: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.keep, str):
            raise InputError(f"keep is {self.keep!r}; expected words in a list, such as ['glasses']")
        object.__setattr__(self, "keep", tuple(self.keep))
        require_between(self, [field.name for field in fields(self) if field.name != "keep"])
        for words in self.keep:
            find_group(words)
        if bool(self.keep) != (self.attributes > 0):
            raise InputError(
                f"attributes is {self.attributes} and keep is {list(self.keep)}; expected a weight above 0 "
                "and what to keep, or neither"
            )

    def keeping(self, words: Sequence[str]) -> Preservation:
        """Return a copy that keeps other attributes, or none for an empty list.

        Raises: InputError if `words` is a single text, or one of them names nothing.
        """
        weight = (self.attributes or DEFAULT_ATTRIBUTES) if words else 0.0
        return replace(self, keep=words, attributes=weight)  # type: ignore[arg-type]

    @property
    def needs_source_images(self) -> bool:
        """Whether a term compares the pixels of source and adapted images."""
        compared = (self.edges, self.orientation, self.luminance, self.pixel_change, self.chroma)
        return any(compared)

    @property
    def compares_batch(self) -> bool:
        """Whether a term compares the images of a batch with each other, and needs two or more."""
        return bool(self.in_domain_angle or self.luminance)

    def pixel_terms(self, batch: AdaptedBatch) -> Terms:
        """The terms that look at pixels."""
        compute: dict[str, Callable[[], Tensor]] = {
            "out_of_range": lambda: out_of_range_loss(batch.images),
            "chroma": lambda: chroma_loss(batch.images, batch.source_images),
            "edges": lambda: edge_loss(batch.shown, batch.source_images),
            "orientation": lambda: orientation_loss(batch.shown, batch.source_images),
            "luminance": lambda: luminance_loss(batch.shown, batch.source_images),
            "pixel_change": lambda: pixel_change_loss(batch.shown, batch.source_images),
        }
        weights = {name: getattr(self, name) for name in compute}
        return {name: (weights[name], term()) for name, term in compute.items() if weights[name]}

    def embedding_terms(self, batch: AdaptedBatch) -> Terms:
        """The terms that look at embeddings; the mean over the encoders."""
        if not self.in_domain_angle:
            return {}
        return {"in_domain_angle": (self.in_domain_angle, mean_over_encoders(_angles(batch)))}


def _angles(batch: AdaptedBatch) -> Iterator[Tensor]:
    for index, source in enumerate(batch.source.whole):
        yield in_domain_angle_loss(batch.whole(index), source)


def mean_over_encoders(losses: Iterator[Tensor]) -> Tensor:
    """Average the losses of several encoders, so that weights do not depend on their number."""
    values = list(losses)
    total = values[0] / len(values)
    for value in values[1:]:
        total = total + value / len(values)
    return total


def out_of_range_loss(images: Tensor) -> Tensor:
    """Mean squared excess of pixels beyond [-1, 1]: saturation is the cheapest way to fool an encoder.

    Args:
        images: (N, 3, H, W).

    Returns:
        Scalar, 0 when all pixels are in range.
    """
    return F.relu(images.float().abs() - 1).square().mean()


def chroma_loss(target: Tensor, source: Tensor) -> Tensor:
    """Colour variation that the adapted images have beyond their sources.

    Adversarial patterns are mostly coloured speckle. Chroma is the image minus its grey; its variation is the
    mean absolute difference of neighbouring pixels, and only an increase is penalised.

    Args:
        target: adapted images, (N, 3, H, W).
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar ≥ 0.

    Raises:
        ShapeError: if the shapes differ.
    """
    _require_same_shape(target, source)
    return F.relu(_variation(_chroma(target.float())) - _variation(_chroma(source.float()))).mean()


def edge_loss(target: Tensor, source: Tensor) -> Tensor:
    """One minus the correlation of the two images' edge maps at 16 px.

    It keeps the face where it was and leaves colours and textures free.

    Args:
        target: adapted images, (N, 3, H, W), at least 32 px on a side.
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if the shapes differ or the images are too small.
    """
    _require_same_shape(target, source)
    if min(target.shape[-2:]) < 2 * _EDGE_MAP:
        raise ShapeError(
            f"images are {target.shape[-2]} x {target.shape[-1]}; the edge term compares {_EDGE_MAP} px maps "
            f"and needs at least {2 * _EDGE_MAP} px: set its weight to 0 for smaller images"
        )
    return (1 - (_edge_map(target) * _edge_map(source)).mean(dim=(1, 2))).mean()


def luminance_loss(target: Tensor, source: Tensor) -> Tensor:
    """One minus the correlation, over the batch, of the images' luminance at 16 px.

    The mean over the batch is removed first: a change that all images share costs nothing, but whoever has
    darker hair than the others should keep it. Embeddings hardly hold this, and gradients through an encoder
    cannot fool it.

    Args:
        target: adapted images, (N, 3, H, W), N at least 2.
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 2].

    Raises:
        ShapeError: if the shapes differ or there is only one image.
    """
    _require_same_shape(target, source)
    if len(target) < 2:
        raise ShapeError(
            "got one image; the luminance term compares the images of a batch: pass 2 or more, or set its "
            "weight to 0"
        )
    a, b = _luminance(target), _luminance(source)
    return 1 - (a * b).sum() / (a.square().sum() * b.square().sum() + 1e-8).sqrt()


def pixel_change_loss(target: Tensor, source: Tensor) -> Tensor:
    """Soft share of pixels that changed: the mean of 1 - exp(-|RGB difference| / 0.15).

    A large change costs little more than a moderate one, so a pixel that has to change may change as far as
    it needs to, while pixels that need not change, such as the background of a zombie, stay. A slight tint of
    everything is the most expensive change of all.

    Args:
        target: adapted images, (N, 3, H, W), about [-1, 1].
        source: their sources, (N, 3, H, W).

    Returns:
        Scalar in [0, 1].

    Raises:
        ShapeError: if the shapes differ.
    """
    _require_same_shape(target, source)
    rounding = 0.01  # the length itself has no gradient at 0
    squares = (target.float() - source.float()).square().sum(dim=1)
    length = (squares + rounding**2).sqrt() - rounding
    return (1 - (-length / _PIXEL_CHANGE).exp()).mean()


def _require_same_shape(target: Tensor, source: Tensor) -> None:
    if target.shape != source.shape or target.dim() != 4:
        raise ShapeError(
            f"adapted images have shape {tuple(target.shape)} and source images {tuple(source.shape)}; "
            "expected the same (N, 3, H, W)"
        )


def _chroma(images: Tensor) -> Tensor:
    return images - images.mean(dim=1, keepdim=True)


def _variation(images: Tensor) -> Tensor:
    horizontal = (images[..., 1:] - images[..., :-1]).abs().mean(dim=(1, 2, 3))
    vertical = (images[..., 1:, :] - images[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    return horizontal + vertical


def _luminance(images: Tensor) -> Tensor:
    """Luma at 16 px minus the mean over the batch, (N, 1, 16, 16)."""
    luma = (images.float() * images.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
    small = F.adaptive_avg_pool2d(luma, min(_LUMINANCE_MAP, *luma.shape[-2:]))
    return small - small.mean(0)


def _edge_map(images: Tensor) -> Tensor:
    """Standardised edge strength, (N, 16, 16): mean 0 and deviation 1 in each image."""
    images = images.float()
    if min(images.shape[-2:]) > _EDGE_INPUT:
        images = F.adaptive_avg_pool2d(images, _EDGE_INPUT)
    horizontal = images[..., :-1, 1:] - images[..., :-1, :-1]
    vertical = images[..., 1:, :-1] - images[..., :-1, :-1]
    # The small term keeps the square root differentiable where the image is flat.
    strength = (horizontal.square() + vertical.square()).sum(dim=1).add(1e-6).sqrt()
    edges = F.adaptive_avg_pool2d(strength[:, None], _EDGE_MAP)[:, 0]
    centred = edges - edges.mean(dim=(1, 2), keepdim=True)
    return centred / (centred.square().mean(dim=(1, 2), keepdim=True) + 1e-5).sqrt()
