import json
import subprocess
import sys

import pytest

from domainvec.encoders.vocabulary import bundled_encoders, find_phrases


def test_all_words_fit_in_eighty_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run("words")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert (
        "domains known to faces-clip and faces-clip-robust:\n  photo          photo, portrait photo, " in out
    )
    assert "\n  pencil_sketch  pencil sketch, pencil drawing, " in out
    assert "\nattributes known to faces-clip and faces-clip-robust:\n  people " in out
    flat = " ".join(out.split())
    for named in find_phrases(bundled_encoders()).values():
        assert all(", ".join(phrases) in flat for phrases in named.values())


@pytest.mark.parametrize("columns", ["20", "200"])
def test_the_terminals_width_is_used(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    _, out, _ = run("words")
    assert max(map(len, out.splitlines())) > 80 or columns == "20"


def test_a_prefix(run):
    _, out, _ = run("words", "pencil", "--encoder", "faces-clip")
    assert out.startswith("domains known to faces-clip:\n  pencil_sketch  pencil sketch, ")
    assert "attributes" not in out and "zombie" not in out
    code, out, err = run("words", "pencl")
    assert (code, out) == (1, "")
    assert err.startswith("error: faces-clip and faces-clip-robust: no known word begins with 'pencl' ")
    assert err.endswith(" (did you mean 'pencil'?)\n")


def test_json(run):
    _, out, _ = run("words", "--json", "elf")
    facts = json.loads(out)
    assert facts["encoders"] == ["faces-clip", "faces-clip-robust"]
    assert list(facts["domains"]) == ["elf"] and facts["attributes"] == {}


def test_an_encoder_that_lists_nothing(run, tiny_encoder_folder):
    code, _, err = run("words", "--encoder", tiny_encoder_folder)
    assert code == 1 and "tiny-clip has no vocabulary.json" in err


def test_words_are_listed_without_pytorch():
    script = (
        "import sys; from domainvec.cli.app import main\n"
        "try: main(['words', 'elf'])\n"
        "finally: assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("domains known to") and done.stderr == ""
