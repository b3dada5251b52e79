import dataclasses

import pytest
import torch

from domainvec.domains import Domain
from domainvec.samples import draw
from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator
from domainvec.stylegan2.pretrained import save_discriminator, save_generator


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


@pytest.fixture
def clamped(tmp_path, tiny_generator):
    """A folder with a generator whose activations are clamped, as training with ADA leaves it."""
    config = dataclasses.replace(tiny_generator.config, conv_clamp=256.0)
    generator = Generator(config).requires_grad_(False)
    generator.load_state_dict(tiny_generator.state_dict())
    generator.save_pretrained(tmp_path / "clamped")
    return tmp_path / "clamped"


def test_a_clamp_is_dropped_when_told_to(run, tmp_path, clamped):
    arguments = ["convert", clamped, "-o", tmp_path / "network.pt"]
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert "clamped to ±256 (conv_clamp)" in err
    assert "--drop-clamp" in err and "drop_clamp" not in err
    assert not (tmp_path / "network.pt").exists()
    assert run(*arguments, "--drop-clamp")[0] == 0
    ours, theirs = (Generator.from_pretrained(path) for path in (tmp_path / "network.pt", clamped))
    assert (ours.config.conv_clamp, theirs.config.conv_clamp) == (None, 256.0)
    torch.testing.assert_close(draw(ours, [1, 2]), draw(theirs, [1, 2]))


def test_domains_go_with_the_network_before_and_after_conversion(run, tmp_path, clamped):
    run("convert", clamped, "-o", tmp_path / "network.pt", "--drop-clamp")
    for first, second in ((clamped, tmp_path / "network.pt"), (tmp_path / "network.pt", clamped)):
        generator = Generator.from_pretrained(first)
        metadata = {"generator_fingerprint": generator.fingerprint}
        offsets = [torch.full((width,), 0.5) for width in generator.conv_channels]
        Domain(offsets, metadata).save(tmp_path / "sketch.safetensors")
        arguments = ["generate", second, "--domain", tmp_path / "sketch.safetensors", "--seeds", "0"]
        code, _, err = run(*arguments, "-o", tmp_path / "x.png")
        assert code == 0, err


def test_a_discriminator_that_cannot_be_read_is_left_out(run, tmp_path, both_folder):
    path = both_folder / "discriminator.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    code, out, err = run("convert", both_folder, "-o", tmp_path / "network.pt")
    assert code == 0
    assert f"{tmp_path / 'network.pt'}: generator, 16 px" in out
    assert err.startswith("note: the discriminator is left out: discriminator.safetensors is cut off")
    code, out, _ = run("info", both_folder)
    assert code == 0
    assert "discriminator\n  error  discriminator.safetensors is cut off" in out


def test_a_discriminator_that_the_form_cannot_hold_is_left_out(run, tmp_path, tiny_generator_folder):
    discriminator = Discriminator(DiscriminatorConfig(16, (8, 8, 8), mbstd_group_size=8))
    tiny = Generator.from_pretrained(tiny_generator_folder)
    save_generator(tiny, tmp_path / "both", discriminator=discriminator)
    code, out, err = run("convert", tmp_path / "both", "-o", tmp_path / "network.pt")
    assert code == 0
    assert ": generator, 16 px" in out
    assert err.startswith("note: the discriminator is left out: ") and "groups of 8" in err
    code, out, err = run("convert", tmp_path / "both", "-o", tmp_path / "again")
    assert (code, err) == (0, "")
    assert ": generator and discriminator, 16 px" in out


@pytest.mark.filterwarnings("default")
def test_noise_maps_that_are_missing_are_drawn_and_told(run, tmp_path, tiny_generator_folder):
    run("convert", tiny_generator_folder, "-o", tmp_path / "network.pt")
    content = torch.load(tmp_path / "network.pt", weights_only=True)
    content["g_ema"] = {k: v for k, v in content["g_ema"].items() if not k.startswith("noises.")}
    torch.save(content, tmp_path / "network.pt")
    code, _, err = run("convert", tmp_path / "network.pt", "-o", tmp_path / "network")
    assert code == 0
    assert err.startswith("warning: the checkpoint has no noise maps") and "fixed seed" in err
    assert err.count("\n") == 1


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
