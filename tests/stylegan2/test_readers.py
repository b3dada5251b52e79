"""Every form of checkpoint, held against what the codebases that they come from computed."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_forms import (
    Module,
    Raw,
    forge,
    make_networks,
    nvidia_modules,
    nvidia_pickle,
    tensorflow_networks,
    tensorflow_pickle,
)

from domainvec.domains import Domain
from domainvec.errors import CheckpointError
from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig
from domainvec.stylegan2.pretrained import (
    load_checkpoint,
    load_discriminator,
    load_generator,
    save_discriminator,
    save_generator,
)
from domainvec.stylegan2.readers import read_checkpoint
from domainvec.stylegan2.readers.layout import discriminator_shapes, generator_shapes
from domainvec.stylegan2.readers.unpickling import unpickle

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
FILES = {
    "nvidia_ada.pkl": "nvidia_ada.npz",
    "tf_legacy.pkl": "nvidia_ada.npz",
    "rosinality.pt": "rosinality.npz",
    "nvidia_ada_clamp.pkl": "nvidia_ada_clamp.npz",
}


def difference(ours: torch.Tensor, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape and ours.dtype == torch.float32
    return float((ours - torch.from_numpy(theirs)).abs().max())


def assert_same(ours: torch.nn.Module, theirs: torch.nn.Module, rtol: float = 0.0) -> None:
    assert ours.config == theirs.config
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=rtol, atol=rtol, msg=name)


def draw(generator: Generator, name: str, arrays: dict[str, np.ndarray]) -> torch.Tensor:
    """What the reference array of that name holds."""
    z = torch.from_numpy(arrays["out.z"])
    match name:
        case "w":
            return generator.mapping(z)[:, 0]
        case "image_psi1":
            return generator.synthesis(generator.mapping(z))
        case "image_psi07":
            return generator.synthesis(generator.mapping(z, truncation_psi=0.7))
        case "image_psi05_cutoff4":
            return generator.synthesis(generator.mapping(z, truncation_psi=0.5, truncation_cutoff=4))
        case "image_psi1_nonoise":
            return generator.synthesis(generator.mapping(z), noise="none")
        case "image_domain" | "image_domain_per_sample":
            prefix = "offset" if name == "image_domain" else "offset_per_sample"
            offsets = [torch.from_numpy(arrays[f"{prefix}.{i}"]) for i in range(len(generator.conv_channels))]
            return generator.synthesis(generator.mapping(z), Domain(offsets))
    raise AssertionError(name)


@pytest.fixture(scope="module", params=FILES)
def reference(request):
    path = REFERENCE / request.param
    with np.load(REFERENCE / FILES[request.param]) as file:
        arrays = dict(file)
    return load_generator(path).requires_grad_(False), load_discriminator(path).requires_grad_(False), arrays


def test_reference_arrays_are_reproduced(reference, capsys) -> None:
    generator, discriminator, arrays = reference
    names = [key.removeprefix("out.") for key in arrays if key.startswith("out.")]
    differences = {
        name: difference(draw(generator, name, arrays), arrays[f"out.{name}"])
        for name in names
        if name not in ("z", "d_logits")
    }
    logits = discriminator(torch.from_numpy(arrays["out.image_psi1"]))
    differences["d_logits"] = difference(logits, arrays["out.d_logits"])
    for name, value in differences.items():
        print(f"{name}: {value:.1e}")
        assert value <= (1e-3 if name == "d_logits" else 1e-4), name
    assert "image_psi1" in differences


def test_clamp_is_read(reference) -> None:
    generator, discriminator, arrays = reference
    expected = float(arrays["conv_clamp"]) if "conv_clamp" in arrays else None
    assert generator.config.conv_clamp == discriminator.config.conv_clamp == expected


def test_average_latent_is_read() -> None:
    with np.load(REFERENCE / "rosinality.npz") as arrays:
        average = load_generator(REFERENCE / "rosinality.pt").mapping.w_avg
        np.testing.assert_array_equal(average.numpy(), arrays["latent_avg"])


def test_tensorflow_and_pytorch_forms_of_the_same_weights_have_one_fingerprint() -> None:
    forms = [load_generator(REFERENCE / name) for name in ("nvidia_ada.pkl", "tf_legacy.pkl")]
    assert forms[0].fingerprint == forms[1].fingerprint
    assert_same(forms[0], forms[1], rtol=1e-6)


def test_config_is_read_off_the_weights() -> None:
    config = load_generator(REFERENCE / "nvidia_ada.pkl").config
    assert config == GeneratorConfig(64, 48, 48, 4, (48, 48, 48, 32, 16))
    config = load_discriminator(REFERENCE / "rosinality.pt").config
    assert config == DiscriminatorConfig(64, (48, 48, 48, 32, 16))


def test_form_is_told_by_content_not_by_name(tmp_path) -> None:
    for name in FILES:
        path = tmp_path / "whatever.txt"
        path.write_bytes((REFERENCE / name).read_bytes())
        assert read_checkpoint(path).form == read_checkpoint(REFERENCE / name).form


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("clamp", [None, 256.0])
def test_nvidia_pickles_of_every_protocol(tmp_path, protocol, clamp) -> None:
    generator, discriminator = make_networks(clamp)
    path = tmp_path / "network.pkl"
    path.write_bytes(nvidia_pickle(nvidia_modules(generator, discriminator), protocol))
    assert_same(load_generator(path), generator)
    assert_same(load_discriminator(path), discriminator)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensorflow_pickles_of_every_protocol(tmp_path, protocol) -> None:
    generator, discriminator = make_networks()
    path = tmp_path / "network.pkl"
    path.write_bytes(tensorflow_pickle(*tensorflow_networks(generator, discriminator), protocol))
    assert_same(load_generator(path), generator, rtol=1e-6)
    assert_same(load_discriminator(path), discriminator)


@pytest.mark.parametrize("protocol", [2, 5])
def test_numpy_names_of_both_generations(tmp_path, protocol) -> None:
    generator, discriminator = make_networks()
    data = tensorflow_pickle(*tensorflow_networks(generator, discriminator), protocol)
    if protocol == 2:  # names of this protocol stand on lines of their own and may change their length
        old, new = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
        spellings = [data.replace(new, old), data.replace(old, new)]
    else:  # the module is a string after its length
        old, new = b"\x8c\x12numpy.core.numeric", b"\x8c\x13numpy._core.numeric"
        # frames announce their lengths; without them the reader must get on too
        spellings = [_without_frames(data).replace(new, old), _without_frames(data).replace(old, new)]
    assert spellings[0] != spellings[1]
    for spelling in spellings:
        (tmp_path / "network.pkl").write_bytes(spelling)
        assert_same(load_generator(tmp_path / "network.pkl"), generator, rtol=1e-6)


def _without_frames(data: bytes) -> bytes:
    import pickletools

    positions = [at for opcode, _, at in pickletools.genops(data) if opcode.name == "FRAME"]
    for at in reversed(positions):
        data = data[:at] + data[at + 9 :]
    return data


def test_tensorflow_names_with_their_components_in_front(tmp_path) -> None:
    generator, discriminator = make_networks()
    critic, averaged = tensorflow_networks(generator, discriminator)
    for prefix, component in (("G_mapping", "mapping"), ("G_synthesis", "synthesis")):
        inner = averaged.components.pop(component)
        averaged.variables |= {f"{prefix}/{name}": value for name, value in inner.variables.items()}
    path = tmp_path / "network.pkl"
    path.write_bytes(tensorflow_pickle(critic, averaged))
    assert_same(load_generator(path), generator, rtol=1e-6)


def test_arrays_of_another_byte_order_and_memory_order(tmp_path) -> None:
    generator, discriminator = make_networks()
    critic, averaged = tensorflow_networks(generator, discriminator)
    synthesis = averaged.components["synthesis"].variables
    synthesis["4x4/Conv/weight"] = np.asfortranarray(synthesis["4x4/Conv/weight"])
    synthesis["8x8/Conv1/weight"] = synthesis["8x8/Conv1/weight"].astype(">f4")
    synthesis["8x8/Conv0_up/weight"] = synthesis["8x8/Conv0_up/weight"].astype(np.float64)
    path = tmp_path / "network.pkl"
    path.write_bytes(tensorflow_pickle(critic, averaged))
    assert_same(load_generator(path), generator, rtol=1e-6)


def test_numbers_in_place_of_arrays(tmp_path) -> None:
    """TensorFlow gives variables without axes as plain NumPy numbers."""
    generator, discriminator = make_networks()
    critic, averaged = tensorflow_networks(generator, discriminator)
    synthesis = averaged.components["synthesis"].variables
    for name in [name for name in synthesis if name.endswith("noise_strength")]:
        synthesis[name] = np.float32(synthesis[name])
    path = tmp_path / "network.pkl"
    for protocol in (2, 4):
        path.write_bytes(tensorflow_pickle(critic, averaged, protocol))
        assert_same(load_generator(path), generator, rtol=1e-6)


def test_another_learning_rate_of_the_mapping_is_folded_in(tmp_path) -> None:
    generator, discriminator = make_networks()
    modules = nvidia_modules(generator, discriminator)
    critic, averaged = tensorflow_networks(generator, discriminator)
    averaged.components["mapping"].settings["mapping_lrmul"] = 0.1
    z = torch.randn(2, 10, generator=torch.Generator().manual_seed(0))
    expected = generator.mapping(z)
    for i, layer in enumerate(generator.mapping.layers):
        attributes = {"weight_gain": np.float64(0.1 / 10**0.5), "bias_gain": 0.1}
        modules["G_ema"].at(f"mapping.fc{i}").attributes |= attributes
        modules["G_ema"].at(f"mapping.fc{i}").parameters |= {
            "weight": layer.weight / 10,
            "bias": layer.bias / 10,
        }
        for part in ("weight", "bias"):
            averaged.components["mapping"].variables[f"Dense{i}/{part}"] /= 10
    (tmp_path / "a.pkl").write_bytes(nvidia_pickle(modules))
    (tmp_path / "b.pkl").write_bytes(tensorflow_pickle(critic, averaged))
    for name in ("a.pkl", "b.pkl"):
        torch.testing.assert_close(load_generator(tmp_path / name).mapping(z), expected)


def test_a_generator_pickled_alone(tmp_path) -> None:
    generator, discriminator = make_networks()
    _, averaged = tensorflow_networks(generator, discriminator)
    (tmp_path / "a.pkl").write_bytes(forge(nvidia_modules(generator, discriminator)["G_ema"].call()))
    (tmp_path / "b.pkl").write_bytes(forge(averaged.call()))
    for name in ("a.pkl", "b.pkl"):
        assert_same(load_generator(tmp_path / name), generator, rtol=1e-6)
        with pytest.raises(CheckpointError, match="holds no discriminator"):
            load_discriminator(tmp_path / name)


@pytest.fixture(scope="module")
def rosinality_content():
    return torch.load(REFERENCE / "rosinality.pt", weights_only=True)


@pytest.mark.parametrize("shape", ["training", "generator", "g only", "bare", "half", "shared storage"])
@pytest.mark.parametrize("new_zipfile", [True, False])
def test_rosinality_files_of_every_shape(tmp_path, rosinality_content, shape, new_zipfile) -> None:
    state, average = rosinality_content["g_ema"], rosinality_content["latent_avg"]
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    flat = torch.cat([t.flatten() for t in state.values()])
    pieces = flat.split([t.numel() for t in state.values()])
    content = {
        "training": rosinality_content
        | {
            "args": argparse.Namespace(size=64, lr=0.002),
            "g_optim": optimizer.state_dict(),
            "ada_aug_p": 0.0,
        },
        "generator": {"g_ema": state, "latent_avg": average},
        "g only": {"g": state, "latent_avg": average.numpy()},
        "bare": state,
        "half": {"g_ema": {name: tensor.half() for name, tensor in state.items()}, "latent_avg": average},
        "shared storage": {
            "g_ema": {k: p.reshape(t.shape) for (k, t), p in zip(state.items(), pieces, strict=True)},
            "latent_avg": average,
        },
    }[shape]
    path = tmp_path / "network.pt"
    torch.save(content, path, _use_new_zipfile_serialization=new_zipfile)
    ours, reference = load_generator(path), load_generator(REFERENCE / "rosinality.pt")
    if shape == "bare":
        assert ours.fingerprint == reference.fingerprint
        z = torch.randn(8192, 48, generator=torch.Generator().manual_seed(5))
        sampled = ours.mapping(z)[:, 0].mean(0)
        torch.testing.assert_close(ours.mapping.w_avg, sampled, atol=0.1, rtol=0)
        assert torch.equal(ours.mapping.w_avg, load_generator(path).mapping.w_avg)
    else:
        assert_same(ours, reference, rtol=1e-3 if shape == "half" else 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_our_own_folder(tmp_path, dtype) -> None:
    generator, discriminator = make_networks(clamp=256.0)
    save_generator(generator, tmp_path / "a", dtype, discriminator)
    rtol = 0 if dtype == torch.float32 else 1e-3
    assert_same(load_generator(tmp_path / "a"), generator, rtol)
    assert_same(load_discriminator(tmp_path / "a"), discriminator, rtol)
    assert_same(load_generator(tmp_path / "a" / "model.safetensors"), generator, rtol)
    assert_same(load_discriminator(tmp_path / "a" / "discriminator.safetensors"), discriminator, rtol)
    assert load_generator(tmp_path / "a").fingerprint == generator.fingerprint
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "config.json",
        "discriminator.safetensors",
        "model.safetensors",
    ]


def test_any_widths_and_resolutions(tmp_path) -> None:
    torch.manual_seed(0)
    for channels in ((5,), (3, 7), (1, 1, 1)):
        resolution = 4 << (len(channels) - 1)
        generator = Generator(GeneratorConfig(resolution, 3, 6, 1, channels))
        discriminator = Discriminator(
            DiscriminatorConfig(resolution, channels, 2, 0 if len(channels) == 1 else 1)
        )
        folder = tmp_path / str(resolution)
        save_generator(generator, folder)
        save_discriminator(discriminator, folder)
        assert_same(load_generator(folder), generator)
        assert_same(load_discriminator(folder), discriminator)


def test_shapes_are_those_of_the_networks() -> None:
    generator, discriminator = make_networks(channels=(5, 4, 3, 2))
    shapes = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    assert generator_shapes(generator.config) == shapes
    shapes = {name: tuple(tensor.shape) for name, tensor in discriminator.state_dict().items()}
    assert discriminator_shapes(discriminator.config) == shapes


def test_the_public_way_in_and_out(tmp_path) -> None:
    generator, discriminator = make_networks()
    generator.save_pretrained(tmp_path)
    save_discriminator(discriminator, tmp_path)
    assert_same(Generator.from_pretrained(str(tmp_path)), generator)
    assert_same(Discriminator.from_pretrained(tmp_path, device="cpu"), discriminator)


def test_loaded_networks_can_be_trained_and_own_their_memory(tmp_path) -> None:
    generator, _ = make_networks()
    generator.save_pretrained(tmp_path)
    loaded = load_generator(tmp_path)
    assert all(p.requires_grad for p in loaded.parameters())
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.zero_()
    assert_same(load_generator(tmp_path), generator)


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint("fhq")
    for expected in ("'fhq'", "no file or folder", "faces", "ffhq", "ffhq-config-f", "church"):
        assert expected in str(caught.value)


def test_the_machine_reads_what_pickle_reads() -> None:
    """On plain data both agree, whatever the protocol."""
    import pickle

    content = {
        "a": [1, -2, 2**40, 1.5, None, True, False],
        "b": (b"x", "é", ()),
        "c": ((1,), (1, 2), (1, 2, 3, 4)),
    }
    content |= {"d": [content["a"], content["a"]], "e": {"f": bytearray(b"y" * 300), "g": "z" * 300}}
    for protocol in (2, 3, 4, 5):
        if protocol < 5:
            content["e"].pop("f", None)
        data = pickle.dumps(content, protocol)
        if protocol > 2:  # protocol 2 spells bytes as a call
            assert unpickle(io.BytesIO(data), {}) == content
    assert unpickle(io.BytesIO(forge([Raw(b"K\x01"), {1, 2}])), {}) == [1, [1, 2]]


def test_modules_may_be_missing_where_python_had_none(tmp_path) -> None:
    generator, discriminator = make_networks()
    modules = nvidia_modules(generator, discriminator)
    modules["G_ema"].children["unused"] = None
    modules["augment_pipe"] = Module(attributes={"p": 0.5})
    path = tmp_path / "network.pkl"
    path.write_bytes(nvidia_pickle(modules))
    assert_same(load_generator(path), generator)
