"""Adapting to a few pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from adaptation_toys import (
    Killed,
    Steps,
    ToyEncoder,
    assert_equal_results,
    kill_at,
    toy_discriminator,
)
from PIL import Image

import domainvec as dv
from domainvec.adaptation import DiscriminatorTraining, Inversion
from domainvec.adaptation import pictures as module
from domainvec.errors import AdaptationError, InputError, ShapeError
from domainvec.guidance import FACES, FACES_FEW_SHOT, FewShotGuidance, Preservation

# Terms that need 32 px are left out.
FACES_WITHOUT_EDGES = replace(FACES, preservation=replace(FACES.preservation, edges=0, orientation=0))
QUICK = {"steps": 5, "batch_size": 4, "parameterization": "modulation+rgb"}


@pytest.fixture(autouse=True)
def short_reinversions(monkeypatch) -> None:
    monkeypatch.setattr(module, "REINVERSION", replace(module.REINVERSION, steps=3))


def target(pictures, *, new: bool = False, warmup_steps: int = 2, steps: int = 3, **options) -> dv.Pictures:
    """A target with a small discriminator, loaded or new."""
    return dv.Pictures(
        pictures,
        discriminator=options.pop("discriminator", None if new else toy_discriminator()),
        discriminator_training=DiscriminatorTraining(warmup_steps=warmup_steps),
        inversion=Inversion(steps=steps),
        **options,
    )


def test_colours_of_the_pictures_are_approached(generator, few) -> None:
    result = dv.adapt(
        generator,
        [],
        target(few),
        steps=25,
        batch_size=4,
        parameterization="modulation+rgb",
        learning_rate=0.1,
    )
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = generator(z).mean((0, 2, 3))
        after = generator.synthesis(generator.mapping(z), result.domain).mean((0, 2, 3))
    wanted = few.mean((0, 2, 3))
    assert (after - wanted).norm() < 0.7 * (before - wanted).norm()


def test_metadata_tells_pictures_and_discriminator(generator, encoder, few) -> None:
    def told(pictures: dv.Pictures) -> dict[str, object]:
        session = dv.Session(generator, encoder, pictures)
        return session.learnable.template.metadata["targets"][0]

    own = told(target(few))
    assert (own["kind"], own["names"], own["discriminator"]) == ("pictures", list("012345"), "own")
    assert len(own["digest"]) == 16 and own["discriminator_training"]["warmup_steps"] == 2
    assert own["check_every"] == 20 and "inversion" not in own
    assert own["guidance"]["adversarial"] == 1
    assert told(target(few, new=True))["discriminator"] == "new"
    without = told(target(few, guidance=FewShotGuidance(adversarial=0, pairs=1)))
    assert "discriminator" not in without and without["inversion"]["steps"] == 3


def test_without_a_discriminator_of_its_own_a_new_one_learns(generator, few) -> None:
    first, second = (
        dv.adapt(generator, [], target(few, new=True, warmup_steps=1), **QUICK | {"steps": 1})
        for _ in range(2)
    )
    assert_equal_results(first, second)
    assert first.domain.vector.any()


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, generator, few) -> None:
    options = {**QUICK, "noise": "random", "seed": 2}
    whole = dv.adapt(generator, [], target(few, check_every=2), **options)
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, [], target(few, check_every=2), callback=kill_at(3), **options)
    resumed = dv.adapt(generator, [], target(few, check_every=2), **options)
    assert_equal_results(whole, resumed)
    assert [check["step"] for check in whole.measured["copies"]] == [2, 4, 5]
    with pytest.raises(AdaptationError, match=r"targets\.0\.digest was .*, now "):
        dv.adapt(generator, [], target(-few, check_every=2), **options)


def test_the_loss_is_the_weighted_sum_of_its_terms(generator, few) -> None:
    weights = {"adversarial": 0.7, "pairs": 5.0, "distance_consistency": 3.0}
    kept = {"in_domain_angle": 0.9, "luminance": 0.3, "pixel_change": 2.0, "out_of_range": 4.0, "l2": 0.5}
    guidance = FewShotGuidance(**weights, resemblance=0.6, preservation=Preservation(**kept))
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    both = target(few, guidance=guidance, warmup_steps=1, steps=2) + 0.4 * dv.Text("red")
    text = dv.guidance.Guidance(direction=0.8, global_text=0.2)
    result = dv.adapt(generator, encoders, both, guidance=text, **QUICK | {"steps": 2, "learning_rate": 0.1})
    logged = {f"pictures_{name}" for name in ("logit_real", "logit_fake", "augmentation_p")}
    for record in result.history:
        terms = record["terms"]
        expected = sum(weight * terms.pop(name) for name, weight in kept.items() if name != "l2")
        expected += 0.5 * terms["l2"]
        expected += sum(weight * terms[f"pictures_{name}"] for name, weight in weights.items())
        for prefix, share in (("text_", 0.4), ("pictures_resemblance_", 0.6)):
            expected += share * (0.8 * terms[f"{prefix}direction"] + 0.2 * terms[f"{prefix}global_text"])
        assert record["loss"] == pytest.approx(expected, rel=1e-5)
        assert len(terms) == 1 + len(weights) + 4 + len(logged) and logged < terms.keys()
    assert result.history[1]["terms"]["l2"] > 0


def test_a_loaded_discriminator_is_copied(generator, few) -> None:
    own = toy_discriminator(seed=9)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    result = dv.adapt(generator, [], target(few, discriminator=own), **QUICK)
    assert result.domain.metadata["targets"][0]["discriminator"] == "own"
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())
    with pytest.raises(ShapeError, match="the discriminator takes 32 px, the pictures have 16"):
        dv.adapt(generator, [], target(few, discriminator=toy_discriminator(32)), **QUICK)


def test_the_discriminator_warms_up_before_the_first_step(generator, few) -> None:
    session = dv.Session(generator, [], target(few, warmup_steps=3))
    objective = session.objective
    for progress in session:
        if progress.step == 2:
            break
    assert objective.trainer.step_count == 3 + 2


def test_text_and_distance_consistency_beside_it(generator, encoder, few) -> None:
    guidance = FewShotGuidance(distance_consistency=10.0)
    pictures = target(few, guidance=guidance, warmup_steps=1)
    terms = dv.adapt(generator, encoder, pictures + dv.Text("red"), **QUICK).history[0]["terms"]
    assert terms.keys() == {
        "out_of_range", "l2", "text_direction", "pictures_adversarial", "pictures_distance_consistency",
        "pictures_logit_real", "pictures_logit_fake", "pictures_augmentation_p",
    }  # fmt: skip
    assert 0 < terms["pictures_augmentation_p"] < 1
    with pytest.raises(InputError, match="resemblance and distance consistency need an encoder; got none"):
        dv.adapt(generator, [], pictures, **QUICK)


def test_small_encoders_do_without_a_discriminator(tmp_path, generator, few) -> None:
    encoder = ToyEncoder(guidance=FACES_WITHOUT_EDGES)
    assert FACES_FEW_SHOT.adversarial == 0 and FACES_FEW_SHOT.pairs > 0
    keep = replace(FACES_FEW_SHOT.preservation, edges=0)
    pictures = target(few, guidance=replace(FACES_FEW_SHOT, preservation=keep))
    told = Steps("inverting")
    whole = dv.adapt(generator, encoder, pictures, callback=told, **QUICK)
    assert told[:6] == [1, 2, 3, 4, 5, 6]  # four of the six pictures, then two
    metadata = whole.domain.metadata["targets"][0]
    assert "discriminator" not in metadata and metadata["guidance"]["adversarial"] == 0
    terms = whole.history[0]["terms"].keys()
    assert {"pairs", "resemblance_direction", "resemblance_global_text", "pixel_change"} <= terms
    assert "adversarial" not in terms
    options = {**QUICK, "checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, pictures, callback=kill_at(3), **options)
    assert_equal_results(whole, dv.adapt(generator, encoder, pictures, **options))


def test_inversions_that_are_killed_go_on_from_the_checkpoint(tmp_path, generator, few) -> None:
    pictures = target(few, guidance=FewShotGuidance(pairs=1), warmup_steps=1, steps=4)
    whole = dv.adapt(generator, [], pictures, **QUICK)
    checkpoint, left = tmp_path / "run.ckpt", []

    def kill(progress: dv.Progress) -> None:
        if progress.step == 8:
            left.append(checkpoint.read_bytes())
            raise Killed

    options = {**QUICK, "checkpoint": checkpoint, "checkpoint_every": 3, "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, [], pictures, callback=kill, **options)
    checkpoint.write_bytes(left[0])  # without what an orderly end writes
    told = Steps("inverting")
    resumed = dv.adapt(generator, [], pictures, callback=told, **options)
    assert told == [7, 8]  # Of four pictures and of two, four steps each; the last checkpoint was after six.
    assert_equal_results(whole, resumed)


def test_inverted_pictures_are_not_inverted(generator, few) -> None:
    guidance = FewShotGuidance(pairs=1)
    w = dv.invert(generator, few, settings=Inversion(steps=3))
    options, told = {**QUICK, "steps": 2, "precision": "float32"}, Steps("inverting")
    known = dv.adapt(generator, [], target(few, guidance=guidance, inverted=w), callback=told, **options)
    assert not told
    assert_equal_results(known, dv.adapt(generator, [], target(few, guidance=guidance), **options))
    with pytest.raises(ShapeError, match=r"inverted latents have shape .*; expected \(6, 6, 8\)"):
        dv.adapt(generator, [], target(few, guidance=guidance, inverted=w[:2]), **options)


def test_reinversions_are_spread_over_the_first_half() -> None:
    guidance = FewShotGuidance(pairs=10, reinversions=2)
    assert guidance.reinversion_steps(6) == {2, 3}
    assert replace(guidance, pairs=0).reinversion_steps(6) == set()
    assert replace(guidance, reinversions=0).reinversion_steps(6) == set()
    assert FACES_FEW_SHOT.reinversion_steps(240) == {40, 80, 120}


def test_pictures_are_inverted_again_through_the_domain_and_resumed(tmp_path, generator, few) -> None:
    guidance = FewShotGuidance(pairs=10, reinversions=2)
    options = {**QUICK, "steps": 6, "learning_rate": 0.05}
    told = []
    again = target(few[:4], guidance=guidance, warmup_steps=1, steps=2)
    whole = dv.adapt(generator, [], again, callback=told.append, **options)
    phases = [(progress.phase, progress.total) for progress in told]
    inverted, anew = [("inverting", 2)] * 2, [("inverting", 3)] * 3
    first, second, rest = ([("training", 6)] * count for count in (2, 1, 3))
    assert phases == inverted + first + anew + second + anew + rest
    once = target(few[:4], guidance=replace(guidance, reinversions=0), warmup_steps=1, steps=2)
    once = dv.adapt(generator, [], once, **options)
    same = [a["loss"] == b["loss"] for a, b in zip(whole.history, once.history, strict=True)]
    assert same == [True, True, False, False, False, False]
    for name, stop in (("before", kill_at(2)), ("between", kill_at(3)), ("inside", kill_at(3, "inverting"))):
        path = tmp_path / f"{name}.ckpt"
        with pytest.raises(Killed):
            dv.adapt(generator, [], again, callback=stop, checkpoint=path, **options)
        resumed = dv.adapt(generator, [], again, checkpoint=path, resume=True, **options)
        assert_equal_results(whole, resumed)


def test_something_has_to_see_the_pictures(generator, few) -> None:
    with pytest.raises(InputError, match=r"reinversions is 1\.5; expected a whole number"):
        FewShotGuidance(reinversions=1.5)
    with pytest.raises(InputError, match="nothing sees the pictures; set one above 0"):
        FewShotGuidance(adversarial=0)
    with pytest.raises(InputError, match="resemblance and distance consistency need an encoder"):
        dv.adapt(generator, [], target(few, guidance=FewShotGuidance(resemblance=1)))
    seen = dv.Pictures(few, guidance=FewShotGuidance(pairs=1), inversion=Inversion(features=1))
    with pytest.raises(InputError, match=r"features of inversions, .* need an encoder"):
        dv.adapt(generator, [], seen)


def test_a_folder_with_other_things_in_it(tmp_path, generator) -> None:
    for shade in (30, 90, 200):
        Image.new("RGB", (20, 30), (shade, 0, 90)).save(tmp_path / f"{shade}.png")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    result = dv.adapt(generator, [], target(tmp_path), **QUICK)
    assert result.domain.metadata["targets"][0]["names"] == ["200.png", "30.png", "90.png"]
    (tmp_path / "30.png").unlink()
    (tmp_path / "90.png").unlink()
    with pytest.raises(InputError, match=r"notes\.txt: no picture"):
        dv.adapt(generator, [], target(tmp_path), **QUICK)


@pytest.mark.parametrize(
    ("guidance", "options", "said"),
    [
        ({}, {"batch_size": 6}, "batch_size is 6; the discriminator compares groups of 4 images: expected a"),
        (
            {"preservation": Preservation(luminance=1)},
            {"batch_size": 1},
            "batch_size is 1, but .* the luminance term compare",
        ),
        (
            {"distance_consistency": 1},
            {"batch_size": 2},
            "batch_size is 2, but distance consistency compares",
        ),
        ({}, {"resolution": 8}, "resolution is 8, but several pictures are learnt at full size: leave"),
        ({}, {"full_size_fraction": 0.5}, "several pictures are learnt at full size"),
        ({}, {"encoder": "faces-clip"}, "encoder is the text 'faces-clip': load it with Encoder"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(generator, encoder, few, guidance, options, said) -> None:
    pictures = target(few, guidance=FewShotGuidance(**guidance))
    with pytest.raises(InputError, match=said):
        dv.adapt(generator, **{"encoder": encoder, "target": pictures} | QUICK | options)


def test_pictures_are_several_of_the_generators_size(generator, few) -> None:
    with pytest.raises(InputError, match="check_every is 0, expected 1 or more"):
        target(few, check_every=0)
    for pixels in (few[:1], few[..., :8], few[0], torch.zeros(4, 3, 32, 32)):
        with pytest.raises(
            ShapeError, match=r"pictures have shape .*; expected \(M, 3, 16, 16\), M at least 2"
        ):
            dv.adapt(generator, [], target(pixels), **QUICK)


def test_terms_are_means_over_the_encoders(generator, few) -> None:
    guidance = FewShotGuidance(distance_consistency=1, resemblance=1)
    changed = dv.Domain([torch.full((width,), 0.5) for width in generator.conv_channels])

    def terms(*seeds: int) -> dict[str, float]:
        encoders = [ToyEncoder(seed) for seed in seeds]
        session = dv.Session(generator, encoders, target(few, guidance=guidance))
        w, source = session.sources.at(0)
        batch = session.viewer.adapted_batch(generator.synthesis(w, changed), source)
        return {name: value.item() for name, (_, value) in session.objective(batch, 0).items()}

    first, second, both = terms(0), terms(1), terms(0, 1)
    for name in ("distance_consistency", "resemblance_direction"):
        assert first[name] > 1e-3 and abs(first[name] - second[name]) > 1e-4
        assert both[name] == pytest.approx((first[name] + second[name]) / 2, rel=1e-4)
