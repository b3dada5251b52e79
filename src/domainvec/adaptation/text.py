"""Adapting to a text.

StyleGAN-NADA (Gal et al. 2022), arXiv:2108.00946, trains a generator by the words for what its images are and
what they should become. HyperDomainNet (Alanov et al. 2022), arXiv:2210.08884, freezes the generator and
trains only the domain vector.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from domainvec.adaptation.target import Objective, Setting, Target
from domainvec.checks import warn_caller
from domainvec.encoders.encoder import UnknownWordsWarning
from domainvec.encoders.prompts import describe_unknown_words, require_known_words
from domainvec.encoders.templates import require_prompt
from domainvec.errors import InputError
from domainvec.guidance.attributes import GROUPS, AttributeReader, find_group
from domainvec.guidance.preservation import Preservation, Terms, mean_over_encoders
from domainvec.guidance.text import (
    Endpoints,
    Guidance,
    directional_terms,
    embed_texts,
    mean_embedding,
    require_direction,
)
from domainvec.guidance.viewing import AdaptedBatch, Needs


class Text(Target):
    """A text to adapt to.

    Args:
        texts: such as "a pencil sketch"; several say the same in other words, and their embeddings are
            averaged.
        source: what the generator's images are.
        guidance: the losses; by default what suits the encoders.
        allow_unknown: train even if no encoder knows a word of a text.

    Raises: InputError if a text is missing or empty.

    Example:
        >>> target = dv.Text("a zombie") + 0.5 * dv.Picture("zombie.png")
    """

    kind = "text"

    def __init__(
        self,
        *texts: str,
        source: str = "a photo",
        guidance: Guidance | None = None,
        allow_unknown: bool = False,
    ) -> None:
        self.texts, self.source, self.guidance = texts, source, guidance
        self.allow_unknown = allow_unknown
        for name, given in (("target", texts), ("source", (source,))):
            if not given or not all(isinstance(text, str) and text.strip() for text in given):
                told = given[0] if len(given) == 1 else given
                raise InputError(f"{name} is {told!r}, expected a text")
            for text in given:
                require_prompt(text)

    @property
    def label(self) -> str:
        """The texts."""
        return repr(" / ".join(self.texts))

    def preservation(self, guidance: Guidance) -> Preservation:
        """What the text's guidance keeps."""
        return (self.guidance or guidance).preservation

    def describe(self, setting: Setting) -> dict[str, Any]:
        """Return texts and guidance."""
        guidance = (self.guidance or setting.guidance).to_dict()
        del guidance["preservation"]  # That of the whole target is what counts.
        texts = {"texts": list(self.texts), "source": self.source}
        return {"kind": self.kind, **texts, "weight": self.weight, "guidance": guidance}

    def objective(self, setting: Setting) -> Objective:
        """Embed the texts.

        Raises: InputError if there is no encoder, target and source mean the same to one, or no encoder knows
            a word of a text.

        Warns:
            UnknownWordsWarning: if a text has words that none of the encoders was taught.
        """
        return TextObjective(self, self.guidance or setting.guidance, setting)


class TextObjective(Objective):
    """The losses towards a text."""

    needs = Needs(views=True)

    def __init__(self, target: Text, guidance: Guidance, setting: Setting) -> None:
        if not setting.encoders:
            raise InputError("a text needs an encoder; got none")
        self.guidance = guidance
        several = len(target.texts) > 1
        prompts = {f"target {n}" if several else "target": text for n, text in enumerate(target.texts, 1)}
        require_known_words(setting.encoders, prompts, target.allow_unknown)
        groups = [find_group(words) for words in setting.preservation.keep]
        kept = {f"kept {group.name}": group.name for group in groups if group.name not in GROUPS}
        said = prompts | {"source": target.source} | kept
        if unknown := describe_unknown_words(setting.encoders, said):
            warn_caller(unknown, UnknownWordsWarning)
        with warnings.catch_warnings():
            # Said once, and not of each template.
            warnings.simplefilter("ignore", UnknownWordsWarning)
            embed = partial(embed_texts, templates=guidance.templates, verbatim=guidance.verbatim_templates)
            self.endpoints: Endpoints = [
                (embed(encoder, target.texts), embed(encoder, [target.source]))
                for encoder in setting.encoders
            ]
            self.readers = [
                AttributeReader(encoder, groups, target.texts, target.source)
                for encoder in setting.encoders
                if groups
            ]
        self.attributes = setting.preservation.attributes
        named = target.texts[0] if len(target.texts) == 1 else target.texts
        require_direction(setting.encoders, self.endpoints, repr(named), repr(target.source), "text")

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        """The directional and the global loss, and the attributes that stay."""
        terms = directional_terms(self.guidance, self.endpoints, batch)
        if self.readers:
            terms["attributes"] = self.attributes, mean_over_encoders(self._divergences(batch))
        return terms

    def _divergences(self, batch: AdaptedBatch) -> Iterator[Tensor]:
        for index, reader in enumerate(self.readers):
            views = zip(batch.views(index), batch.source.views[index], strict=True)
            yield torch.stack([reader.loss(adapted, source) for adapted, source in views]).mean()

    def target_embeddings(self) -> list[Tensor]:
        """Those of the text."""
        return [mean_embedding(end) for end, _ in self.endpoints]
