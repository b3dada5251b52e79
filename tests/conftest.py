"""What many tests share: a generator and encoders so small that they are made on the spot."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

# No test may reach for the network; set before anything imports what would.
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores; so do the commands that they start.
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def random_generator(resolution: int = 16, seed: int = 0):
    """A random generator, 8 channels wide, in which nothing is zero."""
    from domainvec.stylegan2 import Generator, GeneratorConfig

    torch.manual_seed(seed)
    channels = (8,) * (resolution.bit_length() - 2)
    config = GeneratorConfig(resolution=resolution, z_dim=8, w_dim=8, mapping_layers=2, channels=channels)
    generator = Generator(config).requires_grad_(False).eval()
    for tensor in (*generator.parameters(), *generator.buffers()):
        if not tensor.any():
            tensor.copy_(0.1 * torch.randn_like(tensor))
    return generator


def random_encoder_folder(folder: Path, seed: int = 0) -> Path:
    """A random CLIP of 16 px with one token for each word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    from domainvec.encoders.templates import FACE_TEMPLATES, GENERAL_TEMPLATES

    sentences = " ".join((*GENERAL_TEMPLATES, *FACE_TEMPLATES, "a pencil sketch", "a photo", "a zombie"))
    words = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]
    words += sorted(set(re.findall(r"\w+|[^\w\s]+", sentences.lower())))
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        bos_token="[BOS]",
        eos_token="[EOS]",
        model_max_length=24,
    ).save_pretrained(folder)
    width = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "projection_dim": 12,
    }
    text = width | {
        "vocab_size": len(words),
        "max_position_embeddings": 24,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
    }
    vision = width | {"image_size": 16, "patch_size": 8}
    torch.manual_seed(seed)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(folder)
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 16},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 16, "width": 16},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What tests keep for later runs goes where the user's own cache is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOMAINVEC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_generator():
    return random_generator()


@pytest.fixture(scope="session")
def make_generator():
    return random_generator


@pytest.fixture(scope="session")
def tiny_generator_folder(tmp_path_factory, tiny_generator):
    folder = tmp_path_factory.mktemp("models") / "tiny-generator"
    tiny_generator.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory):
    return random_encoder_folder(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture
def full_disk():
    """A context in which no file can grow beyond 4 kB, as if the disk were full."""
    resource = pytest.importorskip("resource", reason="limits of POSIX")

    @contextmanager
    def full():
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return full
