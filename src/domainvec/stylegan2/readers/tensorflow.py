"""Pickles of the TensorFlow code of StyleGAN2 and StyleGAN2-ADA.

They are tuples (G, D, Gs) of ``dnnlib.tflib.network.Network`` objects, where Gs is the averaged generator. A
Network consists of the source code that builds it, its settings, its variables as arrays, and other Networks
as components. TensorFlow stores kernels as height, width, in, out, and matrices as in, out.

StyleGAN2 (Karras et al. 2020), arXiv:1912.04958.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from domainvec.errors import CheckpointError
from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.readers.layout import (
    Checkpoint,
    Weights,
    attempt,
    check_clamp,
    conv_sites,
    count_numbered,
    discriminator_weights,
    generator_weights,
    rename,
)
from domainvec.stylegan2.readers.tensors import is_tensor, to_number, to_tensor
from domainvec.stylegan2.readers.unpickling import Record, quote

FORM = "TensorFlow StyleGAN2 pickle"
NETWORK = "dnnlib.tflib.network.Network"

_MAX_DEPTH = 4
_MAX_COMPONENTS = 8
_MAPPING_LR_MULTIPLIER = 0.01
# Settings that change what a network computes, and the values that our networks assume.
_SETTINGS: Mapping[str, object] = {
    "label_size": 0,
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "use_noise": True,
    "resample_kernel": [1, 3, 3, 1],
}
_PARTS = {
    "weight": "weight",
    "bias": "bias",
    "affine.weight": "mod_weight",
    "affine.bias": "mod_bias",
}


def is_tensorflow(content: object) -> bool:
    """Whether an unpickled object is in this format."""
    items = content if isinstance(content, tuple | list) else [content]
    return any(isinstance(item, Record) and item.name == NETWORK for item in items)


def read(content: object) -> Checkpoint:
    """Read the networks of an unpickled file.

    Raises:
        CheckpointError: if the file holds no StyleGAN2 generator.
    """
    networks = content if isinstance(content, tuple | list) else [content]
    if len(networks) not in (1, 3):
        raise CheckpointError(f"the pickle holds {len(networks)} networks; expected G, D and the averaged Gs")
    generator = _read_generator(networks[-1])
    if len(networks) == 1 or networks[1] is None:
        return Checkpoint(FORM, generator, None)
    return Checkpoint(FORM, generator, *attempt(lambda: _read_discriminator(networks[1])))


def generator_names(num_sizes: int, mapping_layers: int) -> dict[str, str]:
    """Map our names of a generator's tensors to TensorFlow's, without the names of the components."""
    names = {"mapping.w_avg": "dlatent_avg", "synthesis.constant": "4x4/Const/const"}
    for i in range(mapping_layers):
        for part in ("weight", "bias"):
            names[f"mapping.layers.{i}.{part}"] = f"Dense{i}/{part}"
    for j, side, kind in conv_sites(num_sizes):
        layer = {"first": "Conv", "up": "Conv0_up", "plain": "Conv1"}[kind]
        for ours, theirs in {**_PARTS, "noise_strength": "noise_strength"}.items():
            names[f"synthesis.convs.{j}.{ours}"] = f"{side}x{side}/{layer}/{theirs}"
        names[f"synthesis.convs.{j}.noise"] = f"noise{j}"
    for k in range(num_sizes):
        for ours, theirs in _PARTS.items():
            names[f"synthesis.to_rgbs.{k}.{ours}"] = f"{4 << k}x{4 << k}/ToRGB/{theirs}"
    return names


def discriminator_names(num_sizes: int) -> dict[str, str]:
    """Map our names of a discriminator's tensors to TensorFlow's."""
    sides = [4 << k for k in reversed(range(num_sizes))]
    names = {f"from_rgb.{part}": f"{sides[0]}x{sides[0]}/FromRGB/{part}" for part in ("weight", "bias")}
    for i, side in enumerate(sides[:-1]):
        for ours, theirs in (("conv0", "Conv0"), ("conv1", "Conv1_down")):
            for part in ("weight", "bias"):
                names[f"blocks.{i}.{ours}.{part}"] = f"{side}x{side}/{theirs}/{part}"
        names[f"blocks.{i}.skip.weight"] = f"{side}x{side}/Skip/weight"
    for ours, theirs in (("conv", "4x4/Conv"), ("fc", "4x4/Dense0"), ("out", "Output")):
        for part in ("weight", "bias"):
            names[f"{ours}.{part}"] = f"{theirs}/{part}"
    return names


def _read_generator(network: object) -> Weights[GeneratorConfig]:
    settings, variables = _flatten(network)
    if any("StyleMod" in name or "ToRGB_lod" in name for name in variables):
        raise CheckpointError(
            "the pickle holds a StyleGAN1 (or progressive) generator; expected a StyleGAN2 one"
        )
    _check_settings(settings, "skip")
    num_sizes = _num_sizes(variables)
    names = generator_names(num_sizes, count_numbered(variables, r"Dense(\d{1,2})/"))
    weights = rename(names, variables, lambda name: _convert(name, variables[name]), "generator")
    multiplier = settings.get("mapping_lrmul")
    ratio = 1.0 if multiplier is None else to_number(multiplier) / _MAPPING_LR_MULTIPLIER
    if ratio != 1:
        weights = {k: v * ratio if k.startswith("mapping.layers.") else v for k, v in weights.items()}
    return generator_weights(weights, _clamp(settings))


def _read_discriminator(network: object) -> Weights[DiscriminatorConfig]:
    settings, variables = _flatten(network)
    _check_settings(settings, "resnet")
    if any("FromRGB_lod" in name for name in variables):
        raise CheckpointError(
            "the discriminator takes RGB input at every resolution; expected the residual architecture"
        )
    names = discriminator_names(_num_sizes(variables))
    weights = rename(names, variables, lambda name: _convert(name, variables[name]), "discriminator")
    group_size = settings.get("mbstd_group_size", 4)
    if type(group_size) is not int:
        raise CheckpointError(f"mbstd_group_size is a {type(group_size).__name__}; expected an integer")
    return discriminator_weights(weights, _clamp(settings), group_size)


def _flatten(network: object, depth: int = 0) -> tuple[dict[object, object], dict[str, object]]:
    """Collect the settings and the unread variables of a network and its components.

    Variables belong to the network itself, under names such as "G_synthesis/4x4/Const/const", or to its
    components, under the rest of the name.
    """
    state = network.state if isinstance(network, Record) and network.name == NETWORK else None
    if not isinstance(state, dict) or depth > _MAX_DEPTH:
        raise CheckpointError("a network in the pickle is not described as dnnlib does")
    settings = dict(_table(state.get("static_kwargs")))
    variables: dict[str, object] = {}
    own = state.get("variables")
    pairs = [pair for pair in own if isinstance(pair, tuple | list)] if isinstance(own, list) else []
    named = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and isinstance(pair[0], str)]
    components = _table(state.get("components"))
    if len(components) > _MAX_COMPONENTS:
        raise CheckpointError(
            f"a network in the pickle has {len(components)} components; the file is damaged"
        )
    for component in components.values():
        inner_settings, inner_variables = _flatten(component, depth + 1)
        settings = {**inner_settings, **settings}
        named += inner_variables.items()
    for name, value in named:
        short = re.sub(r"^(G_)?(mapping|synthesis)(_\w+)?/", "", name)
        if short in variables:
            raise CheckpointError(f"the pickle has two variables {quote(short)} in one network")
        if is_tensor(value) and short != "lod":  # lod: the state of progressive growing
            variables[short] = value
    return settings, variables


def _table(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


def _check_settings(settings: Mapping[object, object], architecture: str) -> None:
    for name, expected in {**_SETTINGS, "architecture": architecture}.items():
        found = settings.get(name)
        if found is None or found == expected or (isinstance(found, tuple) and list(found) == expected):
            continue
        shown = found if isinstance(found, int) else quote(found) if isinstance(found, str) else "another"
        hint = "; conditional networks are not supported" if name == "label_size" else ""
        raise CheckpointError(f"{name} of the network is {shown}; expected {expected!r}{hint}")


def _clamp(settings: Mapping[object, object]) -> float | None:
    clamp = settings.get("conv_clamp")
    return None if clamp is None else check_clamp(to_number(clamp))


def _num_sizes(variables: Mapping[str, object]) -> int:
    side = max(count_numbered(variables, r"(\d{1,5})x") - 1, 4)
    return side.bit_length() - 2


def _convert(name: str, value: object) -> Tensor:
    """Read a variable, with its axes in our order."""
    tensor = to_tensor(value)
    if name.endswith("weight") and tensor.ndim == 4:
        tensor = tensor.permute(3, 2, 0, 1)
        if name.endswith("Conv0_up/weight"):
            tensor = tensor.flip(2, 3)  # TensorFlow flips kernels where it up-samples
    elif name.endswith("weight") and tensor.ndim == 2:
        tensor = tensor.T
    elif name.endswith("mod_bias"):
        tensor = tensor + 1  # stored as the difference from a scale of one
    return tensor.contiguous()
