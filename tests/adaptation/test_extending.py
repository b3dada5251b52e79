"""Worked examples: how to add a kind of target, a term of the loss, and a parameterization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from adaptation_toys import assert_equal_results
from torch import Tensor

import domainvec as dv
from domainvec.adaptation import Inversion, Objective, Training
from domainvec.adaptation.target import Setting
from domainvec.domains import PARAMETERIZATIONS, Parameterization
from domainvec.guidance import Guidance, Preservation
from domainvec.guidance.preservation import Terms
from domainvec.guidance.viewing import AdaptedBatch, Needs

QUICK = {"steps": 10, "batch_size": 4, "parameterization": "modulation+rgb"}


def mean_colour(generator: dv.Generator, domain: dv.Domain | None = None) -> Tensor:
    """The mean colour of a few images, (3,)."""
    z = torch.randn(16, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return generator.synthesis(generator.mapping(z), domain).mean((0, 2, 3))


# A kind of target. It names itself, says what is kept of the source images by default, describes everything
# that decides its losses (for the domain's metadata and to recognise a checkpoint), and makes an objective.


class Colour(dv.Target):
    """A mean colour to adapt to, red, green and blue on [-1, 1]."""

    kind = "colour"

    def __init__(self, *rgb: float) -> None:
        self.rgb = rgb

    @property
    def label(self) -> str:
        return f"the colour {self.rgb}"

    def preservation(self, guidance: Guidance) -> Preservation:
        return Preservation(l2=0.01)

    def describe(self, setting: Setting) -> dict[str, Any]:
        return {"kind": self.kind, "rgb": list(self.rgb), "weight": self.weight}

    def objective(self, setting: Setting) -> Objective:
        return ColourObjective(torch.tensor(self.rgb, device=setting.device))


class ColourObjective(Objective):
    """The difference to a colour; nothing of it changes from step to step."""

    def __init__(self, rgb: Tensor) -> None:
        self.rgb = rgb

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        return {"difference": (1.0, (batch.images.mean((0, 2, 3)) - self.rgb).abs().mean())}


def test_a_target_of_ones_own(tmp_path, generator) -> None:
    """It needs no encoder, is resumed to the bit, and tells in the metadata what it was."""
    wanted = torch.tensor([0.5, 0.2, -0.3])
    options = {**QUICK, "metadata": {"license": "CC0-1.0"}}
    whole = dv.adapt(generator, [], Colour(0.5, 0.2, -0.3), **options)
    before, after = mean_colour(generator), mean_colour(generator, whole.domain)
    assert (after - wanted).norm() < 0.5 * (before - wanted).norm()
    assert whole.history[0]["terms"].keys() == {"l2", "difference"}
    assert whole.domain.metadata["targets"] == [{"kind": "colour", "rgb": [0.5, 0.2, -0.3], "weight": 1.0}]
    session = dv.Session(
        generator,
        [],
        Colour(0.5, 0.2, -0.3),
        training=whole.training,
        checkpoint=tmp_path / "run.ckpt",
        metadata=options["metadata"],
    )
    for progress in session:
        if progress.step == 7:
            break
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    assert_equal_results(whole, dv.adapt(generator, [], Colour(0.5, 0.2, -0.3), **options))
    with pytest.raises(dv.DomainVecError, match=r"targets\.0\.rgb\.0 was 0\.5, now 0\.4"):
        dv.adapt(generator, [], Colour(0.4, 0.2, -0.3), **options)


def test_a_target_of_ones_own_adds_up_with_others(generator, encoder, picture) -> None:
    result = dv.adapt(generator, encoder, dv.Text("red") + 3 * Colour(0.5, 0.2, -0.3), **QUICK)
    for record in result.history:
        terms = record["terms"]
        assert terms.keys() == {"text_direction", "colour_difference", "in_domain_angle"}
        expected = terms["text_direction"] + 3 * terms["colour_difference"] + 0.5 * terms["in_domain_angle"]
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
    assert result.history[-1]["terms"]["colour_difference"] < result.history[0]["terms"]["colour_difference"]
    one = dv.Picture(picture, inversion=Inversion(steps=2))
    assert dv.adapt(generator, encoder, Colour(0, 0, 0) + one, **QUICK | {"steps": 1})


# A target whose losses change from step to step keeps what changes in its state, which checkpoints hold.


class Fading(Colour):
    """A mean colour that counts less in each step."""

    kind = "fading"

    def objective(self, setting: Setting) -> Objective:
        return FadingObjective(torch.tensor(self.rgb, device=setting.device))


class FadingObjective(ColourObjective):
    """The weight halves whenever the objective learns from a batch."""

    def __init__(self, rgb: Tensor) -> None:
        super().__init__(rgb)
        self.share = torch.ones(())

    def update(self, batch: AdaptedBatch, step: int) -> None:
        self.share = self.share / 2

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        (_, value) = super().__call__(batch, step)["difference"]
        return {"difference": (self.share.item(), value), "share": (0.0, self.share)}

    def state_dict(self) -> dict[str, Tensor]:
        return {"share": self.share}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.share = state["share"]


def test_a_target_with_a_state_is_resumed(tmp_path, generator) -> None:
    options = QUICK | {"steps": 4}
    whole = dv.adapt(generator, [], Fading(0.5, 0.2, -0.3), **options)
    assert [record["terms"]["share"] for record in whole.history] == [0.5, 0.25, 0.125, 0.0625]
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}

    def interrupt(progress: dv.Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dv.adapt(generator, [], Fading(0.5, 0.2, -0.3), callback=interrupt, **options)
    assert_equal_results(whole, dv.adapt(generator, [], Fading(0.5, 0.2, -0.3), **options))


# A term that keeps something of the source image, whatever the target: a weight of `Preservation`, and the
# loss under the weight's name in `pixel_terms`. `needs_source_images` says that it compares pixels.


@dataclass(frozen=True, kw_only=True)
class WithMeanColour(Preservation):
    """Keeps the mean colour of each image besides."""

    mean_colour: float = 0.0

    @property
    def needs_source_images(self) -> bool:
        return bool(self.mean_colour) or super().needs_source_images

    def pixel_terms(self, batch: AdaptedBatch) -> Terms:
        terms = super().pixel_terms(batch)
        if self.mean_colour:
            change = batch.images.mean((2, 3)) - batch.source_images.mean((2, 3))
            terms["mean_colour"] = self.mean_colour, change.square().mean()
        return terms


def test_a_term_of_preservation_of_ones_own(generator, encoder) -> None:
    keep = WithMeanColour(in_domain_angle=0.5, mean_colour=100.0)
    kept, free = (
        dv.adapt(generator, encoder, "red", preservation=preservation, source_pool=8, **QUICK)
        for preservation in (keep, None)
    )
    for record in kept.history:
        terms = record["terms"]
        expected = terms["direction"] + 0.5 * terms["in_domain_angle"] + 100 * terms["mean_colour"]
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
    assert kept.domain.metadata["preservation"]["mean_colour"] == 100.0
    before = mean_colour(generator)
    moved = [(mean_colour(generator, result.domain) - before).norm() for result in (kept, free)]
    assert moved[0] < 0.5 * moved[1]
    with pytest.raises(dv.DomainVecError, match=r"mean_colour is -1\.0; expected a finite number"):
        WithMeanColour(mean_colour=-1.0)


# A term of the guidance towards a target: what it looks at is declared by `Needs`, and the batch has it; here
# embeddings of the whole images. The target is a text, and the term comes on top of its own.


class Even(dv.Text):
    """A text that all images of a batch shall be equally near to."""

    kind = "even_text"

    def __init__(self, *texts: str, evenness: float, **options: Any) -> None:
        super().__init__(*texts, **options)
        self.evenness = evenness

    def describe(self, setting: Setting) -> dict[str, Any]:
        return {**super().describe(setting), "evenness": self.evenness}

    def objective(self, setting: Setting) -> Objective:
        return EvenObjective(super().objective(setting), self.evenness)


class EvenObjective(Objective):
    """The losses of a text, and the variance over the batch of the similarity to it."""

    def __init__(self, text: Objective, evenness: float) -> None:
        self.text, self.evenness = text, evenness
        self.needs = text.needs | Needs(whole=True)
        self.wanted = text.target_embeddings()

    def __call__(self, batch: AdaptedBatch, step: int) -> Terms:
        similarities = [batch.whole(index) @ wanted for index, wanted in enumerate(self.wanted)]
        variance = torch.stack([each.var() for each in similarities]).mean()
        return {**self.text(batch, step), "evenness": (self.evenness, variance)}

    def target_embeddings(self) -> list[Tensor]:
        return self.wanted


def test_a_term_of_guidance_of_ones_own(generator, encoder) -> None:
    even, text = (
        dv.adapt(generator, encoder, Even("red", evenness=weight), preservation=Preservation(), **QUICK)
        for weight in (100.0, 0.0)
    )
    for record in even.history:
        terms = record["terms"]
        assert record["loss"] == pytest.approx(terms["direction"] + 100 * terms["evenness"], rel=1e-5)
    assert even.domain.metadata["targets"][0]["evenness"] == 100.0
    last = [result.history[-1]["terms"]["evenness"] for result in (even, text)]
    assert last[0] < 0.5 * last[1]
    automatic = Training(batch_size=2, steps=2).replace(steps="auto")
    assert dv.Session(generator, encoder, Even("red", evenness=1.0), training=automatic).training.plateau


# A parameterization: a function that makes the domain of zeros. In the package it is an entry of
# `PARAMETERIZATIONS`, with a learning rate relative to the domain vector's.


def colours(generator: dv.Generator) -> dv.Domain:
    """An addition to the bias of each ToRGB, and nothing else."""
    device = next(generator.parameters()).device
    return dv.Domain(rgb_bias=[torch.zeros(3, device=device) for _ in generator.rgb_channels])


def test_a_parameterization_of_ones_own(tmp_path, generator, encoder, monkeypatch) -> None:
    monkeypatch.setitem(PARAMETERIZATIONS, "colours", Parameterization(colours, relative_learning_rate=0.3))
    training = Training(parameterization="colours", steps=10)
    session = dv.Session(generator, encoder, dv.Text("red"), training=training)
    losses = [progress.loss for progress in session]
    assert losses[-1] < losses[0]
    result = session.result()
    assert result.training.learning_rate == pytest.approx(0.03)
    assert result.domain.size == 3 * len(generator.rgb_channels) and not result.domain.offsets
    result.domain.save(tmp_path / "red.safetensors")
    loaded = dv.Domain.load(tmp_path / "red.safetensors", generator)
    assert torch.equal(loaded.vector, result.domain.vector)
    assert loaded.metadata["parameterization"] == "colours"
    w = generator.mapping(torch.randn(2, 8))
    assert not torch.equal(generator.synthesis(w, loaded), generator.synthesis(w))
