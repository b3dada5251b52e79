from __future__ import annotations

import json

import pytest
import torch
from adaptation_toys import ToyEncoder

import domainvec as dv
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
