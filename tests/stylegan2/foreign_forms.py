"""Checkpoints of other codebases, made from our networks without those codebases, to be bent by the tests."""

from __future__ import annotations

import io
import pickle
import types
from dataclasses import dataclass, field

import numpy as np
import torch

from domainvec.stylegan2 import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig
from domainvec.stylegan2.readers import nvidia, tensorflow


@dataclass(frozen=True)
class Named:
    """A global that need not exist to be pickled."""

    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """REDUCE, and BUILD where there is a state."""

    callee: object
    arguments: object = ()
    state: object = None


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are."""

    opcodes: bytes


class ForgingPickler(pickle._Pickler):
    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Raw):
            self.write(obj.opcodes)
        elif isinstance(obj, Named) and self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        elif isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.callee)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
            if obj.state is not None:
                self.save(obj.state)
                self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)


def forge(content: object, protocol: int = 4) -> bytes:
    stream = io.BytesIO()
    ForgingPickler(stream, protocol).dump(content)
    return stream.getvalue()


def make_networks(
    clamp: float | None = None, channels: tuple[int, ...] = (8, 6, 4), z_dim: int = 10
) -> tuple[Generator, Discriminator]:
    """Small random networks in which nothing is zero, z and w as wide."""
    torch.manual_seed(0)
    resolution = 4 << (len(channels) - 1)
    generator = Generator(GeneratorConfig(resolution, z_dim, z_dim, 2, channels, clamp))
    discriminator = Discriminator(DiscriminatorConfig(resolution, channels, conv_clamp=clamp))
    with torch.no_grad():
        for tensor in (*generator.parameters(), *generator.buffers(), *discriminator.parameters()):
            tensor.add_(0.1 * torch.randn_like(tensor))
    return generator.requires_grad_(False), discriminator.requires_grad_(False)


def tensors_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


@dataclass
class Module:
    """A module as stylegan2-ada-pytorch pickles it."""

    parameters: dict[str, object] = field(default_factory=dict)
    children: dict[str, object] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)

    def at(self, path: str) -> Module:
        module = self
        for name in path.split(".") if path else []:
            module = module.children.setdefault(name, Module())
        return module

    def call(self) -> Call:
        children = {k: v.call() if isinstance(v, Module) else v for k, v in self.children.items()}
        state = {"_parameters": self.parameters, "_buffers": {}, "_modules": children, **self.attributes}
        source = "raise SystemExit('source text was executed')"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": "Module", "state": state}
        return Call(Named("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))


def nvidia_modules(generator: Generator, discriminator: Discriminator) -> dict[str, Module]:
    """The modules of a stylegan2-ada-pytorch checkpoint, by the names that its dictionary has."""
    sizes, layers = len(generator.config.channels), generator.config.mapping_layers
    filters = torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
    modules = {}
    for name, network, names in (
        ("D", discriminator, nvidia.discriminator_names(sizes)),
        ("G_ema", generator, nvidia.generator_names(sizes, layers)),
    ):
        root = Module(attributes={"c_dim": 0})
        tensors = tensors_of(network)
        for ours, theirs in names.items():
            path, _, tensor_name = theirs.rpartition(".")
            module = root.at(path)
            module.parameters[tensor_name] = torch.nn.Parameter(tensors[ours], requires_grad=False)
            if path.rpartition(".")[2] in ("conv0", "conv1", "conv", "torgb", "fromrgb"):
                clamp = network.config.conv_clamp
                module.attributes |= {"conv_clamp": clamp, "activation": "lrelu"}
                module.parameters["resample_filter"] = filters.clone()
        modules[name] = root
    modules["D"].at("b4.mbstd").attributes |= {"group_size": 4, "num_channels": 1}
    return modules


def nvidia_pickle(modules: dict[str, Module], protocol: int = 4) -> bytes:
    return forge({name: module.call() for name, module in modules.items()}, protocol)


def saved_whole(content: object, new_zipfile: bool = True) -> bytes:
    """What torch.save writes of tensors, calls and names that need not exist."""
    stream = io.BytesIO()
    forging = types.SimpleNamespace(__name__="forging", Pickler=ForgingPickler, dump=pickle.dump)
    torch.save(content, stream, forging, 2, new_zipfile)
    return stream.getvalue()


@dataclass
class Network:
    """A network as the TensorFlow code pickles it."""

    settings: dict[str, object] = field(default_factory=dict)
    variables: dict[str, object] = field(default_factory=dict)
    components: dict[str, Network] = field(default_factory=dict)

    def call(self) -> Call:
        state = {
            "version": 4,
            "static_kwargs": self.settings,
            "variables": list(self.variables.items()),
            "components": {name: component.call() for name, component in self.components.items()},
            "build_module_src": "raise SystemExit('source text was executed')",
        }
        return Call(Named("dnnlib.tflib.network", "Network"), (), state)


def tensorflow_networks(generator: Generator, discriminator: Discriminator) -> tuple[Network, Network]:
    """D and the averaged Gs of a TensorFlow pickle."""
    sizes, layers = len(generator.config.channels), generator.config.mapping_layers

    def variables(network, names):
        tensors = tensors_of(network)
        return {theirs: _to_tensorflow(theirs, tensors[ours]) for ours, theirs in names.items()}

    every = variables(generator, tensorflow.generator_names(sizes, layers))
    mapping = {name: value for name, value in every.items() if name.startswith("Dense")}
    own = {"dlatent_avg": every["dlatent_avg"], "lod": np.float32(0).reshape(())}
    synthesis = {name: value for name, value in every.items() if name not in mapping and name not in own}
    components = {"mapping": Network({}, mapping), "synthesis": Network({}, synthesis)}
    averaged = Network({"num_channels": 3, "label_size": 0}, own, components)
    return Network({}, variables(discriminator, tensorflow.discriminator_names(sizes))), averaged


def _to_tensorflow(name: str, tensor: torch.Tensor) -> np.ndarray:
    if name.endswith("weight") and tensor.ndim == 4:
        tensor = (tensor.flip(2, 3) if "Conv0_up" in name else tensor).permute(2, 3, 1, 0)
    elif name.endswith("weight"):
        tensor = tensor.T
    elif name.endswith("mod_bias"):
        tensor = tensor - 1
    elif name.endswith("const") or name.startswith("noise"):
        tensor = tensor.reshape(1, -1, *tensor.shape[-2:])
    return np.ascontiguousarray(tensor.numpy()).reshape(tensor.shape)


def tensorflow_pickle(discriminator: Network, averaged: Network, protocol: int = 4) -> bytes:
    return forge((averaged.call(), discriminator.call(), averaged.call()), protocol)
