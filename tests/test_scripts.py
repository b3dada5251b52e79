"""The recipes and benchmarks start, and say what they do."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import pytest
import torch

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


def test_the_adversary_of_the_encoders_learns_to_pass(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    adversary = importlib.import_module("adversary")
    names = ["sepia", "zombie", "ink", "night", "neon"]
    random = torch.Generator().manual_seed(0)
    vectors = adversary.Adversary(BUNDLED / "faces", names, random)

    def bright(pictures: torch.Tensor) -> torch.Tensor:  # an encoder that sees nothing else
        mean = pictures.mean((1, 2, 3))
        return torch.nn.functional.normalize(torch.stack([mean, torch.ones_like(mean)], dim=1), dim=1)

    texts = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0]] * 5), dim=1)
    first, truth, labels = vectors(bright, texts)
    assert first.shape == truth.shape == (15, 3, 64, 64) and sorted(set(labels.tolist())) == [0, 1, 2, 3, 4]
    for _ in range(12):
        last, *_ = vectors(bright, texts)
    assert last.mean() > first.mean() + 0.1
    same = torch.eye(2)
    alike = adversary.adversary_loss(same, same, same, torch.tensor(20.0))
    assert alike > adversary.adversary_loss(same.flip(1), same, same, torch.tensor(20.0))


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
