from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from adaptation_toys import Killed, ToyEncoder, assert_equal_runs, kill_at
from PIL import Image

import domainvec as dv
from domainvec.adaptation import Adversary, default_adversary
from domainvec.adaptation.adversary import (
    AdaptiveViews,
    Opponent,
    distance_consistency_loss,
    fresh_discriminator,
    share_of_copies,
)
from domainvec.adaptation.inversion import Inversion
from domainvec.adaptation.randomness import step_rng
from domainvec.errors import AdaptationError, InputError, ShapeError
from domainvec.guidance import FACES, PUBLISHED

FACES_WITHOUT_EDGES = replace(FACES, edges=0)  # which need 32 px
QUICK = {
    "steps": 5,
    "batch_size": 4,
    "adversary": Adversary(warmup_steps=2),
    "parameterization": "modulation+rgb",
}


@pytest.fixture
def few():
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 0.4 + 0.5


def test_colours_of_the_pictures_are_approached(generator, few) -> None:
    result = dv.adapt_to_images(
        generator, few, steps=60, batch_size=8, parameterization="modulation+rgb", learning_rate=0.05
    )
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = generator(z).mean((0, 2, 3))
        after = generator.synthesis(generator.mapping(z), result.domain).mean((0, 2, 3))
    wanted = few.mean((0, 2, 3))
    assert (after - wanted).norm() < 0.7 * (before - wanted).norm()
    assert result.settings.images.discriminator == "fresh"
    assert result.domain.metadata["images"]["names"] == list("012345")


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, generator, few) -> None:
    arguments = {**QUICK, "noise": "random", "seed": 2, "check_every": 2}
    whole = dv.adapt_to_images(generator, few, **arguments)
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt_to_images(generator, few, callback=kill_at(3), **arguments)
    resumed = dv.adapt_to_images(generator, few, **arguments)
    assert_equal_runs(whole, resumed)
    assert resumed.watched == whole.watched
    with pytest.raises(AdaptationError, match=r"settings\.images\.digest"):
        dv.adapt_to_images(generator, -few, **arguments)


def test_the_loss_is_the_weighted_sum_of_its_parts(generator, few) -> None:
    weights = {
        "weight": 0.7,
        "pairs": 5.0,
        "distances": 3.0,
        "tones": 0.3,
        "changed": 2.0,
        "out_of_range": 4.0,
    }
    adversary = Adversary(**weights, resemblance=0.6, l2=0.5, warmup_steps=1, inversion=Inversion(steps=2))
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    arguments = {**QUICK, "adversary": adversary, "steps": 2, "text_weight": 0.4, "learning_rate": 0.1}
    result = dv.adapt_to_images(generator, few, encoders, "red", **arguments)
    guidance = result.settings.guidance
    assert guidance.in_domain_angle and guidance.direction
    for record in result.history:
        parts = record["parts"]
        expected = 0.7 * parts["adversarial"] + 0.5 * parts["l2"]
        expected += sum(weights[name] * parts[name] for name in weights if name != "weight")
        for kind, share in (("text", 0.4), ("pictures", 0.6)):
            for name in ("direction", "in_domain_angle"):
                expected += share * getattr(guidance, name) * parts[f"{kind}_{name}"]
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
    assert result.history[1]["parts"]["l2"] > 0


def test_a_loaded_discriminator_is_copied(generator, few) -> None:
    own = fresh_discriminator(16, seed=9)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    result = dv.adapt_to_images(generator, few, discriminator=own, **QUICK)
    assert result.settings.images.discriminator == "loaded"
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())
    with pytest.raises(ShapeError, match="looks at 32 px"):
        dv.adapt_to_images(generator, few, discriminator=fresh_discriminator(32, 0), **QUICK)


def test_text_and_distance_consistency_beside_it(generator, encoder, few) -> None:
    adversary = Adversary(distances=10.0, warmup_steps=1, edges=0)
    arguments = {**QUICK, "adversary": adversary}
    result = dv.adapt_to_images(generator, few, encoder, "red", **arguments)
    parts = result.history[0]["parts"]
    told = {"adversarial", "distances", "text_direction", "logit_real", "logit_drawn", "views_p"}
    assert told <= parts.keys() and 0 < parts["views_p"] < 1
    with pytest.raises(InputError, match="need an encoder"):
        dv.adapt_to_images(generator, few, **arguments)


def test_small_encoders_do_without_a_discriminator(tmp_path, generator, few) -> None:
    encoder = ToyEncoder(guidance=FACES_WITHOUT_EDGES)
    adversary = replace(default_adversary(FACES), edges=0, inversion=Inversion(steps=3))
    assert adversary.weight == 0 and adversary.pairs > 0
    assert default_adversary(PUBLISHED) == Adversary()
    arguments = {**QUICK, "adversary": adversary}
    seen = []
    whole = dv.adapt_to_images(
        generator, few, encoder, on_inversion=lambda *each: seen.append(each), **arguments
    )
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5, 6]  # four of the six pictures, then two
    assert whole.settings.images.discriminator == "none"
    parts = whole.history[0]["parts"].keys()
    assert {"pairs", "pictures_direction", "pictures_global_text", "changed"} <= parts
    assert "adversarial" not in parts
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt_to_images(generator, few, encoder, callback=kill_at(3), **arguments)
    again = dv.adapt_to_images(generator, few, encoder, **arguments)
    assert_equal_runs(whole, again)


def test_inversions_that_are_killed_go_on_from_the_checkpoint(tmp_path, generator, few) -> None:
    arguments = {**QUICK, "adversary": Adversary(pairs=1, warmup_steps=1, inversion=Inversion(steps=4))}
    whole = dv.adapt_to_images(generator, few, **arguments)
    checkpoint, left = tmp_path / "run.ckpt", []

    def kill(step: int, loss: float) -> None:
        if step == 8:
            left.append(checkpoint.read_bytes())
            raise Killed

    arguments |= {"checkpoint": checkpoint, "checkpoint_every": 3, "resume": True}
    with pytest.raises(Killed):
        dv.adapt_to_images(generator, few, on_inversion=kill, **arguments)
    checkpoint.write_bytes(left[0])  # without what an orderly end writes
    told = []
    resumed = dv.adapt_to_images(
        generator, few, on_inversion=lambda step, loss: told.append(step), **arguments
    )
    assert told == [7, 8]  # Of four pictures and of two, four steps each; the last checkpoint was after six.
    assert_equal_runs(whole, resumed)


def test_pictures_are_inverted_again_through_the_domain_and_resumed(tmp_path, generator, few) -> None:
    inversion = Inversion(steps=3)
    adversary = Adversary(pairs=10, warmup_steps=1, inversion=inversion, reinversions=2)
    assert adversary.reinverts_at(6) == {2, 3} and replace(adversary, pairs=0).reinverts_at(6) == set()
    assert default_adversary(FACES).reinverts_at(240) == {40, 80, 120}
    arguments = {**QUICK, "adversary": adversary, "steps": 6, "learning_rate": 0.05}
    whole = dv.adapt_to_images(generator, few, **arguments)
    once = dv.adapt_to_images(generator, few, **arguments | {"adversary": replace(adversary, reinversions=0)})
    same = [a["loss"] == b["loss"] for a, b in zip(whole.history, once.history, strict=True)]
    assert same == [True, True, False, False, False, False]
    for stop in (2, 3):  # before the first one, and between the two
        path = tmp_path / f"{stop}.ckpt"
        with pytest.raises(Killed):
            dv.adapt_to_images(generator, few, callback=kill_at(stop), checkpoint=path, **arguments)
        assert_equal_runs(
            whole, dv.adapt_to_images(generator, few, checkpoint=path, resume=True, **arguments)
        )


def test_something_has_to_see_the_pictures(generator, few) -> None:
    with pytest.raises(InputError, match=r"reinversions is 1\.5; expected a whole number"):
        Adversary(reinversions=1.5)
    with pytest.raises(InputError, match="nothing sees the pictures"):
        Adversary(weight=0)
    with pytest.raises(InputError, match="resemblance and distance consistency need an encoder"):
        dv.adapt_to_images(generator, few, adversary=Adversary(resemblance=1))


def test_a_folder_with_other_things_in_it(tmp_path, generator) -> None:
    for shade in (30, 90, 200):
        Image.new("RGB", (20, 30), (shade, 0, 90)).save(tmp_path / f"{shade}.png")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    result = dv.adapt_to_images(generator, tmp_path, **QUICK)
    assert result.domain.metadata["images"]["names"] == ["200.png", "30.png", "90.png"]
    (tmp_path / "30.png").unlink()
    (tmp_path / "90.png").unlink()
    with pytest.raises(InputError, match=r"notes\.txt: no picture"):
        dv.adapt_to_images(generator, tmp_path, **QUICK)


def test_a_run_that_copies_ends_and_goes_back(tmp_path, generator) -> None:
    # Training pictures that are the samples themselves: all of them are copies at the first look.
    from domainvec.adaptation.images import _FIRST_WATCHED
    from domainvec.seeds import latents

    with torch.no_grad():
        own = generator(latents(range(_FIRST_WATCHED, _FIRST_WATCHED + 32), 8)).clamp(-1, 1)
    arguments = {**QUICK, "learning_rate": 1e-5, "check_every": 2, "checkpoint": tmp_path / "run.ckpt"}
    result = dv.adapt_to_images(generator, own, **arguments)
    assert len(result.history) == 2
    assert "copy a training picture after 2 steps; the domain is that of step 0" in result.stopped
    assert not result.domain.vector.any()
    again = dv.adapt_to_images(generator, own, resume=True, **arguments)
    assert_equal_runs(result, again)
    result.save(tmp_path / "x.safetensors")
    assert "copies" in (tmp_path / "x.json").read_text()


def test_the_last_step_is_looked_at_whatever_its_number(generator, few) -> None:
    result = dv.adapt_to_images(generator, few, **QUICK | {"steps": 5, "check_every": 3})
    assert [check["step"] for check in result.watched["copies"]] == [3, 5]
    short = dv.adapt_to_images(generator, few, **QUICK | {"steps": 5, "check_every": 20})
    assert [check["step"] for check in short.watched["copies"]] == [5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 6}, "batch_size is 6; the discriminator looks at 4 pictures together"),
        ({"batch_size": 1, "adversary": Adversary(tones=1)}, "batch_size is 1, but .* the tones compare"),
        ({"batch_size": 2, "adversary": Adversary(distances=1)}, "batch_size is 2, but distance consistency"),
        ({"text_weight": -1, "target": "red"}, "text_weight is -1"),
        ({"encoder": "faces-clip"}, "expected an encoder or several"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(generator, encoder, few, options, said) -> None:
    with pytest.raises(InputError, match=said):
        dv.adapt_to_images(generator, few, **{"encoder": encoder} | QUICK | options)


def test_parts_are_means_over_the_encoders(generator, few) -> None:
    arguments = {**QUICK, "adversary": Adversary(distances=1, warmup_steps=1), "steps": 1}
    alone = [dv.adapt_to_images(generator, few, [ToyEncoder(i)], **arguments) for i in (0, 1)]
    both = dv.adapt_to_images(generator, few, [ToyEncoder(0), ToyEncoder(1)], **arguments)
    first, second, mean = (each.history[0]["parts"]["distances"] for each in (*alone, both))
    assert mean == pytest.approx((first + second) / 2)


def test_distances_are_not_rounded_under_autocast() -> None:
    target, source = F.normalize(torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = distance_consistency_loss(target, source)
    assert torch.equal(rounded, distance_consistency_loss(target, source))


def test_copies_are_found_mirrored_too(few) -> None:
    assert share_of_copies(few.flip(3), few, 0.5) == 1
    assert share_of_copies(torch.cat([few, -few]), few, 0.5) == 0.5


def test_views_adapt() -> None:
    views = AdaptiveViews(Adversary(start=0.5, adjust_steps=10, greatest=0.7))
    for _ in range(5):
        views.adjust(torch.ones(4, 1))
    assert views.p == pytest.approx(0.7)
    for _ in range(20):
        views.adjust(-torch.ones(4, 1))
    assert views.p == 0
    images = torch.randn(4, 3, 16, 16)
    seen = views(images, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(seen, images, strict=True))
    views.p = 1.0
    drawn = images.clone().requires_grad_()
    views(drawn, torch.Generator().manual_seed(0)).sum().backward()
    assert drawn.grad is not None and drawn.grad.isfinite().all()


def test_a_fresh_discriminator_depends_on_the_seed_alone() -> None:
    first, second, other = (fresh_discriminator(16, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.out.weight, other.out.weight)


@pytest.mark.parametrize("p", [0.0, 0.6])
def test_the_opponent_learns_by_logistic_loss_and_lazy_r1_of_viewed_pictures(few, p) -> None:
    adversary = Adversary(r1=0.5, r1_every=3, start=p, learning_rate=0.0)
    opponent = Opponent(fresh_discriminator(16, 0), adversary, few, seed=4)
    drawn = -few[:4]
    for step in range(4):
        rng = step_rng(4, step, "real")
        rows = torch.randint(len(few), (4,), generator=rng)
        views = AdaptiveViews(adversary)
        views.p = opponent.views.p
        real = views(few[rows], rng).requires_grad_()
        of_real = opponent.network(real)
        of_drawn = opponent.network(views(drawn, rng))
        expected = -F.logsigmoid(of_real).mean() - F.logsigmoid(-of_drawn).mean()
        if step % 3 == 0:
            (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
            expected = expected + 3 * 0.5 / 2 * slope.flatten(1).norm(dim=1).square().mean()
        wanted = torch.autograd.grad(expected, list(opponent.network.parameters()))
        opponent.learn(drawn)
        for weight, gradient in zip(opponent.network.parameters(), wanted, strict=True):
            torch.testing.assert_close(weight.grad, gradient)
    loss = opponent.judge(drawn, torch.Generator().manual_seed(1))
    viewed = opponent.views(drawn, torch.Generator().manual_seed(1))
    assert torch.equal(loss, -F.logsigmoid(opponent.network(viewed)).mean())
    assert (not torch.equal(viewed, drawn)) and opponent.views.p != p


def test_the_opponent_learns_and_is_restored(few) -> None:
    drawn = -few[:4]
    opponent = Opponent(fresh_discriminator(16, 0), Adversary(), few, seed=0)
    for _ in range(15):
        told = opponent.learn(drawn)
    assert told["logit_real"] > told["logit_drawn"]
    kept = opponent.state()
    copy = Opponent(fresh_discriminator(16, 5), Adversary(), few, seed=0)
    copy.restore(kept)
    opponent.learn(drawn)
    copy.learn(drawn)
    assert all(
        torch.equal(a, b)
        for a, b in zip(opponent.network.parameters(), copy.network.parameters(), strict=True)
    )


def test_distance_consistency() -> None:
    source = torch.nn.functional.normalize(
        torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1
    )
    assert distance_consistency_loss(source, source).abs() < 1e-6
    alike = source[:1].expand(5, -1)
    assert distance_consistency_loss(alike, source) > 0
    with pytest.raises(ShapeError, match="at least 3"):
        distance_consistency_loss(source[:2], source[:2])
