from __future__ import annotations

import json
import shutil

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants

from domainvec.encoders import Encoder
from domainvec.encoders.model_files import fetch_model
from domainvec.errors import EncoderError

NAME = "some-body/tiny-clip"


class Hub:
    """A hub that has one model; it counts how often it is asked, and downloads into a cache."""

    def __init__(self, model, cache, missing=()):
        self.model, self.cache, self.missing, self.asked, self.patterns = model, cache, missing, 0, None
        self.snapshot = cache / f"models--{NAME.replace('/', '--')}" / "snapshots" / ("0" * 40)

    def model_info(self, name, timeout):
        self.asked += 1
        assert name == NAME and timeout <= 10
        files = [path.name for path in self.model.iterdir()]
        return huggingface_hub.ModelInfo(id=name, siblings=[{"rfilename": file} for file in files])

    def hf_hub_download(self, name, file):
        self.snapshot.mkdir(parents=True, exist_ok=True)
        return shutil.copy(self.model / file, self.snapshot / file)

    def snapshot_download(self, name, allow_patterns):
        self.patterns = allow_patterns
        shutil.copytree(self.model, self.snapshot, dirs_exist_ok=True, ignore=lambda *_: [*self.missing])
        refs = self.snapshot.parents[1] / "refs"
        refs.mkdir(exist_ok=True)
        (refs / "main").write_text(self.snapshot.name)
        return str(self.snapshot)


@pytest.fixture
def hub(tiny_encoder_folder, tmp_path, monkeypatch):
    model = shutil.copytree(tiny_encoder_folder, tmp_path / "model")
    hub = Hub(model, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.cache))
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.hf_hub_download)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_the_hub_is_asked_once(hub, tiny_encoder_folder):
    first, again = Encoder.from_pretrained(NAME), Encoder.from_pretrained(NAME)
    assert first.name == again.name == NAME and hub.asked == 1
    assert hub.patterns == ["*.json", "*.txt", "model*.safetensors"]
    local = Encoder.from_pretrained(tiny_encoder_folder)
    assert first.fingerprint == again.fingerprint == local.fingerprint


def test_guidance_and_vocabulary_are_read_from_folders_alone(hub):
    (hub.model / "guidance.json").write_text("{}")
    (hub.model / "vocabulary.json").write_text('{"domains": {}}')
    encoder = Encoder.from_pretrained(NAME)
    assert encoder.guidance is encoder.vocabulary is None


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json", "preprocessor_config.json"])
def test_what_the_cache_lacks_is_fetched(hub, missing):
    hub.missing = [missing]
    fetch_model(NAME)
    hub.missing = []
    Encoder.from_pretrained(NAME)
    assert hub.asked == 2


def test_missing_shards_are_fetched(hub):
    index = {
        "weight_map": {"one": "model-00001-of-00002.safetensors", "two": "model-00002-of-00002.safetensors"}
    }
    (hub.model / "model.safetensors").rename(hub.model / "model-00001-of-00002.safetensors")
    (hub.model / "model.safetensors.index.json").write_text(json.dumps(index))
    fetch_model(NAME)
    assert hub.patterns[-1] == "model*.safetensors"
    with pytest.raises(EncoderError, match=r"has no model-00002-of-00002\.safetensors; expected its weights"):
        Encoder.from_pretrained(NAME)
    assert hub.asked == 2


def test_pickles_of_the_hub_are_read_as_tensors_alone(hub):
    model = Encoder.from_pretrained(hub.model)._model
    (hub.model / "model.safetensors").unlink()
    torch.save(model.state_dict(), hub.model / "pytorch_model.bin")
    assert torch.isfinite(Encoder.from_pretrained(NAME).encode_texts(["a photo"])).all()
    assert hub.patterns == ["*.json", "*.txt", "pytorch_model*.bin"]


def test_another_kind_of_model_is_refused_before_its_weights(hub):
    config = json.loads((hub.model / "config.json").read_text())
    (hub.model / "config.json").write_text(json.dumps(config | {"model_type": "siglip"}))
    with pytest.raises(EncoderError, match=f"{NAME} is a model of type 'siglip'; expected a CLIP"):
        Encoder.from_pretrained(NAME)
    assert not (hub.snapshot / "model.safetensors").exists()


def test_offline_it_fails_at_once_and_says_so(hub, monkeypatch):
    def unreachable(name, timeout):
        hub.asked += 1
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(hub, "model_info", unreachable)
    with pytest.raises(EncoderError) as said:
        Encoder.from_pretrained(NAME)
    assert str(said.value) == (
        f"cannot load the encoder {NAME}: it is not in the local Hugging Face cache, and the hub did not "
        f"give it (Name or service not known); connect to the network, or name a folder that holds it"
    )
    assert hub.asked == 1


def test_the_hubs_own_offline_mode():
    with pytest.raises(
        EncoderError, match=r"some-body/no-such-clip: .*cache, and the hub did not give it \(.*offline"
    ):
        Encoder.from_pretrained("some-body/no-such-clip")
