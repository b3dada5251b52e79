import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import domainvec

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
PACKAGES = Path(__file__).parents[1] / "src"


@pytest.mark.parametrize("name", domainvec.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(domainvec, name) is not None
    assert name in dir(domainvec)


def test_public_names_are_those_of_their_modules():
    from domainvec.adaptation import adapt
    from domainvec.stylegan2 import Generator

    assert domainvec.adapt is adapt
    assert domainvec.Generator is Generator
    assert domainvec.guidance.direction_loss


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Hypernetwork'"):
        domainvec.Hypernetwork  # noqa: B018


def test_importing_does_no_work():
    heavy = "torch numpy transformers PIL safetensors typer rich"
    code = f"import sys, domainvec; print([name for name in {heavy.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["domainvec", "synthfaces"])
def test_packages_say_that_they_are_typed(package):
    assert (PACKAGES / package / "py.typed").is_file()


def test_the_installed_command_starts():
    # Read as text: Python 3.10 has no reader of TOML, and the tests also run where nothing is installed.
    script = re.search(r'^domainvec = "([\w.]+):(\w+)"$', PROJECT.read_text(encoding="utf-8"), re.MULTILINE)
    assert callable(getattr(import_module(script[1]), script[2]))
