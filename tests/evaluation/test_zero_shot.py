from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from domainvec.encoders import Encoder
from domainvec.encoders.templates import FACE_TEMPLATES, compose
from domainvec.errors import InputError
from domainvec.evaluation import ZeroShotClassifier, pgd_attack


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder):
    return Encoder.from_pretrained(tiny_encoder_folder)


def test_classes_are_mean_embeddings(encoder, images):
    texts = {"sketch": ["a pencil sketch", "a sketch"], "zombie": ["a zombie"]}
    zero_shot = ZeroShotClassifier(encoder, texts)
    assert zero_shot.names == ("sketch", "zombie")
    expected = F.normalize(encoder.encode_texts(texts["sketch"]).mean(0), dim=0)
    torch.testing.assert_close(zero_shot.classes[0], expected)
    torch.testing.assert_close(zero_shot(images), 30 * encoder.encode_images(images) @ zero_shot.classes.T)
    torch.testing.assert_close(zero_shot.logits(encoder.encode_images(images)), zero_shot(images))


def test_phrases_are_inserted_into_templates(encoder):
    by_phrase = ZeroShotClassifier.from_phrases(encoder, {"sketch": "pencil sketch"})
    by_texts = ZeroShotClassifier(encoder, {"sketch": compose("pencil sketch", FACE_TEMPLATES)})
    torch.testing.assert_close(by_phrase.classes, by_texts.classes)


def test_zero_shot_classifiers_can_be_attacked(encoder, images):
    zero_shot = ZeroShotClassifier.from_phrases(encoder, {"sketch": "pencil sketch", "zombie": "zombie"})
    labels = zero_shot(images).argmax(1)
    moved = pgd_attack(zero_shot, images, labels, l2_radius=2.0)
    assert F.cross_entropy(zero_shot(moved), labels) > F.cross_entropy(zero_shot(images), labels)


def test_classes_are_needed(encoder):
    with pytest.raises(InputError, match="no classes"):
        ZeroShotClassifier(encoder, {})
    with pytest.raises(InputError, match="expected a list of one or more strings"):
        ZeroShotClassifier(encoder, {"zombie": []})
