"""Rules that end a training before its last step, and which domain they keep."""

from __future__ import annotations

import math

import pytest
import torch
from adaptation_toys import ToyEncoder, assert_equal_results, toy_discriminator, toy_generator

import domainvec as dv
from domainvec.adaptation import DiscriminatorTraining, Plateau, Training, stopping
from domainvec.adaptation.stopping import _COPY_SEED, CopyRule, PlateauRule, share_of_copies
from domainvec.domains import modulation_rgb
from domainvec.errors import AdaptationError, InputError
from domainvec.guidance import FewShotGuidance
from domainvec.seeds import latents


@pytest.fixture
def told(generator, encoder):
    """Run a plateau rule that is told the measures in place of taking them: (quality, diversity)."""

    def run(measures, **settings):
        domain = modulation_rgb(generator).detach()
        rule = PlateauRule(
            Plateau(every=2, patience=2, **settings),
            generator,
            [encoder],
            [encoder.encode_texts(["red"])[0]],
            domain.vector,
            resolution=16,
        )
        rule.curve = [(0, 0.0, 1.0, 1.0)]
        coming = iter(measures)
        rule._measure = lambda images: (*next(coming), 1.0)
        for step in range(1, 2 * len(measures) + 1):
            reason = rule(step, domain.with_vector(torch.full_like(domain.vector, float(step))))
            if reason is not None:
                break
        return step, rule.best_vector[0].item(), reason

    return run


def test_it_ends_where_quality_stops_to_rise(told) -> None:
    step, kept, reason = told([(q, 0.9) for q in (0.3, 0.6, 0.8, 0.801, 0.802, 0.9, 0.9)])
    assert (step, kept) == (10, 6)
    assert reason == "quality has not improved since step 6: kept the domain of that step"


def test_a_pause_shorter_than_the_patience_does_not_end_it(told) -> None:
    step, kept, reason = told([(q, 0.9) for q in (0.3, 0.6, 0.6, 0.8, 0.7, 0.9)])
    assert (step, kept, reason) == (12, 12, None)


def test_a_small_gain_counts_as_none(told) -> None:
    """Of the whole gain since the start: 0.02 of 0.8 are 0.016."""
    assert told([(0.8, 0.9), (0.815, 0.9), (0.815, 0.9)])[:2] == (6, 2)
    assert told([(0.8, 0.9), (0.817, 0.9), (0.817, 0.9)])[:2] == (6, 4)
    assert told([(0.8, 0.9), (0.817, 0.9), (0.817, 0.9)], least_gain=0.1)[:2] == (6, 2)


def test_it_does_not_end_before_quality_has_risen(told) -> None:
    """Adaptation may be slow at first, or even lead away."""
    assert told([(0.01, 0.9)] * 4 + [(-0.1, 0.9)] * 4)[2] is None
    assert told([(0.04, 0.9)] * 8)[2] is None
    assert told([(0.05, 0.9)] * 8)[:2] == (6, 2)
    assert told([(0.04, 0.9)] * 8, least_rise=0.03)[:2] == (6, 2)


def test_it_keeps_the_best_of_all_measured_domains(told) -> None:
    step, kept, reason = told([(q, 0.9) for q in (0.3, 0.8, 0.2, 0.79)])
    assert (step, kept) == (8, 4) and "since step 4" in reason


def test_it_ends_where_diversity_is_lost(told) -> None:
    step, kept, reason = told([(0.1, 0.9), (0.2, 0.7), (0.3, 0.04), (0.4, 0.2)])
    assert (step, kept) == (6, 4)
    assert reason == "diversity fell to 4% of the source's: kept the domain of step 4"
    assert told([(0.1, 0.9), (0.2, 0.7), (0.3, 0.3)], least_diversity=0.4)[:2] == (6, 4)


def test_it_goes_on_while_quality_rises(told) -> None:
    step, kept, reason = told([(0.1 * n, 0.9) for n in range(1, 9)])
    assert (step, kept, reason) == (16, 16, None)


@pytest.mark.parametrize("resolution", [16, 32])
def test_what_a_plateau_measures_and_its_state(encoder, resolution) -> None:
    generator = toy_generator(resolution)
    domain = modulation_rgb(generator).detach()
    wanted = [encoder.encode_texts(["red"])[0]]

    def make(vector: torch.Tensor) -> PlateauRule:
        return PlateauRule(Plateau(every=2), generator, [encoder], wanted, vector, resolution)

    rule = make(domain.vector)
    assert rule(1, domain) is None and len(rule.curve) == 1
    assert rule(2, domain) is None
    start, now = rule.record()["curve"]
    assert (start.pop("step"), now.pop("step")) == (0, 2) and start == now
    assert -1 <= now["quality"] <= 1 and now["diversity"] == pytest.approx(1)
    assert ("identity" in now) == (resolution == 32)  # Edge maps need as many pixels.
    assert now.get("identity", 1) == pytest.approx(1, abs=1e-2)
    other = make(domain.vector + 1)
    other.load_state_dict(rule.state_dict())
    assert torch.equal(other.best_vector, rule.best_vector) and other.record() == rule.record()
    assert other.best == rule.best


def test_quality_and_diversity_are_means_over_the_encoders(generator) -> None:
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    wanted = [each.encode_texts(["red"])[0] for each in encoders]
    domain = modulation_rgb(generator).detach()
    domain = domain.with_vector(torch.full_like(domain.vector, 0.3))

    def measure(*which: int) -> dict[str, float]:
        chosen = [[each[index] for index in which] for each in (encoders, wanted)]
        rule = PlateauRule(Plateau(every=1), generator, *chosen, domain.vector, 16)
        rule(1, domain)
        return rule.record()["curve"][-1]

    first, second, both = measure(0), measure(1), measure(0, 1)
    for name in ("quality", "diversity"):
        assert both[name] == pytest.approx((first[name] + second[name]) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"every": 0}, "every is 0, expected a whole number from 1"),
        ({"patience": 1.5}, "patience is 1.5"),
        ({"least_gain": -1.0}, "least_gain is -1.0; expected a number from 0 to 1"),
        ({"least_diversity": 2.0}, "least_diversity is 2.0"),
        ({"least_rise": float("nan")}, "least_rise is nan"),
    ],
)
def test_settings_of_a_plateau_are_checked(values, message) -> None:
    with pytest.raises(InputError, match=message):
        Plateau(**values)


# A measurement counts only if it doubles what has been gained, so that few steps reach the plateau.
SOON = Plateau(every=2, patience=1, least_gain=1.0)


def run(session: dv.Session, until: int | None = None) -> list[dv.Progress]:
    seen = []
    for progress in session:
        seen.append(progress)
        if progress.step == until:
            break
    return seen


def test_a_training_ends_at_its_plateau_and_keeps_the_domain_from_there(tmp_path, generator, encoder) -> None:
    def make(**options) -> dv.Session:
        training = Training(steps=20, batch_size=2, plateau=SOON)
        return dv.Session(generator, encoder, dv.Text("red"), training=training, **options)

    session = make()
    seen = run(session)
    result = session.result()
    assert session.done and len(seen) == len(result.history) < 20
    assert result.stopped == session.stopped is not None
    kept = int(result.stopped.removeprefix("quality has not improved since step ").partition(":")[0])
    assert kept == len(seen) - 2
    assert torch.equal(result.domain.vector, seen[kept - 1].domain.vector.half().float())
    assert [each["step"] for each in result.measured["curve"]] == list(range(0, len(seen) + 1, 2))
    assert result.domain.metadata["training"]["plateau"]["every"] == 2
    options = {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    run(make(**options), until=len(seen) - 1)  # between the last two measurements
    for steps in ([len(seen)], []):  # from the middle, and from the end
        resumed = make(**options)
        assert [progress.step for progress in run(resumed)] == steps
        assert_equal_results(result, resumed.result())


def test_a_plateau_is_reached_beside_a_discriminator_too(
    tmp_path, generator, encoder, few, monkeypatch
) -> None:
    qualities = []
    monkeypatch.setattr(PlateauRule, "_measure", lambda rule, images: (qualities.pop(0), 1.0, math.nan))

    def make(**options) -> dv.Session:
        target = dv.Pictures(
            few,
            discriminator=toy_discriminator(),
            discriminator_training=DiscriminatorTraining(warmup_steps=1),
            check_every=3,
        )
        training = Training(steps=8, batch_size=4, plateau=Plateau(every=2, patience=1))
        return dv.Session(generator, encoder, target, training=training, **options)

    qualities[:] = 0.1, 0.4, 0.4
    session = make()
    seen = run(session)
    result = session.result()
    assert len(seen) == 4
    assert result.stopped == "quality has not improved since step 2: kept the domain of that step"
    assert [each["step"] for each in result.measured["copies"]] == [3]
    assert [each["quality"] for each in result.measured["curve"]] == [0.1, 0.4, 0.4]
    assert torch.equal(result.domain.vector, seen[1].domain.vector.half().float())
    options = {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    qualities[:] = 0.1, 0.4
    run(make(**options), until=3)
    for steps in ([4], []):  # from the middle, and from the end
        qualities[:] = 0.1, 0.4
        resumed = make(**options)
        assert [progress.step for progress in run(resumed)] == steps
        assert_equal_results(result, resumed.result())


def test_automatic_steps_are_twice_as_many_at_most(generator, encoder) -> None:
    session = dv.Session(
        generator, encoder, dv.Text("red"), training=Training(steps=3, batch_size=2).replace(steps="auto")
    )
    assert len(run(session)) == 6 and session.result().stopped is None
    with pytest.raises(
        InputError, match="steps is 'auto', which needs an encoder to measure by; pass a number"
    ):
        dv.adapt(generator, [], dv.Pictures(torch.zeros(2, 3, 16, 16)), steps="auto")


def test_automatic_steps_go_with_every_kind_of_target(generator, encoder, picture, few) -> None:
    """The plateau measures by the text, the picture, the mean of the pictures, and the mean of those."""
    one, several = dv.Picture(picture), dv.Pictures(few, guidance=FewShotGuidance(adversarial=0, pairs=1))
    for target in (dv.Text("red"), one, several, dv.Text("red") + one):
        training = Training(steps=2, plateau=Plateau(every=1))
        session = dv.Session(generator, encoder, target, training=training)
        (wanted,) = session.objective.target_embeddings()
        assert wanted.shape == (16,) and wanted.norm() == pytest.approx(1, abs=1e-5)
        start = session._rules["plateau"].curve[0]
        images = generator(latents(range(3_500_000_000, 3_500_000_016), 8))
        assert start[1] == pytest.approx((encoder.encode_images(images) @ wanted).mean().item(), abs=1e-4)


def copied_pictures(generator) -> torch.Tensor:
    """Training pictures that are the very samples at which the rule looks."""
    with torch.no_grad():
        return generator(latents(range(_COPY_SEED, _COPY_SEED + 32), 8)).clamp(-1, 1)


def test_copies_end_a_training_and_the_domain_before_them_is_kept(
    tmp_path, generator, few, monkeypatch
) -> None:
    shares = []
    monkeypatch.setattr(stopping, "share_of_copies", lambda *images: shares.pop(0))

    def make(**options) -> dv.Session:
        target = dv.Pictures(
            few,
            discriminator=toy_discriminator(),
            discriminator_training=DiscriminatorTraining(warmup_steps=1),
            check_every=2,
        )
        training = Training(steps=8, batch_size=4, learning_rate=0.01)
        return dv.Session(generator, [], target, training=training, **options)

    session = make()
    shares[:] = 0.25, 0.75
    seen = run(session)
    result = session.result()
    assert len(seen) == 4
    assert result.stopped == (
        "75% of 32 samples copy a training picture after 4 steps: kept the domain of step 2"
    )
    assert torch.equal(result.domain.vector, seen[1].domain.vector.half().float())
    assert result.measured == {"copies": [{"step": 2, "share": 0.25}, {"step": 4, "share": 0.75}]}
    options = {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    shares[:] = 0.25, 0.75
    run(make(**options), until=3)
    for steps in ([4], []):  # from the middle, and from the end
        resumed = make(**options)
        assert [progress.step for progress in run(resumed)] == steps
        assert_equal_results(result, resumed.result())
    result.save(tmp_path / "x.safetensors")
    assert "copies" in (tmp_path / "x.json").read_text()


def test_nothing_is_kept_of_a_training_that_copies_from_the_beginning(generator, encoder) -> None:
    """Even if the plateau is still to come."""
    target = dv.Pictures(
        copied_pictures(generator),
        discriminator=toy_discriminator(),
        discriminator_training=DiscriminatorTraining(warmup_steps=1),
        check_every=2,
    )
    training = Training(steps=8, batch_size=4, learning_rate=1e-5, plateau=Plateau())
    session = dv.Session(generator, encoder, target, training=training)
    assert len(run(session)) == 2
    assert (
        "100% of 32 samples copy a training picture after 2 steps: kept the domain of step 0"
        == session.stopped
    )
    with pytest.raises(AdaptationError, match="the domain changes nothing and is not kept"):
        session.result()


@pytest.mark.parametrize(("every", "checks"), [(2, [2, 4, 5]), (3, [3, 5]), (5, [5]), (20, [5])])
def test_the_last_step_is_checked_whatever_its_number(generator, few, every, checks) -> None:
    domain = modulation_rgb(generator).detach()
    rule = CopyRule(generator, few, most=0.3, nearness=0.5, vector=domain.vector, every=every, last=5)
    for step in range(1, 6):
        assert rule(step, domain.with_vector(domain.vector + step)) is None
        last = max((check for check in checks if check <= step), default=0)
        assert rule.best_vector[0] == last
    assert [check["step"] for check in rule.record()["copies"]] == checks
    other = CopyRule(generator, few, most=0.3, nearness=0.5, vector=domain.vector, every=every, last=5)
    other.load_state_dict(rule.state_dict())
    assert other.record() == rule.record() and torch.equal(other.best_vector, rule.best_vector)


def test_copies_may_be_allowed(generator) -> None:
    domain = modulation_rgb(generator).detach()
    for most, ends in ((0.0, False), (0.99, True), (1.0, False)):
        rule = CopyRule(
            generator,
            copied_pictures(generator),
            most=most,
            nearness=0.5,
            vector=domain.vector,
            every=1,
            last=1,
        )
        assert (rule(1, domain) is not None) == ends
        assert bool(rule.record()["copies"]) == bool(most)


def test_copies_are_found_mirrored_too(few) -> None:
    assert share_of_copies(few, few, 0.5) == 1
    assert share_of_copies(few.flip(3), few, 0.5) == 1
    assert share_of_copies(torch.cat([few, -few]), few, 0.5) == 0.5
