"""`domainvec info`: what a checkpoint, an encoder or a domain file is, and where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from domainvec.cli.arguments import Debug

Facts = dict[str, Any]


def info(
    path: Annotated[
        str, typer.Argument(help="A domain file, a checkpoint, a folder, or the name of a generator.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Say what a checkpoint or a domain file is: its widths, its sizes, where it came from."""
    facts = {"path": path, **_facts(path)}
    if as_json:
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        _print(facts)


def _facts(path: str) -> Facts:
    from domainvec.domains.file import is_domain_file

    if (Path(path) / "config.json").is_file() and (Path(path) / "tokenizer.json").is_file():
        return _encoder_facts(path)
    if Path(path).suffix == ".safetensors" and is_domain_file(path):
        return _domain_facts(path)
    return _checkpoint_facts(path)  # which also explains what is wrong with a broken file


def _domain_facts(path: str) -> Facts:
    from domainvec.domains import Domain
    from domainvec.domains.file import PARTS

    domain = Domain.load(path)
    parts = {part: getattr(domain, part) for part in PARTS}
    facts: Facts = {
        "kind": "domain",
        "bytes": Path(path).stat().st_size,
        "size": domain.size,
        "nonzero": domain.num_nonzero,
        "widths": {name: [len(tensor) for tensor in tensors] for name, tensors in parts.items() if tensors},
        "root_mean_square": round(domain.vector.square().mean().sqrt().item(), 6),
        "metadata": domain.metadata,
    }
    if domain.weights:
        facts["weights"] = {
            name.removeprefix("weights."): list(tensor.shape)
            for name, tensor in domain.named_tensors().items()
            if name.startswith("weights.")
        }
    return facts


def _checkpoint_facts(path: str) -> Facts:
    from domainvec.cli.networks import load_networks
    from domainvec.domains import create_domain

    networks = load_networks(path)
    facts: Facts = {"kind": "checkpoint", "form": networks.form}
    if generator := networks.generator:
        facts["generator"] = {
            "resolution": generator.resolution,
            "z_dim": generator.z_dim,
            "w_dim": generator.w_dim,
            "num_ws": generator.num_ws,
            "mapping_layers": generator.config.mapping_layers,
            "conv_channels": list(generator.conv_channels),
            "rgb_channels": list(generator.rgb_channels),
            "conv_clamp": generator.config.conv_clamp,
            "parameters": sum(parameter.numel() for parameter in generator.parameters()),
            "domain_size": create_domain("modulation", generator).size,
            "domain_size_with_rgb": create_domain("modulation+rgb", generator).size,
            "fingerprint": generator.fingerprint,
        }
    if discriminator := networks.discriminator:
        facts["discriminator"] = {
            "resolution": discriminator.config.resolution,
            "channels": list(discriminator.config.channels),
            "conv_clamp": discriminator.config.conv_clamp,
            "parameters": sum(parameter.numel() for parameter in discriminator.parameters()),
        }
    elif networks.discriminator_error:
        facts["discriminator"] = {"error": networks.discriminator_error}
    return facts


def _encoder_facts(path: str) -> Facts:
    from domainvec.encoders import Encoder

    encoder = Encoder.from_pretrained(path)
    return {
        "kind": "encoder",
        "image_size": encoder.image_size,
        "embedding_dim": encoder.embedding_dim,
        "fingerprint": encoder.fingerprint,
        "guidance": None if encoder.guidance is None else encoder.guidance.to_dict(),
    }


def _print(facts: Facts, indent: str = "") -> None:
    """Print one fact a line, what belongs to another fact below it."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        if isinstance(value, dict):
            typer.echo(f"{indent}{name}")
            _print(value, indent + "  ")
        elif name == "mix":
            typer.echo(f"{indent}{name}")  # the whole story of each part is in the JSON
            for part in value:
                typer.echo(f"{indent}  {part['weight']:g} × {_title(part['domain'])}")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for item in value:
                _print({name: item}, indent)
        elif value is not None:
            typer.echo(f"{indent}{name:<{width}}  {_short(value)}")


def _title(metadata: Facts) -> str:
    """What a domain was made for, in a few words."""
    pictures = [
        metadata[key].get(name)
        for key, name in (("image", "name"), ("images", "names"))
        if isinstance(metadata.get(key), dict)
    ]
    named = [_short(value) for value in (metadata.get("target"), *pictures) if value]
    return named[0] if named else "a domain that does not name its target"


def _short(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value) and len(value) > 3:
        return f"{value[0]}, {value[1]}, … ({len(value)})"
    if isinstance(value, list):
        texts = any(isinstance(item, str) for item in value)
        return (", " if texts else " ").join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
