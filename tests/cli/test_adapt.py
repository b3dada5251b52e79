import json
import signal

import pytest
import torch
from PIL import Image

from domainvec.adaptation import RECIPES
from domainvec.cli.adapt import RecipeName
from domainvec.domains import Domain


@pytest.fixture
def command(tiny_generator_folder, tiny_encoder_folder):
    return ["adapt", tiny_generator_folder, "--to", "a pencil sketch", "--encoder", tiny_encoder_folder]


def test_a_domain_a_picture_and_a_record(run, tmp_path, command, tiny_generator):
    path = tmp_path / "new" / "sketch.safetensors"
    code, out, err = run(*command, "--steps", 4, "--seed", 3, "--from", "a photo", "-o", path)
    assert code == 0, err
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "sketch.json",
        "sketch.png",
        "sketch.safetensors",
    ]
    assert str(path) in out
    assert str(path.with_suffix(".png")) in out.splitlines()[-1], "it ends by saying where the picture is"
    domain = Domain.load(path, generator=tiny_generator)
    assert domain.vector.any()
    about = domain.metadata
    assert (about["target"], about["source"], about["generator"]) == (
        "a pencil sketch",
        "a photo",
        "tiny-generator",
    )
    assert (about["training"]["steps"], about["training"]["seed"]) == (4, 3)
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert [step["step"] for step in record["history"]] == [1, 2, 3, 4]
    with Image.open(path.with_suffix(".png")) as picture:
        assert picture.format == "PNG"


def test_the_file_is_named_by_the_text(run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert run(*command, "--steps", 1)[0] == 0
    assert (tmp_path / "a-pencil-sketch.safetensors").is_file()
    assert (tmp_path / "a-pencil-sketch.png").is_file()


def test_options_reach_the_training(run, tmp_path, monkeypatch, make_generator, tiny_encoder_folder):
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path / "cache"))
    make_generator(resolution=64).save_pretrained(tmp_path / "generator")
    options = ["--steps", 2, "--guidance", "robust", "--parameterization", "modulation", "--batch-size", 2]
    options += ["--learning-rate", 0.02, "--precision", "bfloat16", "--device", "cpu"]
    options += ["--threads", torch.get_num_threads(), "--encoder", tiny_encoder_folder]
    options += ["--train-resolution", 32, "--full-size-fraction", 0.5, "--source-pool", 3]
    code, _, err = run("adapt", tmp_path / "generator", "--to", "a zombie", *options, "-o", tmp_path / "x")
    assert code == 0, err
    about = Domain.load(tmp_path / "x.safetensors").metadata
    assert about["parameterization"] == "modulation"
    assert about["targets"][0]["guidance"]["augmentation"] is not None
    assert about["preservation"]["edges"] > 0
    training = about["training"]
    assert (training["batch_size"], training["learning_rate"], training["precision"]) == (2, 0.02, "bfloat16")
    assert (training["resolution"], training["full_size_fraction"], training["source_pool"]) == (32, 0.5, 3)
    assert len(list((tmp_path / "cache" / "sources").iterdir())) == 2  # One for each size.


def test_several_encoders_guide_together(run, tmp_path, command, tiny_encoder_folder):
    code, _, err = run(*command, "--encoder", tiny_encoder_folder, "--steps", 1, "-o", tmp_path / "x")
    assert code == 0, err
    assert len(Domain.load(tmp_path / "x.safetensors").metadata["encoders"]) == 2


def test_progress_without_a_terminal_is_a_line_for_each_tenth(run, tmp_path, command):
    _, _, err = run(*command, "--steps", 20, "-o", tmp_path / "x")
    lines = [line for line in err.splitlines() if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == [f"{step}/20" for step in range(2, 21, 2)]
    assert all("loss" in line and line.endswith("s left") for line in lines)


def test_a_preview_is_kept_up_to_date_while_it_runs(run, tmp_path, command, monkeypatch):
    saved = []
    monkeypatch.setattr("domainvec.images.save_png", lambda image, path: saved.append((path, image.size)))
    run(*command, "--steps", 6, "--preview-every", 2, "-o", tmp_path / "x")
    assert [path for path, _ in saved] == [tmp_path / "x.preview.png"] * 3
    assert all(width > 8 * 16 for _, (width, _) in saved)
    saved.clear()
    run(*command, "--steps", 6, "--preview-every", 0, "-o", tmp_path / "x")
    assert saved == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.json", "x.png", "x.safetensors"]


def test_resuming_nothing_starts_and_says_so(run, tmp_path, command):
    code, _, err = run(*command, "--steps", 1, "--resume", "-o", tmp_path / "x")
    assert code == 0
    assert f"there is no {tmp_path / 'x.ckpt'} yet" in err


def test_a_checkpoint_of_another_run_is_refused(run, tmp_path, command, monkeypatch, signals):
    def stop(*arguments):
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, signals():
        patch.setattr("domainvec.cli.progress._Lines", lambda: stop)
        code, _, err = run(*command, "--steps", 5, "-o", tmp_path / "x")
    assert code == 130
    assert "stopped after 1 of 5 steps" in err
    code, _, err = run(*command, "--steps", 5, "--seed", 1, "--resume", "-o", tmp_path / "x")
    assert code == 1
    assert "seed was 0, now 1" in err
    code, _, err = run(*command, "--steps", 5, "-o", tmp_path / "x")
    assert code == 0
    assert f"the checkpoint of an earlier one is kept as {tmp_path / 'x.ckpt.old'}" in err
    assert not list(tmp_path.glob("x.ckpt*"))


def test_an_earlier_checkpoint_survives_a_forgotten_resume(run, tmp_path, command, monkeypatch):
    def fail(*arguments):
        raise OSError("the terminal is gone")

    with monkeypatch.context() as patch:
        patch.setattr("domainvec.cli.progress._Lines", lambda: fail)
        for _ in range(2):
            code, _, err = run(*command, "--steps", 5, "-o", tmp_path / "x")
            assert code == 1
            assert err.endswith("error: the terminal is gone\n")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.ckpt", "x.ckpt.old"]
    assert (tmp_path / "x.ckpt").read_bytes() != b""
    (tmp_path / "x.ckpt.old").rename(tmp_path / "x.ckpt")
    code, _, err = run(*command, "--steps", 5, "--resume", "-o", tmp_path / "x")
    assert code == 0, err
    assert "step 1/5" not in err and "step 2/5" in err


def test_a_run_without_a_finished_step_leaves_nothing(run, tmp_path, command, monkeypatch):
    def fail(*arguments):
        raise OSError("no step ends")

    monkeypatch.setattr("domainvec.adaptation.session.Session._preserving", fail)
    code, _, err = run(*command, "--steps", 5, "-o", tmp_path / "x")
    assert code == 1
    assert err.endswith("error: no step ends\n")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_known_before_the_training(run, tmp_path, command, monkeypatch):
    trained = "domainvec.adaptation.session.Session._preserving"
    monkeypatch.setattr(trained, lambda *_: pytest.fail("it trains"))
    (tmp_path / "file").touch()
    code, _, err = run(*command, "-o", tmp_path / "file" / "x")
    assert code == 1
    assert err.startswith(f"error: {tmp_path / 'file'}") and err.count("\n") == 1
    code, _, err = run(*command, "-o", tmp_path / ("x" * 300))
    assert code == 1
    assert "File name too long" in err and err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def with_target(command, text):
    return [text if part == "a pencil sketch" else part for part in command]


def test_several_texts_are_averaged(run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*command, "--to", "a zombie", "--steps", 1)
    assert code == 0, err
    assert "'a photo' to 'a pencil sketch / a zombie'" in out
    about = Domain.load(tmp_path / "a-pencil-sketch.safetensors").metadata
    assert about["target"] == ["a pencil sketch", "a zombie"]


def test_another_parameterization_in_some_layers(run, tmp_path, command, tiny_generator):
    options = ["--parameterization", "lora:2", "--layers", "coarse", "--steps", 2]
    code, _, err = run(*command, *options, "-o", tmp_path / "x")
    assert code == 0, err
    domain = Domain.load(tmp_path / "x.safetensors", generator=tiny_generator)
    assert domain.metadata["parameterization"] == "lora:2"
    assert domain.metadata["training"]["layers"] == "coarse"
    changed = [bool(change.any()) for change in domain.weight_changes.values()]
    assert changed == [True] * 4 + [False]


def test_a_sparse_domain_says_how_much_of_it_is_left(run, tmp_path, command):
    code, out, err = run(
        *command, "--parameterization", "stylespace-sparse", "--steps", 2, "-o", tmp_path / "x"
    )
    assert code == 0, err
    assert "40 numbers, 8 of them not zero" in out


@pytest.mark.filterwarnings("always")
def test_unknown_words_are_said_in_one_line(run, tmp_path, command):
    unknown = with_target(command, "a xylophone")
    code, _, err = run(*unknown, "--steps", 1, "-o", tmp_path / "x")
    assert code == 1
    assert err.startswith("error: tiny-clip knows no word of the target 'a xylophone'")
    assert "--allow-unknown" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    code, _, err = run(*unknown, "--allow-unknown", "--steps", 1, "-o", tmp_path / "x")
    assert code == 0, err
    warned = [line for line in err.splitlines() if "xylophone" in line]
    assert len(warned) == 1
    assert warned[0].startswith("warning: tiny-clip knows no word of the target 'a xylophone'")
    assert "`domainvec words`" in warned[0] and "--encoder openai/clip-vit-base-patch32" in warned[0]
    assert ".py" not in err


def test_a_refused_prompt_leaves_nothing(run, tmp_path, command):
    code, _, err = run(*with_target(command, "a photo"), "--steps", 1, "-o", tmp_path / "x")
    assert code == 1
    assert "error: to the encoder tiny-clip" in err
    assert list(tmp_path.glob("x.*")) == []


def test_the_bar_of_a_terminal(monkeypatch, capsys):
    from domainvec.cli.progress import step_progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with step_progress() as report:
        report("inverting", 5, 5, 0.75)
        report("training", 21, 40, 0.5)
        report("training", 40, 40, 0.25)
    err = capsys.readouterr().err
    assert "training" in err and "40/40" in err
    assert "loss 0.250" in err
    last = err[err.rindex("training") :]
    assert "inverting" not in last and "left" in last


def test_the_bundled_models(run, tmp_path):
    path = tmp_path / "sketch.safetensors"
    code, _, err = run("adapt", "--to", "a pencil sketch", "--steps", 2, "-o", path)
    assert code == 0, err
    domain = Domain.load(path)
    assert [encoder["name"] for encoder in domain.metadata["encoders"]] == ["faces-clip", "faces-clip-robust"]
    assert domain.metadata["license"] == "Apache-2.0"
    assert path.stat().st_size < 20_000
    assert run("generate", "--domain", path, "--seeds", "0-3", "-o", tmp_path / "faces.png")[0] == 0


@pytest.mark.filterwarnings("ignore:.*the source 'Car'")
def test_a_recipe_brings_losses_source_and_training(run, tmp_path, command):
    path = tmp_path / "sketch.safetensors"
    code, out, err = run(*command, "--recipe", "hyperdomainnet-cars", "--steps", 2, "-o", path)
    assert code == 0, err
    assert "'Car' to" in out
    about = Domain.load(path).metadata
    recipe = RECIPES["hyperdomainnet-cars"]
    assert (about["source"], about["training"]["batch_size"], about["training"]["steps"]) == ("Car", 8, 2)
    assert about["preservation"] == vars(recipe.guidance.preservation) | {"keep": []}
    assert about["targets"][0]["guidance"]["templates"] == list(recipe.guidance.templates)
    code, out, _ = run(
        *command, "--recipe", "hyperdomainnet-cars", "--from", "a photo", "--steps", 1, "-o", path
    )
    assert code == 0 and "'a photo' to" in out


def test_a_recipe_is_for_texts_and_has_its_own_guidance(run, command):
    for option in (["--guidance", "robust"], ["--to-image", "style.png"]):
        code, _, err = run(*command, "--recipe", "hyperdomainnet-faces", *option)
        assert code == 2
        assert "is for texts and has its own guidance" in " ".join(err.replace("│", " ").split())


def test_every_recipe_has_a_name_on_the_command_line():
    assert {name.value for name in RecipeName} == set(RECIPES)
