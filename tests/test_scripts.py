"""The recipes and benchmarks start, and say what they do."""

from __future__ import annotations

import importlib
import json
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from domainvec.stylegan2 import Discriminator, Generator
from domainvec.stylegan2.resampling import upsample

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "src" / "domainvec" / "bundled"
SCRIPTS = sorted(
    path
    for folder in ("recipes", "benchmarks")
    for path in (ROOT / folder).glob("*.py")
    if '__name__ == "__main__"' in path.read_text()
)


def test_there_are_scripts() -> None:
    assert {"train_encoder.py", "world.py"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_tells_what_the_script_is_for(script: Path, monkeypatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(script.parent))
    monkeypatch.setattr("sys.argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(script), run_name="__main__")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "usage:" in text and f"python {script.parent.name}/{script.name}" in text


@pytest.fixture
def fidelity(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("fidelity")


def fidelity_row(form: str, domain: str, seed: int, distance: float, **changes: object) -> dict[str, object]:
    figures = {"distance": distance, "judge_accuracy": 0.5, "identity": 0.8, "diversity": 0.9, "seconds": 1.0}
    named = {"way": "text", "parameterization": form, "domain": domain, "seed": seed, "size": 10}
    return {**named, **figures, **changes}


def test_the_table_is_of_means_over_domains(fidelity) -> None:
    rows = [
        fidelity_row("modulation", "ink", 0, 0.2),
        fidelity_row("modulation", "ink", 1, 0.4),
        fidelity_row("modulation", "neon", 0, 0.9),  # one run of it weighs as much as two of the other
        fidelity_row("full", "ink", 0, 0.3),
        fidelity_row("full", "neon", 0, 0.7),
    ]
    small, full = fidelity.summarise(rows)
    assert small["distance"][0] == pytest.approx(0.6) and full["distance"][0] == pytest.approx(0.5)
    assert (small["domains"], small["runs"]) == (2, 3)
    assert "| text | `modulation` | 10 | 0.60 (" in fidelity.table([small, full])
    # The run of seed 1 has none to be compared with: -0.1 for ink, +0.2 for neon.
    line = fidelity.against_full(rows).splitlines()[-1]
    assert line.startswith("| text | `modulation` | +0.05 (-0.1") and ", better in 1 | +0.00 (" in line
    assert line.endswith("| 2 |")


def test_a_row_of_other_settings_is_not_taken(fidelity, tmp_path) -> None:
    case = fidelity.Case("text", "modulation", "ink", 0, 3.0)
    options = SimpleNamespace(steps=120, batch_size=4)
    row = fidelity_row(
        "modulation", "ink", 0, 0.2, learning_rate=fidelity.learning_rate(case), steps=120, batch_size=4
    )
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    fidelity.take(tmp_path / "rows.json", tmp_path)
    path = fidelity.row_file(tmp_path, "text", "modulation", "ink", 0)
    assert fidelity.kept(path, None, case, options, tmp_path) == row
    assert fidelity.rows_done(tmp_path) == [row]
    with pytest.raises(SystemExit, match=r"ink-0.json has learning_rate .*, not .*: delete it"):
        fidelity.kept(path, None, replace(case, factor=1.0), options, tmp_path)
    with pytest.raises(SystemExit, match="has steps 120, not 60"):
        fidelity.kept(path, None, case, SimpleNamespace(steps=60, batch_size=4), tmp_path)


def test_the_published_rows_were_made_at_the_published_rates(fidelity) -> None:
    folder = ROOT / "docs" / "fidelity"
    rows, rates = (json.loads((folder / name).read_text()) for name in ("rows.json", "rates.json"))
    assert {(row["way"], row["domain"]) for row in rows} == {
        (way, name) for way in fidelity.WAYS for name in fidelity.DOMAINS
    }
    assert len(rows) == len(fidelity.WAYS) * 10 * len(fidelity.DOMAINS) * 3
    for row in rows:
        way, form = row["way"], row["parameterization"]
        case = fidelity.Case(way, form, row["domain"], row["seed"], rates[f"{way} {form}"])
        assert (row["learning_rate"], row["steps"]) == (fidelity.learning_rate(case), 120)


def test_the_adversary_of_the_encoders_learns_to_pass(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    adversary = importlib.import_module("adversary")
    names = ["sepia", "zombie"]
    random = torch.Generator().manual_seed(0)
    vectors = adversary.Adversary(BUNDLED / "faces", names, random)

    def bright(pictures: torch.Tensor) -> torch.Tensor:  # an encoder that sees nothing else
        mean = pictures.mean((1, 2, 3))
        return torch.nn.functional.normalize(torch.stack([mean, torch.ones_like(mean)], dim=1), dim=1)

    texts = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0]] * 2), dim=1)
    first, truth, labels = vectors(bright, texts)
    assert first.shape == truth.shape == (6, 3, 64, 64) and sorted(set(labels.tolist())) == [0, 1]
    for _ in range(12):
        last, *_ = vectors(bright, texts)
    assert last.mean() > first.mean() + 0.1
    same = torch.eye(2)
    alike = adversary.adversary_loss(same, same, same, torch.tensor(20.0))
    assert alike > adversary.adversary_loss(same.flip(1), same, same, torch.tensor(20.0))


def test_a_random_look_is_the_same_for_every_face(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    looks = importlib.import_module("random_looks")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    twins = images[[0, 1, 0]]
    for treat in (*looks.TREATMENTS, looks._framing):
        first, again, *others = (treat(np.random.default_rng(seed))(twins) for seed in (0, 0, 1, 2, 3, 4))
        assert first.shape == twins.shape and first.isfinite().all(), treat
        assert torch.equal(first, again), treat
        assert not all(torch.equal(first, other) for other in others), treat
        if treat is not looks._noisy:
            torch.testing.assert_close(first[0], first[2])
    for seed in range(20):
        shown = looks.RandomLook(np.random.default_rng(seed))(images)
        assert shown.shape == images.shape and shown.abs().max() <= 1
    ramp = torch.linspace(-1, 1, 5).expand(1, 3, 1, 5)
    knots = torch.tensor([0.0, 4.0, 2.0])
    torch.testing.assert_close(
        looks._interpolated(knots, (ramp[0, 0, 0] + 1) / 2), torch.tensor([0.0, 2.0, 4.0, 3.0, 2.0])
    )


def test_pictures_in_one_look_match_and_one_face_in_two_looks_does_not(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    loss = importlib.import_module("train_encoder").look_loss
    embeddings = torch.eye(2).repeat_interleave(3, 0)
    scale = torch.tensor(20.0)
    by_look = loss(embeddings, torch.tensor([0, 0, 0, 1, 1, 1]), scale)
    assert by_look == pytest.approx(np.log(2), abs=1e-3)  # each has two matches, equally near
    assert loss(embeddings, torch.tensor([0, 1, 2, 0, 1, 2]), scale) == pytest.approx(
        20 + np.log(2), abs=1e-3
    )


def test_an_encoder_learns_from_random_looks(monkeypatch, tmp_path) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    recipe, batches = (importlib.import_module(name) for name in ("train_encoder", "encoder_batches"))
    few = "--photos 8 --others 2 --compositions 4 --width 32 --depth 1 --text-width 32 --text-depth 1"
    options = f"--output {tmp_path}/clip --data {tmp_path}/data --minutes 0.02 --held-out 1 --looks 3"
    seen = []
    in_looks = batches.Batches.in_looks

    def watched(self, count, random):
        seen.append(in_looks(self, count, random))
        return seen[-1]

    monkeypatch.setattr(batches.Batches, "in_looks", watched)
    monkeypatch.setattr("sys.argv", ["recipe", *few.split(), *options.split()])
    recipe._main()
    images, looks, answers = seen[0]
    assert images.shape == (3 * batches.LOOK_FACES, 3, 64, 64) and looks.unique().tolist() == [0, 1, 2]
    asked = [question.needs_color for question in batches.QUESTIONS.values()]
    assert (answers[:, 0] == -1).all() and (answers[:, 1:][:, asked] == -1).all() and (answers >= 0).any()
    assert torch.equal(answers[: batches.LOOK_FACES], answers[batches.LOOK_FACES : 2 * batches.LOOK_FACES])
    assert (tmp_path / "clip" / "model.safetensors").is_file()
    monkeypatch.setattr("sys.argv", ["recipe", "--output", "x", "--looks", "1"])
    with pytest.raises(SystemExit):
        recipe._main()


def test_sharpening_leaves_free_how_much_a_picture_smiles(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    sharpen = importlib.import_module("sharpen_encoder")
    transformers = importlib.import_module("transformers")
    folder = BUNDLED / "faces-clip"
    model = transformers.CLIPModel.from_pretrained(folder, use_safetensors=True)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    smile = sharpen.smile_direction(model.float(), tokenizer)
    assert smile.shape == (128,) and smile.norm() == pytest.approx(1, abs=1e-5)
    other = torch.nn.functional.normalize(torch.randn(128, generator=torch.Generator().manual_seed(0)), dim=0)
    other -= (other @ smile) * smile
    moved = sharpen.apart_from(smile, torch.stack([3 * smile, other + 2 * smile]))
    torch.testing.assert_close(moved, torch.stack([torch.zeros(128), other]), atol=1e-5, rtol=0)


def test_a_timed_training_goes_on_from_its_checkpoint(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    timed = importlib.import_module("timed")

    def training() -> tuple[torch.nn.Module, object]:
        network = torch.nn.Linear(2, 2)
        parts = {"network": network, "optimizer": torch.optim.Adam(network.parameters())}
        return network, timed.TimedTraining(tmp_path / "new" / "checkpoint.pt", parts, minutes=1)

    first, run = training()
    assert run.goes_on() and run.step == 0
    run.count()
    run.save()
    second, again = training()
    assert again.step == 1 and torch.equal(first.weight, second.weight)
    assert "resumed at step 1" in capsys.readouterr().out
    again._before = 60.0
    assert not again.goes_on() and again.share >= 1 and again.minutes == 1
    numbers = [each.randomness(3)[1].initial_seed() for each in (run, again)]
    assert numbers[0] == numbers[1] == 3_000_010


@pytest.fixture
def published(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("published")


def test_the_published_figures_are_rehearsed_and_kept(published, monkeypatch, tmp_path, capsys) -> None:
    def run(*options: object) -> list[dict[str, object]]:
        fixed = ["--toy", "--texts", "Sketch", "--forms", "stylespace", "--runs", tmp_path / "runs"]
        arguments = ["published.py", *fixed, "--json", tmp_path / "rows.json", *options]
        monkeypatch.setattr("sys.argv", [str(argument) for argument in arguments])
        published.main()
        return json.loads((tmp_path / "rows.json").read_text())

    rows = run()
    assert [row["way"] for row in rows] == ["exact", "default"]
    exact, default = (row["training"] for row in rows)
    assert (exact["learning_rate"], exact["warmup_steps"], exact["noise"]) == (0.05, 20, "random")
    assert default["shared_draws"] and not exact["shared_draws"]
    assert all(-1 <= row["quality"] <= 1 and 0 <= row["diversity"] <= 2 for row in rows)
    said = capsys.readouterr().out
    assert "| Sketch | stylespace | exact | 1 |" in said and "| 0.193 |" in said and "| 0.306 |" in said
    monkeypatch.setattr(published.Bench, "measure", None)  # nothing is made again
    assert run() == rows
    with pytest.raises(SystemExit, match="has images 8, not 16: delete it"):
        run("--images", 16)


def test_what_the_paper_trained_is_trained(published) -> None:
    assert set(published.PUBLISHED) == {
        (text, form) for text in published.REAL.texts for form in published.FORMS
    }
    full = published.EXACT["full"]
    assert (full.learning_rate, full.steps) == (pytest.approx(0.0016), 300)
    assert published.RECIPE.guidance.preservation.in_domain_angle == 0.5


@pytest.fixture
def small_recipes(monkeypatch):
    """The generator's and its discriminator's recipes, with networks that are made in no time."""
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    generator, discriminator = (
        importlib.import_module(f"train_{kind}") for kind in ("generator", "discriminator")
    )
    for recipe in (generator, discriminator):
        monkeypatch.setattr(recipe, "HELD_OUT", 4)
        monkeypatch.setattr(recipe, "WIDTHS", (8, 8, 8, 8, 8, 4))
    monkeypatch.setattr(generator, "W_DIM", 16)
    return generator, discriminator


def run_recipe(recipe, arguments: str, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["recipe", *arguments.split()])
    recipe.main()


def test_a_generator_grows_and_gets_a_discriminator(small_recipes, monkeypatch, tmp_path, capsys) -> None:
    recipe, adversary = small_recipes
    torch.manual_seed(0)
    smaller = Generator(recipe.config(64))
    smaller.save_pretrained(tmp_path / "smaller")
    larger = Generator(recipe.config(128))
    recipe.grow(larger, smaller)
    z = torch.randn(2, smaller.z_dim)
    with torch.no_grad():
        torch.testing.assert_close(larger(z), upsample(smaller(z)))

    shared = f"--data {tmp_path}/data --faces 16 --batch 4 --threads 1 --processes 1"
    grown = f"{shared} --output {tmp_path}/out --resolution 128 --init {tmp_path}/smaller"
    run_recipe(recipe, f"{grown} --images 8", monkeypatch)
    folder = tmp_path / "out" / "faces"
    first = Generator.from_pretrained(folder)
    assert first.resolution == 128 and first.mapping.w_avg.any()
    assert first.fingerprint != larger.fingerprint
    run_recipe(recipe, f"{grown} --images 12", monkeypatch)
    assert "going on from 8 images" in capsys.readouterr().out
    second = Generator.from_pretrained(folder)
    assert second.fingerprint != first.fingerprint

    options = f"--generator {folder} --output {tmp_path}/adversary --faces 8 --batch 4 --minutes 0.02"
    run_recipe(adversary, f"{options} --threads 1", monkeypatch)
    assert Discriminator.from_pretrained(folder).config.resolution == 128
    assert Generator.from_pretrained(folder).fingerprint == second.fingerprint
    figures = json.loads((tmp_path / "adversary" / "discriminator.json").read_text())
    assert figures["photos_seen"] >= 4 and 0 <= figures["accuracy"] <= 1


def test_a_generator_of_128_px_grows_from_another(small_recipes, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit):
        run_recipe(small_recipes[0], "--resolution 128", monkeypatch)
    assert "name it with --init" in capsys.readouterr().err


def test_a_discriminator_that_sees_the_difference_is_always_right(small_recipes) -> None:
    white, black = (np.full((4, 8, 8, 3), tone, np.uint8) for tone in (255, 0))

    def brightness(images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2, 3))[:, None]

    figures = small_recipes[1].measure(brightness, white, black)
    assert figures == {"accuracy": 1, "ranked": 1, "photos": 1, "samples": -1}
    figures = small_recipes[1].measure(brightness, black, white)
    assert (figures["accuracy"], figures["ranked"]) == (0, 0)


def test_the_gradient_penalty_is_the_squared_slope(small_recipes) -> None:
    photos = torch.zeros(2, 3, 4, 4)
    penalty = small_recipes[1].gradient_penalty(lambda images: 2 * images.sum((1, 2, 3)), photos)
    assert penalty.item() == pytest.approx(4 * 48)
