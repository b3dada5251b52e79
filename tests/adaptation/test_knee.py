from __future__ import annotations

import json

import pytest
import torch
from adaptation_toys import Killed, ToyEncoder, assert_equal_runs, kill_at

import domainvec as dv
from domainvec.adaptation import Adversary
from domainvec.adaptation.knee import KneeWatch
from domainvec.adaptation.training import Progress
from domainvec.domains import modulation_rgb
from domainvec.errors import InputError


@pytest.fixture
def watched(generator, encoder):
    """A watch that is told the measures in place of taking them: (quality, diversity)."""
    domain = modulation_rgb(generator).detach()
    watch = KneeWatch(
        generator, [encoder], [encoder.encode_texts(["red"])[0]], domain.vector, resolution=16, every=2
    )
    watch.curve = [(0, 0.0, 1.0, 1.0)]

    def run(measures):
        told = iter(measures)
        watch._measure = lambda images: (*next(told), 1.0)
        progress = Progress.start(domain.vector)
        for step in range(2 * len(measures)):
            vector = torch.full_like(domain.vector, step + 1.0)
            history = [*progress.history, {"step": step + 1}]
            progress = Progress(vector, progress.mean, progress.mean_square, history)
            if reason := watch(progress, domain.with_vector(vector)):
                history[-1]["stopped"] = reason
                break
        return progress, watch.choose(progress)[0].item()

    return run


def test_it_ends_where_quality_stops_to_rise(watched):
    progress, chosen = watched([(q, 0.9) for q in (0.3, 0.6, 0.8, 0.801, 0.802, 0.8, 0.9, 0.9)])
    assert progress.step == 12 and chosen == 6
    assert progress.stopped == "quality has not risen since step 6; the domain is that of this step"


def test_it_ends_where_diversity_is_lost(watched):
    progress, chosen = watched([(0.1, 0.9), (0.2, 0.7), (0.3, 0.3), (0.4, 0.2)])
    assert progress.step == 6 and chosen == 4
    assert "diversity fell to 30%" in progress.stopped


def test_it_goes_on_while_quality_rises(watched):
    progress, chosen = watched([(0.1 * n, 0.9) for n in range(1, 9)])
    assert progress.stopped is None and chosen == 16


def test_measures_and_state(generator, encoder):
    domain = modulation_rgb(generator).detach()
    wanted = [encoder.encode_texts(["red"])[0]]
    watch = KneeWatch(generator, [encoder], wanted, domain.vector, resolution=16)
    (step, quality, diversity, _) = watch.curve[0]
    assert step == 0 and -1 <= quality <= 1 and diversity == pytest.approx(1)
    other = KneeWatch(generator, [encoder], wanted, domain.vector + 1, resolution=16)
    other.restore(watch.state())
    assert torch.equal(other.kept, watch.kept) and other.record() == watch.record()


def test_steps_auto(tmp_path, generator, encoder):
    arguments = {"batch_size": 2, "steps": "auto", "learning_rate": 1e-6}
    result = dv.adapt(generator, encoder, "red", checkpoint=tmp_path / "run.ckpt", **arguments)
    assert result.settings.until_knee and result.settings.steps == 600
    assert len(result.history) < 600 and result.stopped
    result.save(tmp_path / "x.safetensors")
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["stopped"] == result.stopped
    assert record["watched"]["curve"][0]["step"] == 0
    again = dv.adapt(generator, encoder, "red", checkpoint=tmp_path / "run.ckpt", resume=True, **arguments)
    assert torch.equal(again.domain.vector, result.domain.vector)
    with pytest.raises(InputError, match="'auto'"):
        dv.adapt(generator, ToyEncoder(), "red", steps="many")


def test_steps_auto_with_several_pictures(tmp_path, generator, encoder):
    few = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 0.4 + 0.5
    adversary = Adversary(warmup_steps=1)
    arguments = {"batch_size": 4, "steps": "auto", "learning_rate": 1e-6, "adversary": adversary}
    whole = dv.adapt_to_images(generator, few, encoder, **arguments)
    assert "quality has not risen since step" in whole.stopped
    assert whole.watched["copies"] and whole.watched["curve"]
    knee = int(whole.stopped.split("step ")[1].split(";")[0])
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    vectors = {}

    def callback(step, loss, parts, domain):
        vectors[step] = domain.vector.detach().half().float()
        kill_at(len(whole.history) - 1)(step)

    with pytest.raises(Killed):
        dv.adapt_to_images(generator, few, encoder, callback=callback, **arguments)
    assert torch.equal(whole.domain.vector, vectors[knee])
    for _ in range(2):  # from the middle, and from the end
        assert_equal_runs(whole, dv.adapt_to_images(generator, few, encoder, **arguments))
    with pytest.raises(InputError, match="steps is 'auto', which watches what an encoder sees; got none"):
        dv.adapt_to_images(generator, few, steps="auto")


def test_copies_end_a_run_before_its_knee(generator, encoder):
    from domainvec.adaptation.images import _FIRST_WATCHED
    from domainvec.seeds import latents

    with torch.no_grad():
        own = generator(latents(range(_FIRST_WATCHED, _FIRST_WATCHED + 32), 8)).clamp(-1, 1)
    arguments = {"batch_size": 4, "steps": "auto", "learning_rate": 1e-6, "check_every": 2}
    result = dv.adapt_to_images(generator, own, encoder, adversary=Adversary(warmup_steps=1), **arguments)
    assert "copy a training picture after 2 steps; the domain is that of step 0" in result.stopped
    assert not result.domain.vector.any()
