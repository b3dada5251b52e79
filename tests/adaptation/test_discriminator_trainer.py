"""A discriminator that is fine-tuned beside a domain."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from adaptation_toys import toy_discriminator

from domainvec.adaptation import DiscriminatorTraining
from domainvec.adaptation.discriminator_trainer import (
    AdaptiveAugmentation,
    DiscriminatorTrainer,
    small_discriminator,
)
from domainvec.adaptation.randomness import step_rng
from domainvec.errors import InputError, ShapeError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmentation_adapts() -> None:
    augmentation = AdaptiveAugmentation(DiscriminatorTraining(start=0.5, adjust_steps=10, greatest=0.7))
    for _ in range(5):
        augmentation.adjust(torch.ones(4, 1))
    assert augmentation.p == pytest.approx(0.7)
    for _ in range(20):
        augmentation.adjust(-torch.ones(4, 1))
    assert augmentation.p == 0
    images = torch.randn(4, 3, 16, 16)
    seen = augmentation(images, rng())
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(seen, images, strict=True))
    augmentation.p = 1.0
    drawn = images.clone().requires_grad_()
    augmentation(drawn, rng()).sum().backward()
    assert drawn.grad is not None and drawn.grad.isfinite().all()


def test_augmentation_starts_below_its_bound() -> None:
    assert AdaptiveAugmentation(DiscriminatorTraining(start=0.9, greatest=0.6)).p == 0.6


def test_a_small_discriminator_depends_on_the_seed_alone() -> None:
    first, second, other = (small_discriminator(16, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.out.weight, other.out.weight)
    assert first.config.channels == (128, 128, 96)
    assert small_discriminator(256, 0).config.channels == (128, 128, 96, 64, 32, 16, 16)


@pytest.mark.parametrize("p", [0.0, 0.6])
def test_it_learns_by_logistic_loss_and_lazy_r1_of_augmented_images(few, p) -> None:
    settings = DiscriminatorTraining(r1=0.5, r1_every=3, start=p, learning_rate=0.0)
    trainer = DiscriminatorTrainer(toy_discriminator(), settings, few, seed=4)
    fake = -few[:4]
    for step in range(4):
        generator = step_rng(4, step, "real")
        rows = torch.randint(len(few), (4,), generator=generator)
        augmentation = AdaptiveAugmentation(settings)
        augmentation.p = trainer.augmentation.p
        real = augmentation(few[rows], generator).requires_grad_()
        of_real = trainer.network(real)
        of_fake = trainer.network(augmentation(fake, generator))
        expected = -F.logsigmoid(of_real).mean() - F.logsigmoid(-of_fake).mean()
        if step % 3 == 0:
            (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
            expected = expected + 3 * 0.5 / 2 * slope.flatten(1).norm(dim=1).square().mean()
        wanted = torch.autograd.grad(expected, list(trainer.network.parameters()))
        told = trainer.step(fake)
        for weight, gradient in zip(trainer.network.parameters(), wanted, strict=True):
            torch.testing.assert_close(weight.grad, gradient)
        torch.testing.assert_close(told["logit_real"], of_real.mean().detach())
        torch.testing.assert_close(told["logit_fake"], of_fake.mean().detach())
        assert told["augmentation_p"] == pytest.approx(trainer.augmentation.p)
    loss = trainer.generator_loss(fake, rng(1))
    augmented = trainer.augmentation(fake, rng(1))
    assert torch.equal(loss, -F.logsigmoid(trainer.network(augmented)).mean())
    assert (not torch.equal(augmented, fake)) and trainer.augmentation.p != p


def test_the_generators_loss_reaches_the_images_alone(few) -> None:
    trainer = DiscriminatorTrainer(toy_discriminator(), DiscriminatorTraining(), few, seed=0)
    fake = (-few[:4]).requires_grad_()
    trainer.step(fake)
    assert fake.grad is None
    before = [weight.grad.clone() for weight in trainer.network.parameters()]
    trainer.generator_loss(fake, rng()).backward()
    assert fake.grad.isfinite().all() and fake.grad.any()
    assert all(weight.requires_grad for weight in trainer.network.parameters())
    assert all(
        torch.equal(*pair)
        for pair in zip(before, (w.grad for w in trainer.network.parameters()), strict=True)
    )


def test_it_learns_and_goes_on_from_its_state(few) -> None:
    fake = -few[:4]
    trainer = DiscriminatorTrainer(toy_discriminator(), DiscriminatorTraining(), few, seed=0)
    for _ in range(15):
        told = trainer.step(fake)
    assert told["logit_real"] > told["logit_fake"]
    kept = {name: value.clone() for name, value in trainer.state_dict().items()}
    copy = DiscriminatorTrainer(toy_discriminator(seed=5), DiscriminatorTraining(), few, seed=0)
    copy.load_state_dict(kept)
    assert copy.step_count == 15
    first, second = trainer.step(fake), copy.step(fake)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(
        torch.equal(a, b)
        for a, b in zip(trainer.network.parameters(), copy.network.parameters(), strict=True)
    )


def test_a_given_discriminator_is_copied(few) -> None:
    own = toy_discriminator().requires_grad_(False)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    trainer = DiscriminatorTrainer(own, DiscriminatorTraining(), few, seed=0)
    trainer.step(-few[:4])
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())
    assert not any(weight.requires_grad for weight in own.parameters())
    assert not torch.equal(trainer.network.out.weight, own.out.weight)
    with pytest.raises(ShapeError, match="the discriminator takes 32 px, the pictures have 16: pass one of"):
        DiscriminatorTrainer(toy_discriminator(32), DiscriminatorTraining(), few, seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"r1_every": 0}, "r1_every is 0; expected a whole number from 1"),
        ({"adjust_steps": 0}, "adjust_steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0; expected a finite number, 0 or more"),
        ({"start": 1.5}, "start is 1.5; expected a number from 0 to 1"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"r1": float("nan")}, "r1 is nan"),
    ],
)
def test_settings_are_checked(values, message) -> None:
    with pytest.raises(InputError, match=message):
        DiscriminatorTraining(**values)
