import os
import subprocess
import sys

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
def start():
    """Start a command in a process of its own, which is killed after the test."""
    started = []

    def start(*arguments, env=None, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "domainvec", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
