from pathlib import Path

import pytest
import typer

from domainvec.cli.arguments import file_name, parse_seeds, parse_weighted, split_weight, with_suffix


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("1,4,9-12", [1, 4, 9, 10, 11, 12]),
        (" 3 - 4 , 1 ", [3, 4, 1]),
        ("5-5", [5]),
        ("2,2", [2, 2]),
    ],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "1,", "-3", "1--3", "1.5", "0-1-2", "²", "9" * 30])
def test_invalid_seeds_are_quoted(text):
    with pytest.raises(typer.BadParameter, match="neither a seed nor a range"):
        parse_seeds(text)


def test_reversed_ranges_are_refused():
    with pytest.raises(typer.BadParameter, match="is reversed; write 3-9"):
        parse_seeds("9-3")


@pytest.mark.parametrize("text", ["0-999999999999", "0-60000,0-60000"])
def test_too_many_seeds_are_refused_before_allocating_memory(text):
    with pytest.raises(typer.BadParameter, match="more than 100,000 seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("text", "file", "weight"),
    [
        ("a.safetensors", "a.safetensors", None),
        ("a.safetensors:0.5", "a.safetensors", 0.5),
        ("a.safetensors:-1e-1", "a.safetensors", -0.1),
        (r"C:\domains\a.safetensors", r"C:\domains\a.safetensors", None),
        (r"C:\domains\a.safetensors:2", r"C:\domains\a.safetensors", 2.0),
        ("a:b:1", "a:b", 1.0),
    ],
)
def test_the_weight_follows_the_last_colon(text, file, weight):
    assert split_weight(text) == (Path(file), weight)


def test_invalid_weights_are_refused(tmp_path):
    file = tmp_path / "a.safetensors"
    file.touch()
    with pytest.raises(
        typer.BadParameter, match=r"'half' after .*a.safetensors is not a number; write .*:0\.5"
    ):
        split_weight(f"{file}:half")
    (tmp_path / "a.safetensors:half").touch()
    assert split_weight(f"{file}:half") == (tmp_path / "a.safetensors:half", None)


@pytest.mark.parametrize("text", ["", ":0.5"])
def test_a_weight_needs_a_file(text):
    with pytest.raises(typer.BadParameter, match="has no file name"):
        split_weight(text)


def test_mixing_requires_all_weights():
    assert parse_weighted(["a:1", "b:-2"]) == [(Path("a"), 1.0), (Path("b"), -2.0)]
    with pytest.raises(typer.BadParameter, match=r"'b' has no weight; write b:0\.5"):
        parse_weighted(["a:1", "b"])


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("x", "x.png"),
        ("x.png", "x.png"),
        ("x.PNG", "x.PNG"),
        ("a.b/x", "a.b/x.png"),
        ("x_v1.5", "x_v1.5.png"),
        ("a.b", "a.b.png"),
    ],
)
def test_a_missing_suffix_is_appended(given, completed):
    assert with_suffix(Path(given), ".png") == Path(completed)


def test_a_wrong_suffix_is_refused_with_a_suggestion():
    with pytest.raises(typer.BadParameter, match=r"name it x\.png"):
        with_suffix(Path("x.jpg"), ".png")


def test_folders_are_refused_as_output_files(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(typer.BadParameter, match="is a folder"):
        with_suffix(tmp_path / "x.png", ".png")
    with pytest.raises(typer.BadParameter):
        with_suffix(Path("."), ".png")


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("a pencil sketch", "a-pencil-sketch"),
        ("Ünder the Sea!", "ünder-the-sea"),
        ("../../etc/passwd", "etc-passwd"),
        ("?!", "domain"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_phrase_becomes_a_file_name(phrase, name):
    assert file_name(phrase) == name


def test_file_names_are_short_enough_for_file_systems_in_any_script():
    name = file_name("铅笔素描画" * 20)
    assert "铅笔素描画铅笔".startswith(name[:7]) and 60 < len(name.encode()) <= 80
    assert file_name("\udcff") == "domain"
