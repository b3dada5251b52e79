from __future__ import annotations

import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainvec.encoders import Encoder
from domainvec.errors import EncoderError, InputError, ShapeError
from domainvec.guidance import FACES


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder):
    return Encoder.from_pretrained(tiny_encoder_folder)


@pytest.fixture
def copied_folder(tiny_encoder_folder, tmp_path):
    return shutil.copytree(tiny_encoder_folder, tmp_path / "copy")


def pictures(count=3, size=24):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_sizes(encoder):
    assert (encoder.embedding_dim, encoder.image_size, encoder.name) == (12, 16, "tiny-clip")
    assert encoder.guidance is None
    assert encoder.device == torch.device("cpu")


def test_embeddings_have_unit_length(encoder):
    for embeddings in (encoder.encode_images(pictures()), encoder.encode_texts(["a photo", "a zombie", "a"])):
        assert embeddings.shape == (3, 12) and embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_equals_transformers(encoder, tiny_encoder_folder):
    from transformers import AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(tiny_encoder_folder).eval()
    tokens = AutoTokenizer.from_pretrained(tiny_encoder_folder)(["a photo of a zombie"], return_tensors="pt")
    with torch.no_grad():
        output = model(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            pixel_values=encoder.preprocessing(pictures()),
        )
    torch.testing.assert_close(encoder.encode_images(pictures()), output.image_embeds)
    torch.testing.assert_close(encoder.encode_texts(["a photo of a zombie"]), output.text_embeds)


def test_differentiable_in_the_images_alone(encoder):
    images = pictures().requires_grad_(True)
    encoder.encode_images(images)[:, 0].sum().backward()
    assert torch.isfinite(images.grad).all() and (images.grad.flatten(1).norm(dim=1) > 0).all()
    assert not encoder.encode_texts(["a photo"]).requires_grad
    assert not any(parameter.requires_grad for parameter in encoder._model.parameters())


def test_rows_do_not_depend_on_their_batch(encoder):
    texts = ["a photo", "an ugly picture of a zombie."]
    torch.testing.assert_close(encoder.encode_texts(texts)[:1], encoder.encode_texts(texts[:1]))
    torch.testing.assert_close(encoder.encode_images(pictures())[:1], encoder.encode_images(pictures()[:1]))


def test_float32_embeddings_under_autocast(encoder):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = encoder.encode_images(pictures())
    assert embeddings.dtype == torch.float32
    assert (embeddings * encoder.encode_images(pictures())).sum(dim=1).min() > 0.99


def test_fingerprint_is_of_the_weights(encoder, copied_folder):
    weights = load_file(copied_folder / "model.safetensors")
    save_file(
        {k: v.half() for k, v in weights.items()}, copied_folder / "model.safetensors", {"format": "pt"}
    )
    assert Encoder.from_pretrained(copied_folder).fingerprint == encoder.fingerprint
    weights["logit_scale"] += 1
    save_file(weights, copied_folder / "model.safetensors", {"format": "pt"})
    assert Encoder.from_pretrained(copied_folder).fingerprint != encoder.fingerprint
    assert len(encoder.fingerprint) == 16 and int(encoder.fingerprint, 16) >= 0


def test_guidance_comes_with_the_folder(copied_folder):
    (copied_folder / "guidance.json").write_text(json.dumps(FACES.to_dict()))
    assert Encoder.from_pretrained(copied_folder).guidance == FACES


def test_newer_processor_files_are_read(copied_folder):
    plain = json.loads((copied_folder / "preprocessor_config.json").read_text())
    (copied_folder / "preprocessor_config.json").unlink()
    (copied_folder / "processor_config.json").write_text(json.dumps({"image_processor": plain}))
    assert Encoder.from_pretrained(copied_folder).preprocessing.crop == (16, 16)


def test_long_texts_are_cut_with_a_warning(encoder):
    text = "a photo of " + "a zombie " * 30
    with pytest.warns(UserWarning, match="tiny-clip reads 24 tokens; 1 text"):
        cut = encoder.encode_texts([text])
    with pytest.warns(UserWarning):
        torch.testing.assert_close(cut, encoder.encode_texts([text + " of a zombie"]))


def test_unknown_words_are_said(encoder):
    with pytest.warns(UserWarning, match=r"was never taught the words \['blorb', 'dragon'\]"):
        encoder.encode_texts(["a photo of a dragon", "a blorb"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_texts(["a photo of a zombie"])


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a photo of a zombie", []),
        ("a Dragon, a blorb and a dragon!", ["Dragon", "blorb"]),
        ("a zombie-blorb photo", ["zombie-blorb"]),
        ("", []),
        ("a zombie 🎃 🎃", ["🎃"]),
        ("!?", []),
    ],
)
def test_unknown_words(encoder, text, unknown):
    assert encoder.unknown_words(text) == unknown


def test_words_in_letters_that_the_tokenizer_drops_are_unknown():
    encoder = Encoder.from_pretrained("faces-clip")
    assert encoder.unknown_words("a Gemälde of a 僵尸, a xylophone") == ["Gemälde", "僵尸", "xylophone"]
    assert encoder.unknown_words("a pencil sketch of a zombie with glasses") == []


def test_words_beyond_the_cut_are_not_judged(encoder):
    assert encoder.unknown_words("a zombie " * 30 + "dragon") == []
    assert encoder.unknown_words("a dragon " * 30) == ["dragon"]


def test_no_word_is_unknown_to_a_tokenizer_that_spells(tiny_encoder_folder):
    encoder = Encoder.from_pretrained(tiny_encoder_folder)
    encoder._tokenizer.unk_token = encoder._tokenizer.eos_token  # as CLIP's own has it
    assert encoder.unknown_words("a blorb") == []


def test_the_vocabulary_comes_with_the_folder(copied_folder):
    assert Encoder.from_pretrained(copied_folder).vocabulary is None
    plain = {"domains": {"zombie": ["zombie", "undead person"]}, "attributes": {}}
    (copied_folder / "vocabulary.json").write_text(json.dumps(plain))
    assert Encoder.from_pretrained(copied_folder).vocabulary == {"zombie": ("zombie", "undead person")}


def test_words(encoder):
    assert {"a", "photo", "zombie"} < encoder.words and not {"[PAD]", "[UNK]", "dragon"} & encoder.words
    assert all(encoder.unknown_words(word) == [] for word in encoder.words)


def test_a_tokenizer_that_spells_has_no_list_of_words(copied_folder):
    characters = {character: index + 4 for index, character in enumerate("abcdefghijklmnopqrstuvwxyz")}
    tokenizer = json.loads((copied_folder / "tokenizer.json").read_text())
    special = {token: number for token, number in tokenizer["model"]["vocab"].items() if number < 4}
    tokenizer["model"] = {"type": "BPE", "vocab": special | characters, "merges": [], "unk_token": "[UNK]"}
    (copied_folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert Encoder.from_pretrained(copied_folder).words is None


@pytest.mark.parametrize("texts", ["a photo", []])
def test_texts_must_be_a_list(encoder, texts):
    with pytest.raises(InputError, match="expected a list"):
        encoder.encode_texts(texts)


def test_images_must_be_a_batch(encoder):
    with pytest.raises(ShapeError, match=r"\(N, 3, height, width\)"):
        encoder.encode_images(torch.zeros(3, 16, 16))


@pytest.mark.parametrize("name", ["nope", "no/such/folder", "/no/such", "./nope", ""])
def test_unknown_names_say_what_there_is(name):
    with pytest.raises(EncoderError, match=r"no encoder '.*': it is neither bundled .* nor a folder, nor a"):
        Encoder.from_pretrained(name if name else "?")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(EncoderError, match=r"has no config\.json"):
        Encoder.from_pretrained(tmp_path)


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def change_json(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_config(folder, **values):
    change_json(folder / "config.json", **values)


def change_text_config(folder, **values):
    text = json.loads((folder / "config.json").read_text())["text_config"]
    change_config(folder, text_config=text | values)


def change_processor(folder, **values):
    change_json(folder / "preprocessor_config.json", **values)


def change_weights(folder, value):
    weights = load_file(folder / "model.safetensors")
    weights["text_projection.weight"][0, 0] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def keep_tokens(folder, special=False, shift=0):
    """Leave only the special tokens of a tokenizer, or give the others further numbers."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokens = tokenizer["model"]["vocab"].items()
    kept = {token: number + shift * (number > 3) for token, number in tokens if number < 4 or not special}
    tokenizer["model"]["vocab"] = kept
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: change_config(f, model_type="bert"), "of type 'bert'; expected a CLIP"),
        (lambda f: (f / "config.json").write_text("{"), "the config.json of copy is not JSON"),
        (lambda f: (f / "model.safetensors").write_bytes(b"<html>"), "cannot load the encoder copy"),
        (lambda f: (f / "tokenizer.json").write_text("[]"), "cannot load the encoder copy"),
        (lambda f: (f / "preprocessor_config.json").unlink(), "has no preprocessor_config.json"),
        (lambda f: (f / "preprocessor_config.json").write_text("[]"), "holds a list"),
        (lambda f: (f / "preprocessor_config.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "guidance.json").write_text('{"edges": -1}'), "guidance.json of copy is not valid"),
        (lambda f: (f / "vocabulary.json").write_text("{}"), "vocabulary.json of copy is not valid"),
        (
            lambda f: (f / "vocabulary.json").write_text('{"domains": {"ink": []}}'),
            '"domains" with lists of phrases',
        ),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            r"only in pytorch_model.bin, a pickle; .* Expected model.safetensors: .*\(folder\) writes it",
        ),
        (lambda f: (f / "model.safetensors").unlink(), "copy has no model.safetensors"),
        (
            lambda f: (f / "model.safetensors").write_text(LFS),
            "the model.safetensors of copy is a Git LFS pointer",
        ),
        (lambda f: (f / "tokenizer.json").write_text(LFS), "the tokenizer.json of copy is a Git LFS pointer"),
        (lambda f: (f / "tokenizer.json").unlink(), "copy has no tokenizer; expected tokenizer.json"),
        (lambda f: keep_tokens(f, special=True), "all texts look the same to copy; expected the tokenizer"),
        (lambda f: change_text_config(f, eos_token_id=77), "all texts look the same to copy; .* end token"),
        (
            lambda f: keep_tokens(f, shift=1000),
            r"copy has \d+ tokens where its text model knows \d+; expected",
        ),
        (lambda f: change_weights(f, float("nan")), "copy has weights that are NaN or infinite in 1 of "),
        (
            lambda f: change_weights(f, float("inf")),
            "such as text_projection.weight; expected finite weights",
        ),
        (
            lambda f: change_processor(f, crop_size=8),
            "outputs 8 x 8 px where its vision transformer takes 16 x 16",
        ),
        (lambda f: change_processor(f, size=24, do_center_crop=False), "outputs 24 x 24 px where its"),
        (
            lambda f: change_processor(f, size={"height": 20, "width": 24}, do_center_crop=False),
            "outputs 24 x 20 px",
        ),
        (
            lambda f: change_processor(f, size=12),
            r"crop_size is \(16, 16\) where size is 12; expected a crop that fits",
        ),
    ],
)
def test_broken_folders_are_refused(copied_folder, damage, message):
    damage(copied_folder)
    with pytest.raises(EncoderError, match=message):
        Encoder.from_pretrained(copied_folder)


@pytest.mark.filterwarnings("ignore")
def test_missing_weights_are_refused(copied_folder):
    weights = load_file(copied_folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, copied_folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"lacks 1 weights, such as visual_projection\.weight"):
        Encoder.from_pretrained(copied_folder)


def test_code_in_a_folder_is_not_run(copied_folder, tmp_path):
    trace = tmp_path / "trace"
    (copied_folder / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Evil: pass\n")
    change_config(copied_folder, auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"})
    tokenizer = json.loads((copied_folder / "tokenizer_config.json").read_text())
    tokenizer["auto_map"] = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    (copied_folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    Encoder.from_pretrained(copied_folder)
    assert not trace.exists()
