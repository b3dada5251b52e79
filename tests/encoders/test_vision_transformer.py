from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity
from transformers import CLIPConfig, CLIPModel

from domainvec.encoders.vision_transformer import VisionTransformer
from domainvec.errors import ShapeError


@pytest.fixture(params=["quick_gelu", "gelu", "relu"])
def model(request):
    width = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    vision = width | {"image_size": 18, "patch_size": 4, "hidden_act": request.param}
    torch.manual_seed(0)
    text = width | {"vocab_size": 9}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    for parameter in model.parameters():  # Nothing may be hidden by a zero.
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


def pixels():
    return torch.randn(3, 3, 18, 18, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("depth", [0.0, 0.4, 1.0])
def test_equals_transformers_forwards_and_backwards(model, depth):
    def plain(images):
        seen = model.vision_model(pixel_values=images, output_hidden_states=True)
        tokens = seen.hidden_states[round(depth * 3)][:, 1:]
        return model.visual_projection(seen.pooler_output), tokens

    def derive(see):
        images = pixels()
        features, tokens = see(images)
        loss = features.square().sum() + tokens.pow(3).sum()
        return features, tokens, torch.autograd.grad(loss, images)[0]

    transformer = VisionTransformer(model, torch.float32)
    for mine, theirs in zip(derive(lambda images: transformer(images, depth)), derive(plain), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_rounds_products_alone_whatever_autocast_says(model):
    low, exact = VisionTransformer(model, torch.bfloat16), VisionTransformer(model, torch.float32)
    features, tokens = low(pixels())
    assert features.dtype == tokens.dtype == torch.float32
    assert cosine_similarity(features, exact(pixels())[0]).min() > 0.999
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(exact(pixels())[0], VisionTransformer(model, torch.float32)(pixels())[0])
        assert torch.equal(low(pixels())[0], features)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("shape", [(1, 3, 18, 24), (1, 3, 16, 16), (3, 18, 18), (1, 4, 18, 18)])
def test_other_shapes_are_refused(model, shape):
    with pytest.raises(ShapeError, match=r"takes \(N, 3, 18, 18\): give square pictures"):
        VisionTransformer(model, torch.float32)(torch.zeros(shape))
