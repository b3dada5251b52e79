"""Checkpoints: what is written when, what is refused, and how a killed process goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from adaptation_toys import Killed, Steps, ToyEncoder, kill_at, toy_generator
from safetensors.torch import load_file

import domainvec as dv
from domainvec.adaptation.checkpoint import Checkpoint
from domainvec.errors import AdaptationError, InputError
from domainvec.guidance import Guidance, Preservation

QUICK = {"steps": 6, "batch_size": 2}


RUN = """
import sys, time, torch
sys.path.insert(0, sys.argv[1])
from adaptation_toys import ToyEncoder, toy_generator
import domainvec as dv
torch.set_num_threads(1)
slowly = lambda progress: (print(progress.step, flush=True), time.sleep(0.05))
dv.adapt(toy_generator(), ToyEncoder(), "red", steps=200, batch_size=2, checkpoint=sys.argv[2],
         checkpoint_every=3, callback=slowly)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_process_is_resumed_to_the_same_result(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(Path(__file__).parent), str(checkpoint)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 4:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    arguments = {"steps": 200, "batch_size": 2}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps, after = Steps(), 12
        stop = kill_at(after)

        def callback(progress: dv.Progress) -> None:
            steps(progress)
            stop(progress)

        arguments |= {"checkpoint": checkpoint, "resume": True, "callback": callback}
        with pytest.raises(Killed):
            dv.adapt(generator, encoder, "red", **arguments)
        assert steps[0] == 4
        whole = tmp_path / "whole.ckpt"
        with pytest.raises(Killed):
            dv.adapt(generator, encoder, "red", **arguments | {"checkpoint": whole, "callback": stop})
    finally:
        torch.set_num_threads(threads)
    resumed, uninterrupted = load_file(checkpoint), load_file(whole)
    assert resumed.keys() == uninterrupted.keys()
    assert all(torch.equal(resumed[key], uninterrupted[key]) for key in uninterrupted)


def test_it_is_written_every_few_steps_and_at_the_end(tmp_path, generator, encoder) -> None:
    checkpoint, kept = tmp_path / "run.ckpt", []
    session = dv.Session(
        generator,
        encoder,
        dv.Text("red"),
        training=dv.Training(steps=5, batch_size=2),
        checkpoint=checkpoint,
        checkpoint_every=2,
    )
    assert not checkpoint.exists()
    for _ in session:
        content = checkpoint.read_bytes() if checkpoint.exists() else b""
        kept.append(content)
    assert not kept[0] and kept[1] == kept[2] != kept[3] != kept[4] == checkpoint.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.ckpt"]


def test_the_path_is_tried_before_the_first_step(tmp_path, generator, encoder) -> None:
    (tmp_path / "file").write_text("")
    calls = []
    for path in (tmp_path / "file" / "run.ckpt", tmp_path / ("x" * 300)):
        with pytest.raises(OSError):
            dv.adapt(generator, encoder, "red", checkpoint=path, callback=calls.append, **QUICK)
    assert not calls and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_session_that_starts_anew_keeps_the_checkpoint_of_an_earlier_one(
    tmp_path, generator, encoder
) -> None:
    checkpoint, steps = tmp_path / "run.ckpt", Steps()
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, "red", checkpoint=checkpoint, callback=kill_at(4), **QUICK)
    with pytest.raises(Killed):  # without resume=True
        dv.adapt(generator, encoder, "red", checkpoint=checkpoint, callback=kill_at(1), **QUICK)
    (tmp_path / "run.ckpt.old").replace(checkpoint)
    dv.adapt(generator, encoder, "red", checkpoint=checkpoint, resume=True, callback=steps, **QUICK)
    assert steps == [5, 6]


def test_refused_texts_leave_no_checkpoint(tmp_path, generator, encoder) -> None:
    with pytest.raises(InputError, match="are the same text"):
        dv.adapt(generator, encoder, "a photo", checkpoint=tmp_path / "run.ckpt", **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_refused_texts_leave_an_earlier_checkpoint_alone(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    checkpoint.write_bytes(b"of an earlier run")
    with pytest.raises(InputError, match="are the same text"):
        dv.adapt(generator, encoder, "a photo", checkpoint=checkpoint, **QUICK)
    assert checkpoint.read_bytes() == b"of an earlier run"


def test_a_checkpoint_of_another_session_is_refused(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    dv.adapt(generator, encoder, "red", checkpoint=checkpoint, **QUICK)

    def resume(generator=generator, encoder=encoder, target="red", **changes):
        arguments = {**QUICK, "checkpoint": checkpoint, "resume": True, **changes}
        return dv.adapt(generator, encoder, target, **arguments)

    keep = Preservation(in_domain_angle=0.3)
    for changes, message in [
        ({"learning_rate": 0.05}, "training.learning_rate was 0.1, now 0.05"),
        ({"target": "blue"}, r'targets\.0\.texts\.0 was "red", now "blue"'),
        ({"target": 2 * dv.Text("red")}, r"targets\.0\.weight was 1\.0, now 2\.0"),
        ({"target": dv.Text("red") + dv.Text("red")}, "targets was .*, now "),
        ({"steps": 7, "seed": 1}, "training.seed was 0, now 1; training.steps was 6, now 7"),
        ({"guidance": Guidance(direction=0.5)}, r"targets\.0\.guidance\.direction was 1\.0, now 0\.5"),
        ({"guidance": Guidance(preservation=keep)}, "preservation.in_domain_angle was 0.5, now 0.3"),
        ({"preservation": keep}, "preservation.in_domain_angle was 0.5, now 0.3"),
        ({"encoder": ToyEncoder(1)}, r'encoders\.0\.fingerprint was "toy-fingerprint-0", now'),
        ({"encoder": [encoder, encoder]}, "encoders was"),
        ({"generator": toy_generator(seed=1)}, f"generator was .{generator.fingerprint}"),
        ({"parameterization": "modulation+rgb"}, "training.parameterization"),
    ]:
        with pytest.raises(AdaptationError, match=f"a checkpoint of another run: .*{message}"):
            resume(**changes)
    with pytest.raises(AdaptationError, match="Resume with the settings it was started with, or start again"):
        resume(seed=1)


def test_broken_files_are_refused(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    dv.adapt(generator, encoder, "red", checkpoint=checkpoint, **QUICK)
    content = checkpoint.read_bytes()
    domain = tmp_path / "domain.safetensors"
    dv.Domain([torch.zeros(3)]).save(domain)
    for broken in (b"", content[:50], content[:-4], b"<html>" * 100, domain.read_bytes()):
        checkpoint.write_bytes(broken)
        with pytest.raises(
            AdaptationError, match=r"run\.ckpt: not a checkpoint of an adaptation, or a broken one"
        ):
            dv.adapt(generator, encoder, "red", checkpoint=checkpoint, resume=True, **QUICK)


def test_numbers_that_cannot_be_are_refused(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    options = {"training": dv.Training(**QUICK), "checkpoint": checkpoint}
    session = dv.Session(generator, encoder, dv.Text("red"), **options)
    for progress in session:
        if progress.step == 2:
            break
    identity = session._identity
    kept = Checkpoint.load(checkpoint, identity)
    vector = kept.state["learnable.vector"]
    broken = {
        "learnable.vector": torch.full_like(vector, float("nan")),
        "optimizer.0.exp_avg": torch.full_like(vector, float("inf")),
    }
    for name, value in broken.items():
        Checkpoint({**kept.state, name: value}, kept.history).save(checkpoint, identity)
        with pytest.raises(AdaptationError, match=r"run\.ckpt: a broken checkpoint; start without resuming"):
            dv.Session(generator, encoder, dv.Text("red"), resume=True, **options)
    for value in (vector[1:], vector.double()):
        Checkpoint({**kept.state, "learnable.vector": value}, kept.history).save(checkpoint, identity)
        with pytest.raises(AdaptationError, match=r"broken checkpoint \(learnable\.vector\); start without"):
            dv.Session(generator, encoder, dv.Text("red"), resume=True, **options)
    Checkpoint(kept.state, kept.history[1:]).save(checkpoint, identity)  # a step is missing
    with pytest.raises(AdaptationError, match="a broken checkpoint"):
        dv.Session(generator, encoder, dv.Text("red"), resume=True, **options)


def test_what_is_saved_is_loaded(tmp_path) -> None:
    state = {"learnable.vector": torch.arange(3.0), "rule.best": torch.tensor(2)}
    kept = Checkpoint(state, [{"step": 1, "loss": 0.5}], ("it is enough", "plateau"))
    kept.save(tmp_path / "run.ckpt", {"seed": 3})
    found = Checkpoint.load(tmp_path / "run.ckpt", {"seed": 3})
    assert found.state.keys() == state.keys()
    assert all(torch.equal(found.state[name], value) for name, value in state.items())
    assert (found.history, found.stopped) == (kept.history, kept.stopped)
