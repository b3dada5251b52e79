"""Checkpoints of rosinality's stylegan2-pytorch, also of StyleGAN-NADA, HyperDomainNet, JoJoGAN and more.

They are dictionaries of state dicts ("g_ema", "d", "g") and the average latent ("latent_avg"), or a single
state dict. Encoders (pSp, e4e, ReStyle) store such a generator as their decoder, other training code under
other names, so the generator is recognized by a tensor that no other network has, wherever it is.

The kernels of modulated convolutions are the same numbers in this format and in NVIDIA's. This code
multiplies them by 1/√(9·c_in) at run time and NVIDIA's does not; demodulation cancels any such factor, up to
its ε = 1e-8.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from domainvec.errors import CheckpointError
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.network import Mapping as MappingNetwork
from domainvec.stylegan2.readers.layout import (
    Checkpoint,
    Weights,
    attempt,
    check_filter,
    conv_sites,
    count_numbered,
    discriminator_weights,
    generator_weights,
    rename,
)
from domainvec.stylegan2.readers.tensors import is_tensor, to_tensor
from domainvec.stylegan2.readers.unpickling import kind, quote, quote_some

FORM = "rosinality checkpoint"
GROUP_SIZE = 4
"""Group size of the minibatch standard deviation, a constant of that code."""

_MARK = "input.input"
_USUAL_NAMES = ("g_ema", "g")
_AVERAGE_SAMPLES = 4096


def is_rosinality(content: Mapping[str, object]) -> bool:
    """Whether the content of a file, by dotted names, is in this format."""
    return bool(_generators(content))


def read(content: Mapping[str, object]) -> Checkpoint:
    """Read the networks of a file.

    Args:
        content: what the file holds, by dotted names; see ``layout.flatten``.

    Raises:
        CheckpointError: if there is no StyleGAN2 generator, or several and none is a moving average.
    """
    generators = _generators(content)
    averaged = [name for name in generators if re.search(r"ema(\.|$)", name)]
    chosen = averaged if len(generators) > 1 else generators
    if len(chosen) != 1:
        raise CheckpointError(
            f"the file holds several generators, {quote_some(generators)}; save the one you mean alone"
        )
    (name,) = chosen
    average = _beside(content, name, "latent_avg")
    generator = _read_generator(_state(content, name), None if average is None else content.get(average, {}))
    form = FORM if name in ("", *_USUAL_NAMES) else f"{FORM}, its {quote(name)}"
    discriminator = _beside(content, name, "d", "discriminator")
    if discriminator is None:
        return Checkpoint(form, generator, None)
    return Checkpoint(form, generator, *attempt(lambda: _read_discriminator(_state(content, discriminator))))


def generator_names(num_sizes: int, mapping_layers: int) -> dict[str, str]:
    """Map our names of a generator's tensors to rosinality's, in that code's order, without w_avg."""
    names: dict[str, str] = {}
    for i in range(mapping_layers):
        for part in ("weight", "bias"):
            names[f"mapping.layers.{i}.{part}"] = f"style.{i + 1}.{part}"
    names["synthesis.constant"] = "input.input"
    for j, _, _ in conv_sites(num_sizes):
        layer = f"convs.{j - 1}" if j else "conv1"
        names[f"synthesis.convs.{j}.weight"] = f"{layer}.conv.weight"
        names[f"synthesis.convs.{j}.affine.weight"] = f"{layer}.conv.modulation.weight"
        names[f"synthesis.convs.{j}.affine.bias"] = f"{layer}.conv.modulation.bias"
        names[f"synthesis.convs.{j}.noise_strength"] = f"{layer}.noise.weight"
        names[f"synthesis.convs.{j}.bias"] = f"{layer}.activate.bias"
        if j == 0:
            names |= _to_rgb_names(0, "to_rgb1")
    for k in range(1, num_sizes):
        names |= _to_rgb_names(k, f"to_rgbs.{k - 1}")
    return names | {f"synthesis.convs.{j}.noise": f"noises.noise_{j}" for j, _, _ in conv_sites(num_sizes)}


def discriminator_names(num_sizes: int) -> dict[str, str]:
    """Map our names of a discriminator's tensors to rosinality's, in that code's order."""
    names = {"from_rgb.weight": "convs.0.0.weight", "from_rgb.bias": "convs.0.1.bias"}
    for i in range(num_sizes - 1):
        block = f"convs.{i + 1}"
        names |= {
            f"blocks.{i}.conv0.weight": f"{block}.conv1.0.weight",
            f"blocks.{i}.conv0.bias": f"{block}.conv1.1.bias",
            f"blocks.{i}.conv1.weight": f"{block}.conv2.1.weight",
            f"blocks.{i}.conv1.bias": f"{block}.conv2.2.bias",
            f"blocks.{i}.skip.weight": f"{block}.skip.1.weight",
        }
    return names | {
        "conv.weight": "final_conv.0.weight",
        "conv.bias": "final_conv.1.bias",
        "fc.weight": "final_linear.0.weight",
        "fc.bias": "final_linear.0.bias",
        "out.weight": "final_linear.1.weight",
        "out.bias": "final_linear.1.bias",
    }


def _to_rgb_names(k: int, layer: str) -> dict[str, str]:
    return {
        f"synthesis.to_rgbs.{k}.bias": f"{layer}.bias",
        f"synthesis.to_rgbs.{k}.weight": f"{layer}.conv.weight",
        f"synthesis.to_rgbs.{k}.affine.weight": f"{layer}.conv.modulation.weight",
        f"synthesis.to_rgbs.{k}.affine.bias": f"{layer}.conv.modulation.bias",
    }


def _generators(content: Mapping[str, object]) -> list[str]:
    """The dotted names of all generators, "" for the whole content."""
    found = [key.removesuffix(_MARK).rstrip(".") for key in content if f".{key}".endswith(f".{_MARK}")]
    return found + [
        name
        for name in _USUAL_NAMES
        if _holds(content, name) and not any(f"{path}.".startswith(f"{name}.") for path in found)
    ]


def _holds(content: Mapping[str, object], name: str) -> bool:
    return content.get(name) is not None or any(key.startswith(f"{name}.") for key in content)


def _beside(content: Mapping[str, object], generator: str, *names: str) -> str | None:
    """The dotted name of an entry in a generator's dictionary, next to it, or further out."""
    path = generator.split(".") if generator else []
    for depth in range(len(path), -1, -1):
        for name in names:
            full = ".".join([*path[:depth], name])
            if _holds(content, full):
                return full
    return None


def _read_generator(state: dict[str, object], average: object) -> Weights[GeneratorConfig]:
    num_sizes = count_numbered(state, r"to_rgbs\.(\d{1,2})\.") + 1
    names = generator_names(num_sizes, max(count_numbered(state, r"style\.(\d{1,2})\.") - 1, 1))
    has_noise = any(name.startswith("noises.") for name in state)
    if not has_noise:
        names = {ours: theirs for ours, theirs in names.items() if not theirs.startswith("noises.")}
    weights = rename(names, state, lambda name: to_tensor(state[name]), "generator")
    if not has_noise:
        weights |= _drawn_noise(num_sizes)
    for name in [name for name in weights if name.endswith("affine.bias")]:
        weights[name] = weights[name].flatten()
    bias = weights["mapping.layers.0.bias"]
    weights["mapping.w_avg"] = torch.zeros_like(bias) if average is None else _average(average, bias.numel())
    network = generator_weights(weights, None)
    if not has_noise:
        warnings.warn(
            "the checkpoint has no noise maps, like older ones of rosinality's code: they are drawn from a "
            "fixed seed, so fine detail differs from that of programs that draw their own",
            stacklevel=2,
        )
    return _with_average(network) if average is None else network


def _drawn_noise(num_sizes: int) -> dict[str, Tensor]:
    """Standard normal noise maps, always the same."""
    rng = torch.Generator().manual_seed(0)
    return {
        f"synthesis.convs.{j}.noise": torch.randn(side, side, generator=rng)
        for j, side, _ in conv_sites(num_sizes)
    }


def _read_discriminator(state: dict[str, object]) -> Weights[DiscriminatorConfig]:
    names = discriminator_names(count_numbered(state, r"convs\.(\d{1,2})\."))
    weights = rename(names, state, lambda name: to_tensor(state[name]), "discriminator")
    return discriminator_weights(weights, None, GROUP_SIZE)


def _average(value: object, w_dim: int) -> Tensor:
    """Read the average w, which encoders repeat for each layer."""
    if not is_tensor(value):
        raise CheckpointError(f"latent_avg is {kind(value)}; expected a tensor")
    average = to_tensor(value).flatten()
    if not w_dim or average.numel() % w_dim:
        return average  # of a wrong width; reported with all other shapes
    rows = average.reshape(-1, w_dim)
    if not rows.eq(rows[0]).all():
        raise CheckpointError(f"latent_avg has {len(rows)} different rows; expected a single w")
    return rows[0].clone()


def _with_average(network: Weights[GeneratorConfig]) -> Weights[GeneratorConfig]:
    """Estimate the average w, which training checkpoints lack, by sampling, as that code does."""
    config = network.config
    mapping = MappingNetwork(config.z_dim, config.w_dim, config.mapping_layers, num_ws=1)
    tensors = {k.removeprefix("mapping."): t for k, t in network.tensors.items() if k.startswith("mapping.")}
    mapping.load_state_dict(tensors)
    rng = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        w = mapping(torch.randn(_AVERAGE_SAMPLES, config.z_dim, generator=rng))[:, 0]
    return Weights(config, {**network.tensors, "mapping.w_avg": w.mean(0).clone()})


def _state(content: Mapping[str, object], name: str) -> dict[str, object]:
    """The state dict at a dotted name, without its constant filters, which are checked."""
    prefix = f"{name}." if name else ""
    inside = {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}
    if not inside:
        raise CheckpointError(f"{quote(name)} is {kind(content[name])}; expected a state dict")
    if all(key.startswith("module.") for key in inside):
        return _state(content, f"{prefix}module")
    inside.pop("latent_avg", None)
    tensors: dict[str, object] = {}
    for key, value in inside.items():
        if not is_tensor(value):
            where = quote(name) or "the file"
            raise CheckpointError(f"{quote(key)} of {where} is not a named tensor; expected a state dict")
        if key.endswith(".kernel"):
            check_filter(to_tensor(value))
        else:
            tensors[key] = value
    return tensors
