"""Checkpoints of rosinality's stylegan2-pytorch, also of StyleGAN-NADA, HyperDomainNet, JoJoGAN and more.

They are dictionaries of state dicts ("g_ema", "d", "g") with the average latent beside them ("latent_avg"),
or a single state dict.

The kernels of modulated convolutions are the same numbers in this form and in NVIDIA's, as every converter
between them has it. This form multiplies them by 1/√(9·c_in) at run time and NVIDIA's does not; demodulation
undoes any such factor, up to its ε = 1e-8.
"""

from __future__ import annotations

import torch
from torch import Tensor

from domainvec.errors import CheckpointError
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.network import Mapping
from domainvec.stylegan2.readers.layout import (
    Checkpoint,
    Weights,
    check_filter,
    conv_sites,
    count_numbered,
    discriminator_weights,
    generator_weights,
    rename,
)
from domainvec.stylegan2.readers.tensors import is_tensor, to_tensor
from domainvec.stylegan2.readers.unpickling import kind, quote

FORM = "rosinality checkpoint"
GROUP_SIZE = 4
"""Pictures in a group of the minibatch standard deviation; written into that code."""

_MARK = "style.1.weight"
_AVERAGE_SAMPLES = 4096


def is_rosinality(content: object) -> bool:
    """Whether the content of a torch.save file is of this form."""
    return isinstance(content, dict) and (_MARK in content or "g_ema" in content or "g" in content)


def read(content: object) -> Checkpoint:
    """The networks of a torch.save file.

    Raises:
        CheckpointError: if the file holds no StyleGAN2 generator.
    """
    assert isinstance(content, dict)
    parts = {"g_ema": content} if _MARK in content else content
    discriminator = parts.get("d")
    return Checkpoint(
        FORM,
        _read_generator(_state(parts, "g_ema" if "g_ema" in parts else "g"), parts.get("latent_avg")),
        None if discriminator is None else _read_discriminator(_state(parts, "d")),
    )


def generator_names(num_sizes: int, mapping_layers: int) -> dict[str, str]:
    """Our names of a generator's tensors to rosinality's, in that code's order; without the average w."""
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
    """Our names of a discriminator's tensors to rosinality's, in the order of that code."""
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


def _read_generator(state: dict[str, object], average: object) -> Weights[GeneratorConfig]:
    num_sizes = count_numbered(state, r"to_rgbs\.(\d{1,2})\.") + 1
    names = generator_names(num_sizes, max(count_numbered(state, r"style\.(\d{1,2})\.") - 1, 1))
    weights = rename(names, state, lambda name: to_tensor(state[name]), "generator")
    for name in [name for name in weights if name.endswith("affine.bias")]:
        weights[name] = weights[name].flatten()
    bias = weights["mapping.layers.0.bias"]
    weights["mapping.w_avg"] = torch.zeros_like(bias) if average is None else _average(average)
    network = generator_weights(weights, None)
    return _with_average(network) if average is None else network


def _read_discriminator(state: dict[str, object]) -> Weights[DiscriminatorConfig]:
    names = discriminator_names(count_numbered(state, r"convs\.(\d{1,2})\."))
    weights = rename(names, state, lambda name: to_tensor(state[name]), "discriminator")
    return discriminator_weights(weights, None, GROUP_SIZE)


def _average(value: object) -> Tensor:
    if not is_tensor(value):
        raise CheckpointError(f"latent_avg is {kind(value)}; expected a tensor")
    return to_tensor(value).flatten()


def _with_average(network: Weights[GeneratorConfig]) -> Weights[GeneratorConfig]:
    """Fill in the average w, which training checkpoints of this form lack, as that code does: by sampling."""
    config = network.config
    mapping = Mapping(config.z_dim, config.w_dim, config.mapping_layers, num_ws=1)
    tensors = {k.removeprefix("mapping."): t for k, t in network.tensors.items() if k.startswith("mapping.")}
    mapping.load_state_dict(tensors)
    rng = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        w = mapping(torch.randn(_AVERAGE_SAMPLES, config.z_dim, generator=rng))[:, 0]
    return Weights(config, {**network.tensors, "mapping.w_avg": w.mean(0).clone()})


def _state(parts: dict[object, object], name: str) -> dict[str, object]:
    """A state dict without its fixed filters, which are checked."""
    state = parts[name]
    if not isinstance(state, dict):
        raise CheckpointError(f"{name} is {kind(state)}; expected a state dict")
    tensors: dict[str, object] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not is_tensor(value):
            shown = quote(key) if isinstance(key, str) else "a key"
            raise CheckpointError(f"{shown} of {name} is not a named tensor; expected a state dict")
        if key.endswith(".kernel"):
            check_filter(to_tensor(value))
        else:
            tensors[key] = value
    return tensors
