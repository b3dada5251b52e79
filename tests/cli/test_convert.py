import pytest
import torch

from domainvec.samples import draw
from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator
from domainvec.stylegan2.pretrained import save_discriminator


@pytest.fixture
def both_folder(tmp_path, tiny_generator):
    torch.manual_seed(0)
    tiny_generator.save_pretrained(tmp_path / "both")
    discriminator = Discriminator(DiscriminatorConfig(resolution=16, channels=(8, 8, 8)))
    save_discriminator(discriminator, tmp_path / "both")
    return tmp_path / "both"


def test_there_and_back(run, tmp_path, tiny_generator, both_folder):
    code, out, _ = run("convert", both_folder, "-o", tmp_path / "network.pt")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'network.pt'}: generator and discriminator, 16 px; read as: ")
    code, out, _ = run("convert", tmp_path / "network.pt", "-o", tmp_path / "again")
    assert code == 0
    assert "rosinality" in out
    again = Generator.from_pretrained(tmp_path / "again")
    assert again.fingerprint == tiny_generator.fingerprint
    torch.testing.assert_close(draw(again, [1, 2]), draw(tiny_generator, [1, 2]))
    for name, tensor in Discriminator.from_pretrained(tmp_path / "again").state_dict().items():
        torch.testing.assert_close(tensor, Discriminator.from_pretrained(both_folder).state_dict()[name])


def test_a_generator_alone_at_half_precision(run, tmp_path, tiny_generator, tiny_generator_folder):
    code, out, _ = run("convert", tiny_generator_folder, "-o", tmp_path / "new" / "half", "--half")
    assert code == 0
    assert ": generator, 16 px" in out
    half = Generator.from_pretrained(tmp_path / "new" / "half")
    assert half.fingerprint == tiny_generator.fingerprint
    weights = tmp_path / "new" / "half" / "model.safetensors"
    assert weights.stat().st_size < 0.75 * (tiny_generator_folder / "model.safetensors").stat().st_size


def test_the_format_decides_over_the_name(run, tmp_path, tiny_generator_folder):
    path = tmp_path / "network"
    assert run("convert", tiny_generator_folder, "-o", path, "--format", "rosinality")[0] == 0
    assert (tmp_path / "network.pt").is_file()


def test_a_folder_is_not_written_over_a_file(run, tmp_path, tiny_generator_folder):
    (tmp_path / "taken").write_text("mine")
    code, _, err = run("convert", tiny_generator_folder, "-o", tmp_path / "taken")
    assert code == 2
    assert "folder" in err
    assert (tmp_path / "taken").read_text() == "mine"
