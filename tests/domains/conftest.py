from __future__ import annotations

import pytest
import torch

from domainvec.domains import Domain, create_domain
from domainvec.stylegan2 import Generator, GeneratorConfig


@pytest.fixture(scope="module")
def bent_generator() -> Generator:
    """A generator of 16 px with different widths, nonzero biases and nonzero noise strengths."""
    torch.manual_seed(0)
    config = GeneratorConfig(resolution=16, z_dim=6, w_dim=8, mapping_layers=2, channels=(12, 8, 8))
    generator = Generator(config).requires_grad_(False).eval()
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.add_(0.2 * torch.randn_like(parameter))
    return generator


@pytest.fixture(scope="module")
def bent_latents(bent_generator: Generator) -> torch.Tensor:
    return bent_generator.mapping(torch.randn(3, 6, generator=torch.Generator().manual_seed(1)))


@pytest.fixture
def random_domain(bent_generator: Generator):
    """Create a random domain of a parameterization, far from zero."""

    def make(name: str, seed: int = 0, **metadata: object) -> Domain:
        zero = create_domain(name, bent_generator).detach()
        # Not the numbers that the generator was drawn from: what only scales a kernel is demodulated.
        noise = torch.randn(zero.size, generator=torch.Generator().manual_seed(100 + seed))
        return zero.with_metadata(metadata).with_vector(zero.vector + 0.2 * noise)

    return make
