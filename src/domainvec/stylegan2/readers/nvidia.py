"""Pickles of stylegan2-ada-pytorch and, for StyleGAN2 networks, of stylegan3.

They are dictionaries of modules ("G", "D", "G_ema"), or a generator alone, as pivotal tuning saves it. Each
module is a call of ``torch_utils.persistence._reconstruct_persistent_obj`` with the source text of its class,
to be executed, and its attributes. Only the attributes are looked at here.

StyleGAN2-ADA (Karras et al. 2020), arXiv:2006.06676.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from domainvec.errors import CheckpointError
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.readers.layout import (
    Checkpoint,
    Weights,
    attempt,
    check_clamp,
    check_filter,
    conv_sites,
    count_numbered,
    discriminator_weights,
    generator_weights,
    rename,
)
from domainvec.stylegan2.readers.tensors import is_tensor, to_number, to_tensor
from domainvec.stylegan2.readers.unpickling import Record, quote, quote_some

FORM = "stylegan2-ada-pytorch pickle"
PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"

_MAX_MODULES = 2000
_MAPPING_LR_MULTIPLIER = 0.01


@dataclass(frozen=True, eq=False)
class _Module:
    """A module as it was pickled.

    Args:
        class_name: name of its class.
        attributes: its plain attributes.
        tensors: its own parameters and buffers, unread, by name.
        children: its submodules by name.
    """

    class_name: str
    attributes: dict[object, object]
    tensors: dict[str, object]
    children: dict[str, object]

    def child(self, name: str) -> _Module:
        if name not in self.children:
            raise CheckpointError(
                f"the {quote(self.class_name)} has no {name}; it is not a StyleGAN2 network"
            )
        return _module(self.children[name])


def is_nvidia(content: object) -> bool:
    """Whether an unpickled object is in this format."""
    values = content.values() if isinstance(content, dict) else [content]
    return any(isinstance(value, Record) and value.name == PERSISTENT for value in values)


def read(content: object) -> Checkpoint:
    """Read the networks of an unpickled file.

    Raises:
        CheckpointError: if the file holds no StyleGAN2 generator.
    """
    networks = content if isinstance(content, dict) else {"G_ema": content}
    if "G_ema" not in networks:
        raise CheckpointError(
            f"the pickle holds {quote_some(list(networks))}; expected the averaged generator, G_ema"
        )
    generator, discriminator = _read_generator(_module(networks["G_ema"])), networks.get("D")
    if discriminator is None:
        return Checkpoint(FORM, generator, None)
    return Checkpoint(FORM, generator, *attempt(lambda: _read_discriminator(_module(discriminator))))


def generator_names(num_sizes: int, mapping_layers: int) -> dict[str, str]:
    """Map our names of a generator's tensors to NVIDIA's."""
    names = {"mapping.w_avg": "mapping.w_avg", "synthesis.constant": "synthesis.b4.const"}
    for i in range(mapping_layers):
        for part in ("weight", "bias"):
            names[f"mapping.layers.{i}.{part}"] = f"mapping.fc{i}.{part}"
    for j, side, kind in conv_sites(num_sizes):
        layer = "conv0" if kind == "up" else "conv1"
        for part in ("weight", "bias", "affine.weight", "affine.bias", "noise_strength"):
            names[f"synthesis.convs.{j}.{part}"] = f"synthesis.b{side}.{layer}.{part}"
        names[f"synthesis.convs.{j}.noise"] = f"synthesis.b{side}.{layer}.noise_const"
    for k in range(num_sizes):
        for part in ("weight", "bias", "affine.weight", "affine.bias"):
            names[f"synthesis.to_rgbs.{k}.{part}"] = f"synthesis.b{4 << k}.torgb.{part}"
    return names


def discriminator_names(num_sizes: int) -> dict[str, str]:
    """Map our names of a discriminator's tensors to NVIDIA's."""
    names = {f"from_rgb.{part}": f"b{4 << (num_sizes - 1)}.fromrgb.{part}" for part in ("weight", "bias")}
    for i in range(num_sizes - 1):
        block = f"b{4 << (num_sizes - 1 - i)}"
        for part in ("conv0.weight", "conv0.bias", "conv1.weight", "conv1.bias", "skip.weight"):
            names[f"blocks.{i}.{part}"] = f"{block}.{part}"
    for layer in ("conv", "fc", "out"):
        for part in ("weight", "bias"):
            names[f"{layer}.{part}"] = f"b4.{layer}.{part}"
    return names


def _read_generator(generator: _Module) -> Weights[GeneratorConfig]:
    mapping, synthesis = generator.child("mapping"), generator.child("synthesis")
    if "input" in synthesis.children:
        raise CheckpointError("the pickle holds a StyleGAN3 generator; expected a StyleGAN2 one")
    if mapping.attributes.get("c_dim", 0) != 0 or "embed" in mapping.children:
        raise CheckpointError(
            f"the generator is conditional (c_dim is {_describe(mapping.attributes.get('c_dim'))}); expected "
            "one without labels"
        )
    tensors, clamp = _read_tensors(generator, "skip", ("torgb", "conv0", "conv1"))
    weights = rename(
        generator_names(_num_sizes(synthesis), count_numbered(mapping.children, r"fc(\d{1,2})$")),
        tensors, lambda name: to_tensor(tensors[name]), "generator",
    )  # fmt: skip
    _fold_learning_rates(mapping, weights)
    return generator_weights(weights, clamp)


def _read_discriminator(discriminator: _Module) -> Weights[DiscriminatorConfig]:
    if discriminator.attributes.get("c_dim", 0) != 0 or "mapping" in discriminator.children:
        raise CheckpointError("the discriminator is conditional; expected one without labels")
    tensors, clamp = _read_tensors(discriminator, "resnet", ("fromrgb", "conv0", "conv1", "conv"))
    last = discriminator.child("b4")
    group_size = last.child("mbstd").attributes.get("group_size") if "mbstd" in last.children else 1
    if type(group_size) is not int:
        raise CheckpointError(
            f"the groups of the minibatch standard deviation are {_describe(group_size)}; expected a number"
        )
    names = discriminator_names(_num_sizes(discriminator))
    weights = rename(names, tensors, lambda name: to_tensor(tensors[name]), "discriminator")
    return discriminator_weights(weights, clamp, group_size)


def _read_tensors(
    network: _Module, architecture: str, clamped: tuple[str, ...]
) -> tuple[dict[str, object], float | None]:
    """Collect the unread tensors of a network by their full names, and its clamp on activations.

    Resampling filters are checked and left out. Raises CheckpointError for what our networks do not support.
    """
    tensors: dict[str, object] = {}
    clamps: set[float | None] = set()
    for path, module in _walk(network):
        found = module.attributes.get("architecture", architecture)
        if found != architecture:
            raise CheckpointError(
                f"the network's architecture is {_describe(found)}; expected {architecture!r}"
            )
        activation = module.attributes.get("activation", "lrelu")
        if activation not in ("lrelu", "linear"):
            raise CheckpointError(f"a layer's activation is {_describe(activation)}; expected 'lrelu'")
        if path.rpartition(".")[2] in clamped:
            clamp = module.attributes.get("conv_clamp")
            clamps.add(None if clamp is None else to_number(clamp))
        for name, tensor in module.tensors.items():
            if name == "resample_filter":
                check_filter(to_tensor(tensor))
            else:
                tensors[f"{path}.{name}" if path else name] = tensor
    if len(clamps) > 1:
        raise CheckpointError(
            f"the layers' conv_clamp differ ({sorted(map(str, clamps))}); expected one for all"
        )
    return tensors, check_clamp(next(iter(clamps), None))


def _walk(network: _Module) -> Iterator[tuple[str, _Module]]:
    """Yield a module and its submodules with dotted paths; modules that contain themselves are an error."""
    pending = [("", network)]
    for _ in range(_MAX_MODULES):
        if not pending:
            return
        path, module = pending.pop()
        yield path, module
        if len(pending) + len(module.children) > _MAX_MODULES:
            break
        pending += [(f"{path}.{name}" if path else name, module.child(name)) for name in module.children]
    raise CheckpointError(f"the pickle describes more than {_MAX_MODULES} modules; the file is damaged")


def _module(value: object) -> _Module:
    """Extract the attributes that a persistent object would be built with."""
    if isinstance(value, Record) and value.name == PERSISTENT and len(value.arguments) == 1:
        meta = value.arguments[0]
        state = meta.get("state") if isinstance(meta, dict) else None
        if isinstance(meta, dict) and isinstance(state, dict):
            tensors = {**_named(state.get("_parameters")), **_named(state.get("_buffers"))}
            class_name = meta.get("class_name")
            return _Module(
                class_name if isinstance(class_name, str) else "module",
                state,
                {name: tensor for name, tensor in tensors.items() if is_tensor(tensor)},
                {name: child for name, child in _named(state.get("_modules")).items() if child is not None},
            )
    raise CheckpointError("a network in the pickle is not described as stylegan2-ada-pytorch does")


def _named(value: object) -> dict[str, object]:
    return (
        {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}
    )


def _num_sizes(network: _Module) -> int:
    """How many resolutions a network has blocks for: b4, b8, ..."""
    sides = [count_numbered([name], r"b(\d{1,5})$") - 1 for name in network.children]
    return max(max(sides, default=4), 4).bit_length() - 2


def _fold_learning_rates(mapping: _Module, weights: dict[str, Tensor]) -> None:
    """Rescale mapping layers that were trained with an unusual learning rate multiplier."""
    for i in range(count_numbered(mapping.children, r"fc(\d{1,2})$")):
        attributes = mapping.child(f"fc{i}").attributes
        weight, bias = weights[f"mapping.layers.{i}.weight"], weights[f"mapping.layers.{i}.bias"]
        if "weight_gain" not in attributes or "bias_gain" not in attributes or weight.ndim != 2:
            continue
        usual = _MAPPING_LR_MULTIPLIER / math.sqrt(weight.shape[1])
        weight_ratio = to_number(attributes["weight_gain"]) / usual
        bias_ratio = to_number(attributes["bias_gain"]) / _MAPPING_LR_MULTIPLIER
        if not math.isclose(weight_ratio, 1, rel_tol=1e-6) or not math.isclose(bias_ratio, 1, rel_tol=1e-6):
            weight.mul_(weight_ratio)
            bias.mul_(bias_ratio)


def _describe(value: object) -> str:
    """A setting of an untrusted file, for an error message."""
    if isinstance(value, str):
        return f"'{quote(value)}'"
    return str(value) if isinstance(value, int | float | None) else f"a {type(value).__name__}"
