import numpy as np
import pytest
import torch
from PIL import Image

from domainvec.domains import Domain
from domainvec.images import grid
from domainvec.samples import draw


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def make_domain(generator, value):
    metadata = {"generator_fingerprint": generator.fingerprint, "target": "a sketch"}
    return Domain([torch.full((width,), value) for width in generator.conv_channels], metadata)


@pytest.fixture
def sketch(tmp_path, tiny_generator):
    make_domain(tiny_generator, 0.5).save(tmp_path / "sketch.safetensors")
    return tmp_path / "sketch.safetensors"


def test_a_row_of_seeds(run, tmp_path, tiny_generator, tiny_generator_folder):
    path = tmp_path / "new" / "faces.png"
    code, out, _ = run("generate", tiny_generator_folder, "--seeds", "3,5-6", "--size", 16, "-o", path)
    assert code == 0
    assert out == f"{path}: 3 seeds\n"
    assert np.array_equal(pixels(path), np.asarray(grid([draw(tiny_generator, [3, 5, 6])])))


def test_one_row_per_domain(run, tmp_path, tiny_generator, tiny_generator_folder, sketch):
    path = tmp_path / "faces.png"
    code, out, _ = run(
        "generate", tiny_generator_folder, "--domain", sketch, "--domain", f"{sketch}:0.5",
        "--seeds", "0-2", "--truncation", 1, "--size", 16, "-o", path,
    )  # fmt: skip
    assert code == 0
    assert out == f"{path}: 3 seeds, 2 domains\n"
    domains = [None, make_domain(tiny_generator, 0.5), make_domain(tiny_generator, 0.25)]
    rows = [draw(tiny_generator, [0, 1, 2], domain, 1.0) for domain in domains]
    expected = grid(rows, labels=["", "sketch", "sketch × 0.5"])
    assert np.array_equal(pixels(path), np.asarray(expected))


def test_pictures_are_at_least_128_px_by_default(run, tmp_path, tiny_generator_folder):
    run("generate", tiny_generator_folder, "--seeds", 1, "-o", tmp_path / "face")
    assert pixels(tmp_path / "face.png").shape == (128, 128, 3)


def test_seeds_wrap_into_further_rows(run, tmp_path, tiny_generator_folder):
    path = tmp_path / "faces.png"
    run("generate", tiny_generator_folder, "--seeds", "0-4", "--columns", 2, "--size", 16, "-o", path)
    assert pixels(path).shape == (3 * 16 + 2 * 2, 2 * 16 + 2, 3)


def test_a_domain_of_another_generator_needs_allow_mismatch(
    run, tmp_path, tiny_generator, tiny_generator_folder
):
    other = make_domain(tiny_generator, 0.5)
    Domain(other.offsets, {"generator_fingerprint": "0123456789abcdef"}).save(tmp_path / "other.safetensors")
    arguments = ["generate", tiny_generator_folder, "--domain", tmp_path / "other.safetensors", "--seeds", 1]
    arguments += ["-o", tmp_path / "x.png"]
    code, _, err = run(*arguments)
    assert code == 1
    assert "0123456789abcdef" in err
    assert tiny_generator.fingerprint in err
    assert not (tmp_path / "x.png").exists()
    assert run(*arguments, "--allow-mismatch")[0] == 0
    assert (tmp_path / "x.png").exists()


def test_folders_and_patterns_are_expanded_to_one_row_per_domain(
    run, tmp_path, tiny_generator, tiny_generator_folder
):
    folder = tmp_path / "styles"
    for name, value in (("b", 0.5), ("a", 0.25)):
        make_domain(tiny_generator, value).save(folder / f"{name}.safetensors")
    (folder / "broken.safetensors").write_text("x")
    path = tmp_path / "faces"
    options = ["--seeds", "0-2", "--truncation", 1, "--size", 16]
    for named in (folder, f"{folder}/[ab].*", f"{folder}:1"):
        code, out, err = run("generate", tiny_generator_folder, "--domain", named, *options, "-o", path)
        assert code == 0, err
        assert out == f"{path}.png: 3 seeds, 2 domains\n"
    domains = [None, make_domain(tiny_generator, 0.25), make_domain(tiny_generator, 0.5)]
    rows = [draw(tiny_generator, [0, 1, 2], domain, 1.0) for domain in domains]
    assert np.array_equal(pixels(f"{path}.png"), np.asarray(grid(rows, labels=["", "a × 1", "b × 1"])))


def test_folders_and_patterns_without_domains_are_refused(run, tmp_path, tiny_generator_folder):
    for named, says in ((tmp_path, "this folder has no domain files"), (tmp_path / "*.x", "no file matches")):
        code, _, err = run("generate", tiny_generator_folder, "--domain", named, "-o", tmp_path / "x.png")
        assert code == 1
        assert err.startswith(f"error: {named}: ") and says in err


def test_output_names_may_contain_dots(run, tmp_path, tiny_generator_folder):
    assert run("generate", tiny_generator_folder, "--seeds", 1, "-o", tmp_path / "face_v1.5")[0] == 0
    assert (tmp_path / "face_v1.5.png").is_file()
