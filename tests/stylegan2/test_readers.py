"""Every form of checkpoint, held against what the codebases that they come from computed."""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import types
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import torch
from foreign_forms import (
    Call,
    Module,
    Named,
    Raw,
    forge,
    make_networks,
    nvidia_modules,
    nvidia_pickle,
    saved_whole,
    tensorflow_networks,
    tensorflow_pickle,
)
from safetensors.torch import save_file

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


def _prefixed(state, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


WRAPPINGS = {
    "of data parallel training": lambda g, d, w: {
        "g_ema": _prefixed(g, "module."),
        "d": _prefixed(d, "module."),
        "latent_avg": w,
    },
    "under state_dict": lambda g, d, w: {"state_dict": g, "latent_avg": w},
    "under state_dict with both networks": lambda g, d, w: {
        "state_dict": {**_prefixed(g, "generator."), **_prefixed(d, "discriminator."), "latent_avg": w},
        "epoch": 3,
    },
    "under generator": lambda g, d, w: {"generator": g, "discriminator": d, "latent_avg": w},
    "an average among others": lambda g, d, w: {"net": _halved(g), "net_ema": g, "latent_avg": w},
    "the decoder of an encoder": lambda g, d, w: {
        "state_dict": {
            **_prefixed(g, "decoder."),
            "encoder.input_layer.0.weight": torch.zeros(64, 3, 3, 3),
            "encoder.styles.0.linear.weight": torch.zeros(3, 3),
        },
        "latent_avg": w.repeat(10, 1),
        "opts": {"output_size": 64},
    },
    "an average in a row": lambda g, d, w: {"g_ema": g, "latent_avg": w[None]},
    "an average for each layer": lambda g, d, w: {"g_ema": g, "d": d, "latent_avg": w.repeat(10, 1)},
    "all names in one": lambda g, d, w: {**_prefixed(g, "G."), "latent_avg": w},
    "bare, with its average": lambda g, d, w: {**g, "latent_avg": w},
}


def _halved(state):
    return {name: tensor / 2 if "kernel" not in name else tensor for name, tensor in state.items()}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_rosinality_tensors_in_other_wrapping(tmp_path, rosinality_content, name) -> None:
    parts = [rosinality_content[part] for part in ("g_ema", "d", "latent_avg")]
    content = WRAPPINGS[name](*parts)
    path = tmp_path / "network.pt"
    torch.save(content, path)
    assert_same(load_generator(path), load_generator(REFERENCE / "rosinality.pt"))
    if "d" in content or "discriminator" in content or "both networks" in name:
        assert_same(load_discriminator(path), load_discriminator(REFERENCE / "rosinality.pt"))


def test_the_form_says_where_the_generator_was(tmp_path, rosinality_content) -> None:
    state = rosinality_content["g_ema"]
    for content, form in (
        (rosinality_content, "rosinality checkpoint"),
        (state, "rosinality checkpoint"),
        ({"state_dict": _prefixed(state, "decoder.")}, "rosinality checkpoint, its state_dict.decoder"),
    ):
        torch.save(content, tmp_path / "network.pt")
        assert read_checkpoint(tmp_path / "network.pt").form == form


def test_rosinality_tensors_as_safetensors(tmp_path, rosinality_content) -> None:
    state = {name: tensor.clone() for name, tensor in rosinality_content["g_ema"].items()}
    state["latent_avg"] = rosinality_content["latent_avg"].clone()
    for name, tensors in {"bare": state, "prefixed": _prefixed(state, "g_ema.")}.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        ours = load_generator(tmp_path / f"{name}.safetensors")
        assert_same(ours, load_generator(REFERENCE / "rosinality.pt"))


def test_noise_maps_that_are_missing_are_drawn_from_a_fixed_seed(tmp_path, rosinality_content) -> None:
    state = {k: v for k, v in rosinality_content["g_ema"].items() if not k.startswith("noises.")}
    path = tmp_path / "network.pt"
    torch.save(rosinality_content | {"g_ema": state}, path)
    with pytest.warns(UserWarning, match="no noise maps, .* fixed seed"):
        ours, again = load_generator(path), load_generator(path)
    assert_same(ours, again)
    reference = load_generator(REFERENCE / "rosinality.pt")
    assert ours.fingerprint == reference.fingerprint
    for conv, other in zip(ours.synthesis.convs, reference.synthesis.convs, strict=True):
        assert conv.noise.shape == other.noise.shape
        torch.testing.assert_close(conv.weight, other.weight)
    noise = torch.cat([conv.noise.flatten() for conv in ours.synthesis.convs])
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    w = ours.mapping(torch.randn(2, 48, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(ours.synthesis(w, noise="none"), reference.synthesis(w, noise="none"))


BESIDE = {
    "paths": argparse.Namespace(path=Path("x") / "y", other=PureWindowsPath("C:/z")),
    "paths of Python 3.13": Call(Named("pathlib._local", "PosixPath"), ("/", "x")),
    "dtypes": {"dtype": torch.float16, "others": [torch.bfloat16, torch.int64, np.float32, np.dtype("f4")]},
    "types": {"types": [bool, int, float, str, list, tuple, dict]},
    "devices and shapes": [torch.device("cuda:0"), torch.zeros(2, 3).shape],
    "versions": {"torch": torch.__version__},
    "defaultdicts": collections.defaultdict(float, {"a": 1.0, "b": collections.defaultdict(list)}),
    "counters": collections.Counter("aab"),
    "queues": collections.deque([1, 2], maxlen=3),
    "sets": [{1, 2}, frozenset([3])],
    "namespaces": types.SimpleNamespace(a=1, b=types.SimpleNamespace()),
    "dates": [datetime.datetime(2020, 1, 2, tzinfo=None), datetime.date(2020, 1, 2), datetime.timedelta(1)],
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("new_zipfile", [True, False])
def test_what_scripts_keep_beside_the_weights_is_let_be(
    tmp_path, rosinality_content, name, new_zipfile
) -> None:
    path = tmp_path / "network.pt"
    path.write_bytes(saved_whole({**rosinality_content, "beside": BESIDE[name]}, new_zipfile))
    assert_same(load_generator(path), load_generator(REFERENCE / "rosinality.pt"))
    generator, discriminator = make_networks()
    modules = {name: each.call() for name, each in nvidia_modules(generator, discriminator).items()}
    for protocol in (2, 4):
        path.write_bytes(forge({**modules, "training_set_kwargs": BESIDE[name]}, protocol))
        assert_same(load_generator(path), generator)


@pytest.mark.parametrize("new_zipfile", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_modules_of_nvidia_saved_whole_by_torch(tmp_path, new_zipfile, alone) -> None:
    generator, discriminator = make_networks(256.0)
    modules = {name: each.call() for name, each in nvidia_modules(generator, discriminator).items()}
    path = tmp_path / "model_afhqcat.pt"
    path.write_bytes(saved_whole(modules["G_ema"] if alone else modules, new_zipfile))
    assert_same(load_generator(path), generator)
    if not alone:
        assert_same(load_discriminator(path), discriminator)


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
