"""Several domains side by side."""

from __future__ import annotations

import pytest
import torch
from adaptation_toys import CountingEncoder, Killed, ToyEncoder, assert_equal_runs, kill_at, toy_generator

import domainvec as dv
from domainvec.errors import AdaptationError, InputError
from domainvec.guidance import FACES, PUBLISHED

QUICK = {"steps": 4, "batch_size": 2}


@pytest.mark.parametrize("guidance", [PUBLISHED, FACES], ids=["published", "robust"])
def test_each_result_is_that_of_its_own_run(guidance: dv.Guidance) -> None:
    generator, encoder = toy_generator(32), CountingEncoder()
    jobs = ["red", {"target": ["blue", "navy"], "parameterization": "affine"}, {"target": "green", "seed": 1}]
    options = {**QUICK, "guidance": guidance, "noise": "random"}
    together = dv.adapt_many(generator, encoder, jobs, **options)
    counts = [encoder.num_encoded]
    for job, result in zip(jobs, together, strict=True):
        own = {"target": job} if isinstance(job, str) else job
        encoder.num_encoded = 0
        assert_equal_runs(result, dv.adapt(generator, encoder, **options, **own))
        counts.append(encoder.num_encoded)
    alone = counts[1]
    assert counts == [alone // 2 * 5, alone, alone, alone]  # The first two share the source side.


def test_the_source_pool_is_shared_too(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path))
    generator, encoder = toy_generator(), ToyEncoder()
    options = {**QUICK, "source_pool": 4}
    together = dv.adapt_many(generator, encoder, ["red", "blue"], **options)
    assert len(list((tmp_path / "sources").iterdir())) == 1
    assert_equal_runs(together[1], dv.adapt(generator, encoder, "blue", **options))


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path) -> None:
    generator, encoder = toy_generator(), ToyEncoder()
    whole = dv.adapt_many(generator, encoder, ["red", "blue"], **QUICK)
    jobs = [{"target": name, "checkpoint": tmp_path / name, "resume": True} for name in ("red", "blue")]
    with pytest.raises(Killed):
        dv.adapt_many(generator, encoder, [jobs[0], {**jobs[1], "callback": kill_at(3)}], **QUICK)
    done = []
    again = [{**job, "callback": lambda step, *_: done.append(step)} for job in jobs]
    for first, second in zip(whole, dv.adapt_many(generator, encoder, again, **QUICK), strict=True):
        assert_equal_runs(first, second)
    assert done == [4, 4]


def test_a_run_that_diverges_leaves_the_others_their_checkpoints(tmp_path) -> None:
    class Breaking(ToyEncoder):
        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            return super().encode_images(images) * (float("nan") if self.broken else 1.0)

    encoder = Breaking()
    encoder.broken = False

    def break_at_two(step: int, *_: object) -> None:
        encoder.broken = step == 2

    jobs = [{"target": name, "checkpoint": tmp_path / name} for name in ("red", "blue")]
    with pytest.raises(AdaptationError, match="step 2 of 4: the loss is nan"):
        dv.adapt_many(toy_generator(), encoder, [{**jobs[0], "callback": break_at_two}, jobs[1]], **QUICK)
    encoder.broken = False
    done = []
    dv.adapt(toy_generator(), encoder, **QUICK, **jobs[0], resume=True, callback=lambda n, *_: done.append(n))
    assert done == [3, 4]


@pytest.mark.parametrize(
    ("jobs", "shared", "message"),
    [
        ([], {}, r"jobs is \[\], expected one or several"),
        ("red", {}, "jobs is 'red', expected one or several, in a list"),
        ([{}], {}, "a job has no target"),
        (["red"], {"speed": 3}, "adapt has no argument speed; it has target, source, steps"),
        (["red", {"target": "blue", "steps": 0}], {}, "steps is 0"),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(jobs, shared, message) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(InputError, match=message):
        dv.adapt_many(toy_generator(), ToyEncoder(), jobs, callback=never, **shared)
