import pytest
import torch

from domainvec.domains import Domain


@pytest.fixture
def files(tmp_path):
    for name, value, generator in (("a", 1.0, "f" * 16), ("b", 2.0, "f" * 16), ("c", 3.0, "0" * 16)):
        domain = Domain([torch.full((4,), value)], {"target": name, "generator_fingerprint": generator})
        domain.save(tmp_path / f"{name}.safetensors")
    return {name: tmp_path / f"{name}.safetensors" for name in "abc"}


def test_a_mix_is_the_weighted_sum(run, tmp_path, files):
    out = tmp_path / "new" / "mix.safetensors"
    code, printed, _ = run("mix", f"{files['a']}:0.5", f"{files['b']}:-0.25", "-o", out)
    assert code == 0
    assert printed == f"{out}: 4 parameters, a mix of 2 domains\n"
    mixed = Domain.load(out)
    assert torch.equal(mixed.offsets[0], torch.zeros(4))
    assert mixed.metadata["generator_fingerprint"] == "f" * 16
    assert [(part["weight"], part["domain"]["target"]) for part in mixed.metadata["mix"]] == [
        (0.5, "a"),
        (-0.25, "b"),
    ]


def test_a_single_file_can_be_weighted(run, tmp_path, files):
    assert run("mix", f"{files['b']}:0.5", "-o", tmp_path / "half.safetensors")[0] == 0
    assert torch.equal(Domain.load(tmp_path / "half.safetensors").offsets[0], torch.ones(4))


def test_an_input_may_be_overwritten(run, files):
    assert run("mix", f"{files['a']}:2", f"{files['b']}:1", "-o", files["a"])[0] == 0
    assert torch.equal(Domain.load(files["a"]).offsets[0], torch.full((4,), 4.0))


def test_domains_of_different_generators_need_allow_mismatch(run, tmp_path, files):
    arguments = ["mix", f"{files['a']}:1", f"{files['c']}:1", "-o", tmp_path / "mix.safetensors"]
    code, _, err = run(*arguments)
    assert code == 1
    assert "f" * 16 in err
    assert "0" * 16 in err
    assert "--allow-mismatch" in err
    assert not (tmp_path / "mix.safetensors").exists()
    assert run(*arguments, "--allow-mismatch")[0] == 0


def test_different_widths_cannot_be_mixed(run, tmp_path, files):
    Domain([torch.zeros(5)]).save(tmp_path / "wide.safetensors")
    wide = tmp_path / "wide.safetensors"
    code, _, err = run("mix", f"{files['a']}:1", f"{wide}:1", "-o", tmp_path / "mix")
    assert code == 1
    assert err.startswith(f"error: {wide} cannot be mixed with {files['a']}: ")
