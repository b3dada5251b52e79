"""StyleGAN2: the networks, and readers and writers for their checkpoints."""

from domainvec.stylegan2.config import DiscriminatorConfig, GeneratorConfig
from domainvec.stylegan2.discriminator import Discriminator
from domainvec.stylegan2.network import Generator, Multipliers

__all__ = ["Discriminator", "DiscriminatorConfig", "Generator", "GeneratorConfig", "Multipliers"]
