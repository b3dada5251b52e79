"""The image-text encoder: a frozen CLIP model of transformers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec.encoders.model_files import (
    fetch_model,
    locate,
    read_json,
    require_clip,
    require_model_files,
)
from domainvec.encoders.preprocessing import Preprocessing
from domainvec.encoders.prompts import WORD
from domainvec.encoders.vision_transformer import VisionTransformer
from domainvec.encoders.vocabulary import read_vocabulary
from domainvec.errors import EncoderError, InputError

if TYPE_CHECKING:
    from domainvec.guidance.text import Guidance

_PROBES = 100  # how many tokens are tried to see whether a tokenizer tells texts apart


class UnknownWordsWarning(UserWarning):
    """A text has words outside an encoder's vocabulary; they have no effect."""


class Encoder:
    """A frozen image-text encoder: CLIP (Radford et al. 2021, arXiv:2103.00020).

    Most callers want `Encoder.from_pretrained`.

    Args:
        model: a transformers `CLIPModel`; it is frozen and set to evaluation mode.
        tokenizer: its transformers tokenizer.
        preprocessing: how images are prepared for its vision transformer.
        name: used in messages and domain files.
        guidance: the guidance that suits it, if known.
        vocabulary: what it was trained on, if known: the phrases of each domain, by name.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 -- transformers is imported only when an encoder is loaded
        tokenizer: Any,  # noqa: ANN401
        preprocessing: Preprocessing,
        *,
        name: str = "encoder",
        guidance: Guidance | None = None,
        vocabulary: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._model = model.float().eval().requires_grad_(False)
        self._vision_transformers: dict[torch.dtype, VisionTransformer] = {}
        self._tokenizer = tokenizer
        self.preprocessing = preprocessing
        self.name = name
        self.guidance = guidance
        self.vocabulary = None if vocabulary is None else MappingProxyType(dict(vocabulary))

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, device: torch.device | str | None = None) -> Encoder:
        """Load a bundled encoder, a folder, or a model of the Hugging Face hub.

        A folder holds config.json, model.safetensors, tokenizer files, preprocessor_config.json, and may hold
        guidance.json and vocabulary.json (an object whose "domains" are lists of phrases by name). No code
        that comes with a model is run, and pickled weights in folders are refused. A model of the hub is
        downloaded once; from then on the hub is not asked again.

        Args:
            name_or_path: such as "faces-clip", "my/folder" or "openai/clip-vit-base-patch32".
            device: the CPU if None.

        Raises:
            EncoderError: if there is no such encoder, it cannot be fetched, or it is not a complete CLIP
                model whose parts fit together.
        """
        location, name, is_local = locate(name_or_path)
        folder = Path(location) if is_local else fetch_model(name)
        with _quiet():
            encoder = cls._load(folder, name, is_local)
        return encoder if device is None else encoder.to(device)

    @classmethod
    def _load(cls, folder: Path, name: str, is_local: bool) -> Encoder:
        from transformers import AutoTokenizer, CLIPModel

        from domainvec.guidance.text import Guidance

        require_model_files(folder, name, pickles=not is_local)
        require_clip(folder, name)
        model, report = _attempt(
            name,
            lambda: CLIPModel.from_pretrained(
                folder,
                use_safetensors=True if is_local else None,
                output_loading_info=True,
            ),
        )
        missing = sorted(key for key in report["missing_keys"] if not key.endswith("position_ids"))
        if missing:
            raise EncoderError(
                f"{name} lacks {len(missing)} weights, such as {missing[0]}; expected a whole CLIP"
            )
        tokenizer = _attempt(name, lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
        processor = read_json(folder, name, "preprocessor_config.json")
        if processor is None:
            processor = (read_json(folder, name, "processor_config.json") or {}).get("image_processor")
        if processor is None:
            raise EncoderError(f"{name} has no preprocessor_config.json; expected one beside its config.json")
        plain_guidance = read_json(folder, name, "guidance.json") if is_local else None
        try:
            guidance = None if plain_guidance is None else Guidance.from_dict(plain_guidance)
        except InputError as error:
            raise EncoderError(f"the guidance.json of {name} is not valid: {error}") from error
        vocabulary = read_vocabulary(folder, name) if is_local else None
        encoder = cls(
            model,
            tokenizer,
            Preprocessing.from_dict(processor),
            name=name,
            guidance=guidance,
            vocabulary=None if vocabulary is None else vocabulary["domains"],
        )
        encoder._check()
        return encoder

    def _check(self) -> None:
        """Raise EncoderError unless the parts are sound and fit together."""
        weights = list(self._model.named_parameters())
        broken = [key for key, weight in weights if not weight.isfinite().all()]
        if broken:
            raise EncoderError(
                f"{self.name} has weights that are NaN or infinite in {len(broken)} of {len(weights)} "
                f"tensors, such as {broken[0]}; expected finite weights: download or save it again"
            )
        side, given = self.image_size, self.preprocessing.output_size
        if given not in (None, (side, side)):
            raise EncoderError(
                f"the preprocessing of {self.name} outputs {given[1]} x {given[0]} px where its vision "
                f"transformer takes {side} x {side} px; expected size and crop_size to be {side}"
            )
        vocabulary = self._tokenizer.get_vocab()
        rows = self._model.config.text_config.vocab_size
        if max(vocabulary.values(), default=0) >= rows:
            raise EncoderError(
                f"the tokenizer of {self.name} has {len(vocabulary)} tokens where its text model knows "
                f"{rows}; expected the tokenizer that goes with the model"
            )
        probes = [word for word in vocabulary if word not in self._tokenizer.all_special_tokens][:_PROBES]
        words = {tuple(self._tokenizer(word)["input_ids"]): word for word in probes}
        told_apart = len(words) > 1
        if told_apart:
            one, other = self._embed(self._tokenize(list(words.values())[:2]))
            told_apart = not torch.allclose(one, other, atol=1e-5)
        if not told_apart:
            raise EncoderError(
                f"all texts look the same to {self.name}; expected the tokenizer that goes with the model: "
                f"its own is broken, or its end token is not the one in config.json"
            )

    def to(self, device: torch.device | str) -> Encoder:
        """Move to a device, in place, and return self."""
        self._model.to(device)
        self._vision_transformers.clear()
        return self

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        device: torch.device = self._model.logit_scale.device
        return device

    @property
    def embedding_dim(self) -> int:
        """Dimension D of the embeddings."""
        return int(self._model.config.projection_dim)

    @property
    def image_size(self) -> int:
        """Side of the square images that the vision transformer takes, pixels."""
        return int(self._model.config.vision_config.image_size)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights, rounded to half precision.

        A float16 and a float32 copy of one encoder have the same.
        """
        digest = hashlib.sha256()
        for key, value in sorted(self._model.named_parameters()):
            digest.update(key.encode())
            digest.update(value.detach().to("cpu", torch.float16).numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode_images(self, images: Tensor) -> Tensor:
        """Embed images.

        Args:
            images: (N, 3, H, W) of any resolution, nominally in [-1, 1].

        Returns:
            (N, D) float32 of unit length, differentiable in the images.

        Raises:
            ShapeError: if the images are of another shape.
        """
        return self._encode(images)[0]

    def _encode(self, images: Tensor, depth: float = 0.0) -> tuple[Tensor, Tensor]:
        device = self.device
        low = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if low else torch.float32
        if dtype not in self._vision_transformers:
            self._vision_transformers[dtype] = VisionTransformer(self._model, dtype)
        features, tokens = self._vision_transformers[dtype](self.preprocessing(images.to(device)), depth)
        return _unit(features), tokens

    def encode_images_and_tokens(self, images: Tensor, depth: float = 0.5) -> tuple[Tensor, Tensor]:
        """Embed images and return their patch tokens, in one pass.

        Args:
            images: (N, 3, H, W) of any resolution, nominally in [-1, 1].
            depth: of the layer that the tokens come from, as a fraction of all layers; 0 for the patch
                embeddings.

        Returns:
            Embeddings, as from `encode_images`, and tokens (N, T, C) float32, one for each patch. Both are
            differentiable in the images.

        Raises:
            ShapeError: if the images are of another shape.
        """
        return self._encode(images, depth)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts.

        Texts that are too long are truncated, and words outside the vocabulary count as unknown
        (`unknown_words`); both cause a warning.

        Args:
            texts: N texts.

        Returns:
            (N, D) float32 of unit length.

        Raises:
            InputError: if `texts` is a single string, or empty.
        """
        if isinstance(texts, str) or not texts:
            raise InputError(f"texts is {texts!r}; expected a list of one or more strings")
        tokens = self._tokenize(texts)
        self._warn_of_losses(texts, tokens.encodings or [])
        return self._embed(tokens)

    @torch.no_grad()
    def _embed(self, tokens: Any) -> Tensor:  # noqa: ANN401
        return _unit(
            self._model.get_text_features(
                input_ids=tokens["input_ids"].to(self.device),
                attention_mask=tokens["attention_mask"].to(self.device),
            )
        )

    @cached_property
    def words(self) -> frozenset[str] | None:
        """The vocabulary, or None if the tokenizer splits words into parts, as CLIP's own does."""
        if type(self._tokenizer.backend_tokenizer.model).__name__ != "WordLevel":
            return None
        return frozenset(self._tokenizer.get_vocab()) - set(self._tokenizer.all_special_tokens)

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that are not in the vocabulary, each once, in order.

        CLIP's own tokenizer splits words into parts, so no word is unknown to it.
        """
        (encoding,) = self._tokenize([text]).encodings or [None]
        return [] if encoding is None else self._unknown_words(text, encoding)

    def _tokenize(self, texts: Sequence[str]) -> Any:  # noqa: ANN401
        return self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest_text, return_tensors="pt"
        )

    @property
    def _longest_text(self) -> int:
        """In tokens, with the start and end tokens."""
        return int(self._model.config.text_config.max_position_embeddings)

    def _warn_of_losses(self, texts: Sequence[str], encodings: Sequence[Any]) -> None:
        cut = [text for text, encoding in zip(texts, encodings, strict=False) if encoding.overflowing]
        if cut:
            warnings.warn(
                f"{self.name} reads {self._longest_text} tokens; {len(cut)} text(s) were truncated, such as "
                f"{cut[0]!r}",
                stacklevel=3,
            )
        words = {
            word
            for text, encoding in zip(texts, encodings, strict=False)
            for word in self._unknown_words(text, encoding)
        }
        if words:
            warnings.warn(
                f"{self.name} was never taught the words {sorted(words)}; what they ask for will not be seen",
                UnknownWordsWarning,
                stacklevel=3,
            )

    def _unknown_words(self, text: str, encoding: Any) -> list[str]:  # noqa: ANN401
        unknown_id = self._tokenizer.unk_token_id
        # CLIP's own tokenizer reuses the end token as the unknown one, and never needs it.
        if unknown_id is None or unknown_id == self._tokenizer.eos_token_id:
            return []
        spans = [(*span, token) for token, span in zip(encoding.ids, encoding.offsets, strict=True)]
        read = max(end for _, end, _ in spans) if encoding.overflowing else len(text)
        words: dict[str, str] = {}
        for word in WORD.finditer(text, 0, read):
            tokens = [token for start, end, token in spans if start < word.end() and end > word.start()]
            # A word in a script that the tokenizer drops has no token at all.
            if not tokens or unknown_id in tokens:
                words.setdefault(word[0].lower(), word[0])
        return list(words.values())


def _unit(output: Any) -> Tensor:  # noqa: ANN401
    """Normalise features, which transformers 5 wraps in an output object."""
    features = output if isinstance(output, Tensor) else output.pooler_output
    return F.normalize(features.float(), dim=-1)


def _attempt(name: str, load: Any) -> Any:  # noqa: ANN401
    """Run one step of loading and turn what transformers raises into an EncoderError."""
    try:
        return load()
    except Exception as error:  # transformers and what it calls raise their own kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EncoderError(f"cannot load the encoder {name}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the progress bars of transformers: loading takes an instant."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
