"""Writing: what is written is what is read, by us and by the code that the form comes from."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_forms import make_networks
from safetensors import safe_open

from domainvec.errors import CheckpointError, InputError
from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig
from domainvec.stylegan2.pretrained import (
    load_discriminator,
    load_generator,
    save_discriminator,
    save_generator,
)
from domainvec.stylegan2.writers import save_rosinality

REFERENCE = Path(__file__).parents[1] / "data" / "reference"


def assert_same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    assert ours.config == theirs.config
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name


def test_rosinality_checkpoint_is_written_as_that_code_writes_it(tmp_path) -> None:
    original = torch.load(REFERENCE / "rosinality.pt", weights_only=True)
    networks = load_generator(REFERENCE / "rosinality.pt"), load_discriminator(REFERENCE / "rosinality.pt")
    save_rosinality(networks[0], tmp_path / "network.pt", networks[1])
    written = torch.load(tmp_path / "network.pt", weights_only=True)
    assert set(written) == {"g_ema", "d", "latent_avg"}
    assert torch.equal(written["latent_avg"], original["latent_avg"])
    for part in ("g_ema", "d"):
        assert list(written[part]) == list(original[part])  # strictly loadable, and in the same order
        for name, tensor in original[part].items():
            torch.testing.assert_close(written[part][name], tensor, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("source", ["nvidia_ada.pkl", "tf_legacy.pkl", "rosinality.pt"])
def test_every_form_through_both_of_ours(tmp_path, source) -> None:
    generator, discriminator = load_generator(REFERENCE / source), load_discriminator(REFERENCE / source)
    save_rosinality(generator, tmp_path / "a.pt", discriminator)
    save_generator(load_generator(tmp_path / "a.pt"), tmp_path / "b")
    save_discriminator(load_discriminator(tmp_path / "a.pt"), tmp_path / "b")
    save_rosinality(load_generator(tmp_path / "b"), tmp_path / "c.pt", load_discriminator(tmp_path / "b"))
    assert_same(load_generator(tmp_path / "c.pt"), generator)
    assert_same(load_discriminator(tmp_path / "c.pt"), discriminator)
    assert load_generator(tmp_path / "c.pt").fingerprint == generator.fingerprint


def test_half_precision_is_half_the_size_and_looks_the_same(tmp_path) -> None:
    generator = load_generator(REFERENCE / "nvidia_ada.pkl").requires_grad_(False)
    save_generator(generator, tmp_path / "full")
    save_generator(generator, tmp_path / "half", torch.float16)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.52 * sizes[0]
    half = load_generator(tmp_path / "half").requires_grad_(False)
    assert half.fingerprint == generator.fingerprint
    assert all(parameter.dtype == torch.float32 for parameter in half.parameters())
    with np.load(REFERENCE / "nvidia_ada.npz") as arrays:
        z, expected = torch.from_numpy(arrays["out.z"]), torch.from_numpy(arrays["out.image_psi1"])
    assert (half.synthesis(half.mapping(z)) - expected).abs().max() < 0.02 * expected.abs().max()


def test_the_config_is_json_beside_the_weights_and_in_their_header(tmp_path) -> None:
    generator, _ = make_networks(clamp=256.0)
    save_generator(generator, tmp_path)
    config = {
        "resolution": 16,
        "z_dim": 10,
        "w_dim": 10,
        "mapping_layers": 2,
        "channels": [8, 6, 4],
        "conv_clamp": 256.0,
    }
    expected = {"format_version": 1, "generator": config}
    assert json.loads((tmp_path / "config.json").read_text()) == expected
    with safe_open(str(tmp_path / "model.safetensors"), "pt") as file:
        assert json.loads(file.metadata()["domainvec"]) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
def test_files_can_be_read_by_whom_any_new_file_can(tmp_path) -> None:
    (tmp_path / "new").touch()
    save_generator(make_networks()[0], tmp_path / "a")
    modes = {path.stat().st_mode for path in [tmp_path / "new", *(tmp_path / "a").iterdir()]}
    assert len(modes) == 1


def test_saving_one_network_leaves_the_other(tmp_path) -> None:
    generator, discriminator = make_networks()
    save_generator(generator, tmp_path, discriminator=discriminator)
    with torch.no_grad():
        generator.synthesis.constant.add_(1)
    save_generator(generator, tmp_path)
    assert_same(load_generator(tmp_path), generator)
    assert_same(load_discriminator(tmp_path), discriminator)


def test_numbers_too_large_for_half_precision_are_refused_and_nothing_is_left(tmp_path) -> None:
    generator, _ = make_networks()
    with torch.no_grad():
        generator.mapping.layers[0].weight[0, 0] = 1e6
    with pytest.raises(
        InputError, match=r"mapping\.layers\.0\.weight .* torch\.float16 cannot hold.*float32"
    ):
        save_generator(generator, tmp_path / "a", torch.float16)
    assert not (tmp_path / "a").exists()
    with pytest.raises(
        InputError, match=r"dtype is torch\.bfloat16; expected torch\.float32 or torch\.float16"
    ):
        save_generator(generator, tmp_path / "a", torch.bfloat16)


def test_a_folder_with_the_config_of_something_else_is_left_alone(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(CheckpointError, match=r"format_version in config\.json is missing"):
        save_generator(make_networks()[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_what_rosinality_cannot_hold_is_refused(tmp_path) -> None:
    path = tmp_path / "network.pt"
    generator, discriminator = make_networks(clamp=256.0)
    with pytest.raises(InputError, match=r"clamped to ±256 .*drop_clamp=True.*or write a folder"):
        save_rosinality(generator, path)
    save_rosinality(generator, path, discriminator, drop_clamp=True)
    assert load_generator(path).config == dataclasses.replace(generator.config, conv_clamp=None)
    path.unlink()

    with pytest.raises(InputError, match="z has width 3 and w 6"):
        save_rosinality(Generator(GeneratorConfig(4, 3, 6, 1, (5,))), path)
    generator, _ = make_networks()
    other = Discriminator(DiscriminatorConfig(16, (8, 6, 4), mbstd_group_size=8))
    with pytest.raises(InputError, match="groups of 8 and 1 channels; rosinality's format has 4 and 1"):
        save_rosinality(generator, path, other)
    assert not any(tmp_path.iterdir())


def test_written_networks_share_no_memory_and_need_no_gradient(tmp_path) -> None:
    generator, discriminator = make_networks()
    generator.requires_grad_(True)
    save_rosinality(generator, tmp_path / "network.pt", discriminator.half())
    written = torch.load(tmp_path / "network.pt", weights_only=True)
    for state in (written["g_ema"], written["d"]):
        assert all(tensor.dtype == torch.float32 and not tensor.requires_grad for tensor in state.values())
