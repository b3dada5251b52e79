"""The recipes do what the papers' code does: a step written anew from its equations agrees."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from adaptation_toys import ToyEncoder, assert_equal_results, toy_generator
from torch import Tensor

import domainvec as dv
from domainvec.adaptation import HYPERDOMAINNET_FACES, RECIPES, Training
from domainvec.adaptation.drawing import draw_step
from domainvec.adaptation.randomness import step_rng
from domainvec.encoders.templates import IMAGENET_TEMPLATES
from domainvec.errors import InputError
from domainvec.guidance import Guidance
from domainvec.stylegan2 import Generator

STEPS = 5

# For each configuration: Adam's rate and first beta, images per step, the source text, and the weights of the
# direction, of the in-domain angle (each added up over the encoders) and of the offsets' squares.
PUBLISHED = {
    "hyperdomainnet-faces": (0.1, 0.9, 4, "Photo", 1.0, 0.0, 0.0),
    "hyperdomainnet-cats": (0.02, 0.9, 8, "Cat", 1.0, 0.0, 0.5),
    "hyperdomainnet-churches": (0.02, 0.0, 8, "Church", 1.0, 0.0, 0.5),
    "hyperdomainnet-cars": (0.02, 0.9, 8, "Car", 1.0, 1.5, 0.0),
}


# The published step in float64: one kernel for each image, demodulated before the domain comes in.

BLUR = torch.outer(*[torch.tensor([1.0, 3, 3, 1], dtype=torch.float64)] * 2) / 64


def blurred(x: Tensor) -> Tensor:
    kernel = (4 * BLUR).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, groups=x.shape[1])


def doubled(rgb: Tensor) -> Tensor:
    spread = rgb.new_zeros(*rgb.shape[:2], 2 * rgb.shape[2], 2 * rgb.shape[3])
    spread[..., ::2, ::2] = rgb
    return blurred(F.pad(spread, (2, 1, 2, 1)))


def style(weights: dict[str, Tensor], name: str, w: Tensor) -> Tensor:
    return w @ weights[f"{name}.affine.weight"].T / math.sqrt(w.shape[1]) + weights[f"{name}.affine.bias"]


def convolution(
    weights: dict[str, Tensor], name: str, x: Tensor, w: Tensor, noise: Tensor, offset: Tensor | None
) -> Tensor:
    count, _, side, _ = x.shape
    kernel = weights[f"{name}.weight"] / math.sqrt(weights[f"{name}.weight"][0].numel())
    kernels = kernel * style(weights, name, w)[:, None, :, None, None]
    kernels = kernels * torch.rsqrt(kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    if offset is not None:
        kernels = kernels * (1 + offset)[:, None, None]
    rows = []
    for row, each in zip(x, kernels, strict=True):
        if noise.shape[-1] == side:
            rows.append(F.conv2d(row[None], each, padding=1))
        else:
            rows.append(
                blurred(F.pad(F.conv_transpose2d(row[None], each.transpose(0, 1), stride=2), (1,) * 4))
            )
    x = torch.cat(rows) + weights[f"{name}.noise_strength"] * noise
    assert len(x) == count
    return F.leaky_relu(x + weights[f"{name}.bias"][:, None, None], 0.2) * math.sqrt(2)


def synthesis(
    weights: dict[str, Tensor], w: Tensor, noises: list[Tensor], offsets: list[Tensor] | None
) -> Tensor:
    x = weights["constant"].expand(len(w), -1, -1, -1)
    images = None
    for j, noise in enumerate(noises):
        offset = None if offsets is None else offsets[j]
        x = convolution(weights, f"convs.{j}", x, w[:, j], noise, offset)
        if j % 2 == 0:
            name = f"to_rgbs.{j // 2}"
            kernels = weights[f"{name}.weight"][:, :, 0, 0] * style(weights, name, w[:, j + 1])[:, None]
            rgb = torch.einsum("noi,nihw->nohw", kernels, x) / math.sqrt(x.shape[1])
            rgb = rgb + weights[f"{name}.bias"][:, None, None]
            images = rgb if images is None else doubled(images) + rgb
    return images


def mapping(weights: dict[str, Tensor], z: Tensor) -> Tensor:
    w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for layer in range(2):
        weight, bias = weights[f"mapping.{layer}.weight"], weights[f"mapping.{layer}.bias"]
        w = F.leaky_relu(w @ weight.T * (0.01 / math.sqrt(w.shape[1])) + 0.01 * bias, 0.2) * math.sqrt(2)
    return w


def halved(images: Tensor) -> Tensor:
    """Bicubic with a = -0.75, at the middle of two pixels; the borders are repeated."""
    taps = torch.tensor([-3.0, 19, 19, -3], dtype=torch.float64) / 32
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=3)


def embed(encoder: ToyEncoder, images: Tensor) -> Tensor:
    weight, bias = encoder.linear.weight.detach().double(), encoder.linear.bias.detach().double()
    features = halved(images).tanh().flatten(1) @ weight.T + bias
    return features / features.norm(dim=1, keepdim=True)


class Reference:
    """The published trainer, in float64."""

    def __init__(self, name: str, generator: Generator, encoders: list[ToyEncoder], text: str, seed: int):
        self.rate, self.momentum, self.batch, source, *self.weighting = PUBLISHED[name]
        self.encoders, self.seed, self.layers = encoders, seed, generator.num_ws
        self.weights = {
            key.removeprefix("synthesis.").replace("mapping.layers", "mapping"): value.detach().double()
            for key, value in generator.state_dict().items()
        }
        self.texts = []
        for encoder in encoders:
            target, origin = (
                encoder.encode_texts([template.format(words) for template in IMAGENET_TEMPLATES]).double()
                for words in (text, source)
            )
            self.texts.append((target - origin).mean(0))
        sizes = [len(self.weights[f"convs.{j}.affine.bias"]) for j in range(self.layers - 1)]
        self.offsets = [torch.zeros(size, dtype=torch.float64, requires_grad=True) for size in sizes]
        self.moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in self.offsets]

    def draws(self, step: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Latents and noise of adapted and of source images, as the session draws them."""
        rng = step_rng(self.seed, step, "latents")
        z = torch.randn(2, self.batch, 8, generator=rng).double()
        mixes = torch.rand(1, 1, generator=rng).item() < 0.9
        first, second = mapping(self.weights, z[0]), mapping(self.weights, z[1])
        for purposes in (("layer", "noise of the adapted"), ("layer of the sources", "noise")):
            rng, noise_rng = (step_rng(self.seed, step, purpose) for purpose in purposes)
            layer = int(torch.randint(1, self.layers, (1, 1), generator=rng)) if mixes else self.layers
            w = torch.stack([first] * layer + [second] * (self.layers - layer), dim=1)
            sides = [4 << ((j + 1) // 2) for j in range(self.layers - 1)]
            yield w, [torch.randn(self.batch, 1, s, s, generator=noise_rng).double() for s in sides]

    def loss(self, step: int) -> Tensor:
        (w, noises), (source_w, source_noises) = self.draws(step)
        adapted = synthesis(self.weights, w, noises, self.offsets)
        source = synthesis(self.weights, source_w, source_noises, None)
        direction, angle, squares = self.weighting
        loss = squares * sum(offset.square().mean() for offset in self.offsets)
        for encoder, text in zip(self.encoders, self.texts, strict=True):
            a, s = embed(encoder, adapted), embed(encoder, source)
            loss = loss + direction * (1 - F.cosine_similarity(a - s, text[None])).mean()
            pairs = torch.tril_indices(self.batch, self.batch, offset=-1)
            changes = (a @ a.T - s @ s.T)[pairs[0], pairs[1]]
            loss = loss + angle * changes.square().mean()
        return loss

    def step(self, number: int) -> tuple[float, Tensor]:
        loss = self.loss(number)
        gradients = torch.autograd.grad(loss, self.offsets)
        with torch.no_grad():
            for offset, gradient, (mean, square) in zip(self.offsets, gradients, self.moments, strict=True):
                mean.mul_(self.momentum).add_((1 - self.momentum) * gradient)
                square.mul_(0.999).add_(0.001 * gradient**2)
                unbiased = mean / (1 - self.momentum ** (number + 1))
                spread = (square / (1 - 0.999 ** (number + 1))).sqrt() + 1e-8
                offset -= self.rate * unbiased / spread
        return loss.item(), torch.cat(gradients)


@pytest.fixture
def encoders() -> list[ToyEncoder]:
    return [ToyEncoder(0), ToyEncoder(1)]


def relative(given: Tensor, expected: Tensor) -> float:
    return ((given - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("name", PUBLISHED)
def test_five_steps_are_those_of_the_paper(name: str, generator: Generator, encoders) -> None:
    reference = Reference(name, generator, encoders, "Sketch", seed=12)
    session = RECIPES[name].session(generator, encoders, "Sketch", seed=12)
    with session:
        for step, progress in enumerate(islice(session, STEPS)):
            loss, gradient = reference.step(step)
            assert progress.loss == pytest.approx(loss, rel=1e-6)
            assert relative(session.learnable.vector.grad.double(), gradient) < 5e-6
            vector = torch.cat(reference.offsets).detach()
            assert relative(session.learnable.vector.detach().double(), vector) < 1e-5


def test_lengths_are_those_of_the_configurations() -> None:
    steps = {name: recipe.training.steps for name, recipe in RECIPES.items()}
    assert steps == {
        "hyperdomainnet-faces": 301,
        "hyperdomainnet-cats": 401,
        "hyperdomainnet-churches": 101,
        "hyperdomainnet-cars": 401,
    }
    assert set(RECIPES) == set(PUBLISHED)


def test_a_recipe_is_kept_in_the_domain_and_comes_back(generator: Generator, encoders) -> None:
    session = HYPERDOMAINNET_FACES.session(generator, encoders, "Sketch")
    next(iter(session))
    about = json.loads(json.dumps(session.result().domain.metadata))
    assert Guidance.from_dict({**about["targets"][0]["guidance"], "preservation": about["preservation"]}) == (
        HYPERDOMAINNET_FACES.guidance
    )
    assert Training.from_dict(about["training"]) == session.training
    assert about["source"] == "Photo"


def test_a_recipe_resumes_to_the_bit(generator: Generator, encoders, tmp_path) -> None:
    def session(**options) -> dv.Session:
        recipe = RECIPES["hyperdomainnet-cats"]
        changed = {"training": recipe.training.replace(steps=4, batch_size=2), "guidance": recipe.guidance}
        return dv.Session(generator, encoders, dv.Text("Lion", source="Cat"), **changed, **options)

    whole = session()
    assert [progress.step for progress in whole] == [1, 2, 3, 4]
    with session(checkpoint=tmp_path / "c") as first:
        for progress in first:
            if progress.step == 2:
                break
    second = session(checkpoint=tmp_path / "c", resume=True)
    assert [progress.step for progress in second] == [3, 4]
    assert_equal_results(whole.result(), second.result())


def test_draws_apart_differ_in_mixing_and_share_latents(generator: Generator) -> None:
    training = HYPERDOMAINNET_FACES.training
    crossovers = set()
    for step in range(40):
        own, source = draw_step(generator, training, step), draw_step(generator, training, step, source=True)
        same = (own == source).all(2)
        assert (same == same[:1]).all(), "the whole batch mixes from one layer on"
        assert same[:, 0].all() and same[:, -1].all()
        crossovers.add(int(same[0].sum()))
    assert len(crossovers) > 2
    shared = training.replace(shared_draws=True)
    assert torch.equal(draw_step(generator, shared, 3), draw_step(generator, shared, 3, source=True))


def test_sessions_with_other_draws_share_no_source_side(generator: Generator, encoders) -> None:
    def key(**changes) -> tuple[object, ...]:
        training = Training(precision="float32").replace(**changes)
        return dv.Session(generator, encoders, dv.Text("Sketch"), training=training).sources.key

    assert key() != key(shared_draws=False)


def test_a_pool_needs_shared_draws() -> None:
    with pytest.raises(InputError, match="source_pool keeps images, but shared_draws is False"):
        Training(source_pool=4, shared_draws=False)
    assert Training(source_pool=4).replace(shared_draws=False).source_pool == 0


def test_the_toy_generator_has_noise_to_differ_in() -> None:
    assert toy_generator().synthesis.convs[0].noise_strength != 0
