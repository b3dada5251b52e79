import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from domainvec.cli.app import main


@pytest.fixture
def run(capsys):
    """Run a command in this process; returns its exit code, standard output and standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return stop.value.code, printed.out, printed.err

    return run


@pytest.fixture
def signals():
    """A context in which the signals that stop a command have their defaults, but some may be ignored.

    Child processes inherit that, whatever this process ignores because it runs under nohup or in the
    background.
    """

    @contextmanager
    def signals(ignored=()):
        handlers = {}
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            if (number := getattr(signal, name, None)) is not None:
                handlers[number] = signal.signal(number, signal.SIG_IGN if name in ignored else default)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    return signals


@pytest.fixture
def start(signals):
    """Start the command line as a process of its own, which ends with the test at the latest."""
    started = []

    def start(*arguments, ignored=(), env=None):
        with signals(ignored):
            process = subprocess.Popen(
                [sys.executable, "-m", "domainvec", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def stop():
    """Send signals, all at once, to a command after the first tenth of its steps; how it ends."""

    def stop(process, *names):
        while not (line := process.stderr.readline()).startswith("step "):
            assert line, "it has ended early"
        # Between SIGSTOP and SIGCONT no step ends.
        for name in ("SIGSTOP", *names, "SIGCONT"):
            process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=120)
        assert "Traceback" not in err
        return process.returncode, err

    return stop
