"""Signals that stop a long command, sent to real processes where the process is the point."""

import signal
import sys
import threading

import pytest
import torch

from domainvec.cli.signals import interruptible
from domainvec.domains import Domain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
AT_ONCE = "once more stops at once"


@pytest.fixture
def command(tiny_generator_folder, tiny_encoder_folder):
    options = ["--encoder", tiny_encoder_folder, "--preview-every", 0, "--batch-size", 2]
    return ["adapt", tiny_generator_folder, "--to", "a pencil sketch", *options]


@pytest.fixture
def options(command):
    return [*command, "--steps", 120, "--checkpoint-every", 1000, "--threads", torch.get_num_threads()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Where the same domain is kept as nobody has stopped it."""
    return tmp_path_factory.mktemp("whole") / "whole.safetensors"


def check_stopped(code, err, number, path):
    assert code == 128 + number, err
    assert AT_ONCE in err
    assert f"--resume goes on from {path.with_suffix('.ckpt')}" in err
    assert [file.name for file in path.parent.iterdir()] == [path.with_suffix(".ckpt").name]


def check_resumed(run, options, path, whole):
    code, _, err = run(*options, "--resume", "-o", path)
    assert code == 0, err
    assert "step 12/120" not in err
    assert "step 120/120" in err
    assert not path.with_suffix(".ckpt").exists()
    if not whole.exists():
        run(*options, "-o", whole)
    assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", STOPPING)
def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    run, monkeypatch, signals, tmp_path, whole, options, name
):
    path, number = tmp_path / "x.safetensors", getattr(signal, name)

    def raise_at_step_13(phase, step, total, loss):
        if step == 13:
            assert callable(signal.getsignal(number))
            signal.raise_signal(number)

    with monkeypatch.context() as patch, signals():
        patch.setattr("domainvec.cli.progress._Lines", lambda: raise_at_step_13)
        code, _, err = run(*options, "-o", path)
    check_stopped(code, err, number, path)
    assert "stopped after 13 of 120 steps" in err
    check_resumed(run, options, path, whole)


def test_a_stopped_process_goes_on_as_if_nothing_had_been(start, stop, run, tmp_path, whole, options):
    path = tmp_path / "x.safetensors"
    code, err = stop(start(*options, "-o", path), "SIGINT")
    check_stopped(code, err, signal.SIGINT, path)
    check_resumed(run, options, path, whole)


def test_a_second_signal_ends_it_at_once(start, stop, tmp_path, command):
    process = start(*command, "--steps", 1000, "-o", tmp_path / "x")
    code, err = stop(process, "SIGINT", "SIGTERM")
    assert code == 128 + signal.SIGTERM, err
    assert AT_ONCE in err and "stopped after" not in err


def test_what_the_parent_ignores_stays_ignored(start, stop, tmp_path, command):
    process = start(*command, "--steps", 20, "-o", tmp_path / "x", ignored=["SIGINT", "SIGHUP"])
    code, err = stop(process, "SIGINT", "SIGHUP")
    assert code == 0, err
    assert "step 20/20" in err and AT_ONCE not in err
    assert (tmp_path / "x.safetensors").is_file()


def test_many_domains_go_on_where_they_were_stopped(
    start, stop, run, tmp_path, tiny_generator_folder, tiny_encoder_folder
):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a pencil sketch\na zombie\n", encoding="utf-8")
    options = ["--encoder", tiny_encoder_folder, "--steps", 30, "--checkpoint-every", 1000]
    command = ["adapt-many", prompts, tiny_generator_folder, *options]
    process = start(*command, "--threads", torch.get_num_threads(), "-o", tmp_path / "stopped")
    code, err = stop(process, "SIGTERM")
    assert code == 128 + signal.SIGTERM, err
    assert AT_ONCE in err and "stopped; the same command goes on from here" in err
    kept = sorted(file.name for file in (tmp_path / "stopped").iterdir())
    assert kept == ["a-pencil-sketch.ckpt", "a-zombie.ckpt"]

    code, _, err = run(*command, "-o", tmp_path / "stopped")
    assert code == 0, err
    assert "step 6/60" not in err and "step 60/60" in err
    assert run(*command, "-o", tmp_path / "whole")[0] == 0
    for name in ("a-pencil-sketch.safetensors", "a-zombie.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert Domain.load(tmp_path / "stopped" / name).vector.any()


def handlers():
    return [signal.getsignal(getattr(signal, name)) for name in STOPPING]


@pytest.mark.parametrize("name", STOPPING)
def test_a_signal_is_noted_inside_the_block_alone(signals, capsys, name):
    number = getattr(signal, name)
    with signals():
        before = handlers()
        with interruptible() as interruption:
            assert not interruption
            signal.raise_signal(number)
            assert interruption and interruption.exit_code == 128 + number
            assert AT_ONCE in capsys.readouterr().err
            with pytest.raises(SystemExit) as ended:
                signal.raise_signal(signal.SIGINT)
            assert ended.value.code == 128 + signal.SIGINT
        assert handlers() == before


def test_what_others_handle_stays_theirs(signals):
    noted = []
    with signals(ignored=["SIGHUP"]):
        signal.signal(signal.SIGTERM, lambda number, frame: noted.append(number))
        with interruptible() as interruption:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            assert not interruption
    assert noted == [signal.SIGTERM]


def test_other_threads_handle_no_signals(signals):
    found = []

    def work():
        with interruptible() as interruption:
            found.extend([interruption, handlers()])

    with signals():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not found[0] and found[1] == handlers()
