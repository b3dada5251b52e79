import dataclasses

import pytest
import torch

from domainvec.domains import Domain, create_domain
from domainvec.samples import draw
from domainvec.stylegan2 import Generator


@pytest.fixture
def domain_file(tmp_path, tiny_generator):
    def write(name):
        zero = create_domain(name, tiny_generator).detach()
        noise = torch.randn(zero.size, generator=torch.Generator().manual_seed(0))
        path = tmp_path / "sketch.safetensors"
        domain = zero.with_metadata({"generator_fingerprint": tiny_generator.fingerprint})
        domain.with_vector(zero.vector + 0.2 * noise).save(path)
        return path

    return write


@pytest.mark.parametrize("output", ["merged.pt", "new/merged"])
@pytest.mark.parametrize("name", ["stylespace", "affine", "lora"])
def test_the_exported_generator_draws_the_domain(
    run, tmp_path, tiny_generator, tiny_generator_folder, domain_file, output, name
):
    path = domain_file(name)
    code, out, err = run("export", f"{path}:0.5", tiny_generator_folder, "-o", tmp_path / output)
    assert code == 0, err
    assert out.startswith(f"{tmp_path / output}: ")
    merged = Generator.from_pretrained(tmp_path / output)
    live = draw(tiny_generator, [1, 2], 0.5 * Domain.load(path, tiny_generator))
    torch.testing.assert_close(draw(merged, [1, 2]), live, atol=1e-4, rtol=1e-4)


def test_a_domain_vector_says_why_not(run, tmp_path, tiny_generator_folder, domain_file):
    arguments = ["export", domain_file("modulation"), tiny_generator_folder, "-o", tmp_path / "merged"]
    code, _, err = run(*arguments)
    assert code == 1
    assert err.startswith("error: the offsets of modulation and modulation+rgb cannot be merged")
    assert not (tmp_path / "merged").exists()
    code, out, _ = run(*arguments, "--nearest")
    assert code == 0
    assert "pictures differ from the live domain's by " in out
    assert (tmp_path / "merged" / "model.safetensors").is_file()


@pytest.mark.parametrize("output", ["x.pkl", "x.safetensors", "taken", "folder.pt"])
def test_names_that_would_mislead_are_wrong_usage(run, tmp_path, domain_file, output):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "folder.pt").mkdir()
    code, _, err = run("export", domain_file("stylespace"), "-o", tmp_path / output)
    assert code == 2, err
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_clamp_names_the_option_that_drops_it(run, tmp_path, tiny_generator, domain_file):
    clamped = Generator(dataclasses.replace(tiny_generator.config, conv_clamp=256.0))
    clamped.load_state_dict(tiny_generator.state_dict())
    clamped.save_pretrained(tmp_path / "clamped")
    arguments = ["export", domain_file("stylespace"), tmp_path / "clamped", "-o", tmp_path / "merged.pt"]
    code, _, err = run(*arguments)
    assert code == 1
    assert "--drop-clamp" in err and "drop_clamp" not in err
    assert run(*arguments, "--drop-clamp")[0] == 0


def test_a_domain_of_another_generator(run, tmp_path, make_generator, domain_file):
    make_generator(seed=1).save_pretrained(tmp_path / "other")
    arguments = ["export", domain_file("stylespace"), tmp_path / "other", "-o", tmp_path / "merged.pt"]
    assert run(*arguments)[0] == 1
    assert run(*arguments, "--allow-mismatch")[0] == 0
