"""Behaviour of all commands: help, wrong usage, errors."""

import subprocess
import sys
import warnings
from warnings import warn

import pytest
import torch

import domainvec
from domainvec.cli.app import main
from domainvec.domains import Domain

COMMANDS = ("adapt", "adapt-many", "generate", "mix", "info", "convert", "export", "evaluate")


def test_help_in_a_process(start):
    process = start("--help")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert all(f"  {command} " in out for command in COMMANDS)
    assert err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "--debug" in out


@pytest.mark.parametrize("arguments", [["--help"], ["adapt", "--help"], ["--version"], ["mix", "x"]])
def test_help_and_usage_errors_import_nothing_heavy(arguments):
    code = f"""
import sys
from domainvec.cli.app import main
try:
    main({arguments!r})
except SystemExit:
    heavy = "torch numpy PIL transformers safetensors scipy skia rich.progress rich.markdown".split()
    print("loaded:", [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_version(run):
    assert run("--version")[:2] == (0, f"domainvec {domainvec.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage:"),
        (["paint"], "No such command 'paint'"),
        (["adapt"], "give a text, --to-image FILE or --to-images FOLDER"),
        (["adapt", "--to", "x", "--colour"], "No such option: --colour"),
        (["adapt", "--to", " "], "the text is empty"),
        (["adapt", "--to", "x", "--steps", "0"], "'0' is neither a number from 1 nor auto"),
        (["adapt", "--to", "x", "--steps", "many"], "'many' is neither a number from 1 nor auto"),
        (["adapt", "--to", "x", "-o", "x.png"], "name it x.safetensors"),
        (["adapt", "--to", "x", "--guidance", "y"], "published"),
        (["generate"], "Missing option"),
        (["generate", "-o", "x.jpg"], "name it x.png"),
        (["generate", "-o", "x.png", "--seeds", "a-b"], "write 0-15"),
        (["mix", "-o", "x.safetensors"], "Missing argument"),
        (["mix", "a.safetensors", "-o", "x.safetensors"], "has no weight"),
        (["info"], "Missing argument"),
        (["convert", "faces", "-o", "x.safetensors"], "name it x"),
        (["convert", "faces", "-o", "x.pkl", "--format", "rosinality"], "name it x.pt"),
        (["convert", "faces", "-o", "x.pt", "--half"], "float32"),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments, says):
    code, out, err = run(*arguments)
    assert code == 2
    assert says in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "missing.safetensors"],
        ["info", "missing"],
        ["generate", "missing.pkl", "-o", "x.png"],
        ["generate", "{generator}", "--domain", "missing.safetensors", "-o", "x.png"],
        ["generate", "{generator}", "--device", "nonsense", "-o", "x.png"],
        ["generate", "{generator}", "--device", "cuda:77", "-o", "x.png"],
        ["generate", "{generator}", "--device", "meta", "-o", "x.png"],
        ["generate", "{generator}", "--device", "hpu", "-o", "x.png"],
        ["generate", "{generator}", "--domain", "{folder}", "-o", "x.png"],
        ["generate", "{generator}", "--domain", "*.safetensors", "-o", "x.png"],
        ["evaluate", "*.safetensors:0.5", "{generator}"],
        ["generate", "{generator}", "--truncation", "nan", "-o", "x.png"],
        ["generate", "{generator}", "-o", "{file}/below/x.png"],
        ["mix", "missing.safetensors:1", "-o", "x.safetensors"],
        ["convert", "missing.pkl", "-o", "x"],
        ["convert", "{file}", "-o", "x"],
        ["adapt", "{generator}", "--to", "x", "--encoder", "missing"],
        ["adapt", "{generator}", "--to", "x", "--encoder", "{generator}"],
        ["adapt", "{generator}", "--to", "a zombie", "--encoder", "{encoder}", "--parameterization", "y"],
        ["adapt", "{generator}", "--to", "a zombie", "--encoder", "{encoder}", "--learning-rate", "-1"],
        ["adapt", "{generator}", "--to", "a zombie", "--from", "", "--encoder", "{encoder}"],
        ["adapt", "{generator}", "--to", "a photo", "--encoder", "{encoder}"],
    ],
)
def test_failures_exit_with_1_and_one_line(
    run, tmp_path, tmp_path_factory, monkeypatch, tiny_generator_folder, tiny_encoder_folder, arguments
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("not a checkpoint")
    known = {"generator": tiny_generator_folder, "encoder": tiny_encoder_folder, "file": tmp_path / "file"}
    known["folder"] = tmp_path_factory.mktemp("empty")
    code, _, err = run(*(argument.format_map(known) for argument in arguments))
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 1
    assert len(lines) == 1
    assert err.endswith(lines[0] + "\n")
    assert "unexpected" not in lines[0]
    assert {path.name for path in tmp_path.iterdir()} == {"file"}, "nothing half-written is left"


def test_an_error_in_a_process(start, tmp_path):
    (tmp_path / "page.pkl").write_text("<!doctype html><html>Sign in</html>")
    process = start("info", tmp_path / "page.pkl")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == ""
    assert err.startswith(f"error: {tmp_path / 'page.pkl'}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--debug", "info", "missing"], ["info", "missing", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments):
    with pytest.raises(domainvec.DomainVecError):
        main(arguments)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (domainvec.DomainVecError("two\nlines"), "error: two lines"),
        (PermissionError(13, "Permission denied", "/x/y"), "error: /x/y: Permission denied"),
        (OSError(28, "No space left on device"), "error: No space left on device"),
        (MemoryError(), "error: out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "error: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "error: out of memory"),
        (ZeroDivisionError("by zero"), "error: unexpected ZeroDivisionError: by zero (this is a bug"),
    ],
)
def test_every_error_is_one_line(run, monkeypatch, error, line):
    def fail(path):
        raise error

    monkeypatch.setattr("domainvec.cli.info._facts", fail)
    code, _, err = run("info", "x")
    assert code == 1
    assert err.startswith(line)
    assert err.count("\n") == 1


@pytest.mark.filterwarnings("default")
def test_warnings_are_one_line(run, monkeypatch):
    monkeypatch.setattr("domainvec.cli.info._facts", lambda path: warn("mind\nthe gap", stacklevel=1) or {})
    showing = warnings.showwarning
    assert run("info", "x")[2] == "warning: mind the gap\n"
    assert warnings.showwarning is showing


@pytest.mark.parametrize(
    ("encoding", "target"),
    [("cp1252", "????->"), ("latin-1", "????->"), ("ascii", ""), ("utf-8", "铅笔素描→")],
)
def test_any_text_can_be_printed_in_any_encoding(start, tmp_path, encoding, target):
    path = tmp_path / "sketch.safetensors"
    Domain([torch.zeros(4)], {"target": "铅笔素描→"}).save(path)
    process = start("info", path, env={"PYTHONIOENCODING": encoding})
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert out.endswith(f"  target  {target}\n") or encoding == "ascii"


def test_a_closed_pipe_prints_no_traceback(start, tiny_generator_folder):
    process = start("info", tiny_generator_folder)
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=120) == 1
