from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from domainvec.errors import InputError, ShapeError
from domainvec.guidance import FACES, Guidance, Preservation
from domainvec.guidance.attributes import (
    GROUPS,
    AttributeGroup,
    AttributeReader,
    attribute_loss,
    contrast,
    find_group,
)
from domainvec.guidance.preservation import DEFAULT_ATTRIBUTES


class LinearEncoder:
    """Random projections: of pictures by pixels, of texts by letters."""

    guidance = None

    def __init__(self, name="linear", seed=0):
        generator = seeded(seed)
        self.name = name
        self.images = torch.randn(3 * 32 * 32, 12, generator=generator)
        self.letters = torch.randn(128, 12, generator=generator)

    def encode_images(self, images):
        return F.normalize(images.flatten(1) @ self.images, dim=-1)

    def encode_texts(self, texts):
        rows = [self.letters[torch.tensor([ord(letter) for letter in text])].sum(dim=0) for text in texts]
        return F.normalize(torch.stack(rows), dim=-1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(seed, count=3):
    return torch.rand(count, 3, 32, 32, generator=seeded(seed)) * 2 - 1


SCARF = AttributeGroup("a scarf", (("{}",), ("{} with a scarf",)))


def test_the_loss_is_the_divergence_from_the_source(normal):
    target, source = normal(5, 3), normal(5, 3, seed=1)
    p, q = source.softmax(1), target.softmax(1)
    expected = (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(attribute_loss(target, source), expected)
    # Probabilities are compared, and not logits.
    assert attribute_loss(source + 7, source).item() == pytest.approx(0, abs=1e-6)


def test_the_loss_pulls_the_target_alone(normal):
    target, source = normal(5, 3).requires_grad_(), normal(5, 3, seed=1)
    attribute_loss(target, source).backward()
    torch.testing.assert_close(target.grad, (target.detach().softmax(1) - source.softmax(1)) / 5)


@pytest.mark.parametrize(
    ("target", "source"), [((5, 3), (5, 2)), ((0, 3), (0, 3)), ((5, 1), (5, 1)), ((3,), (3,))]
)
def test_the_loss_checks_shapes(target, source):
    with pytest.raises(ShapeError, match="expected"):
        attribute_loss(torch.zeros(target), torch.zeros(source))


def test_contrast_is_the_mean_distance(normal):
    classes = normal(4, 6)
    torch.testing.assert_close(contrast(classes), torch.pdist(classes).mean())


def test_groups_say_what_people_look_like():
    assert GROUPS["glasses"].answers[1] == (
        "{} of a person with glasses",
        "{} of a man with glasses",
        "{} of a woman with glasses",
    )
    assert GROUPS["age"].answers[1][0] == "{} of an old person"
    assert all(name == group.name for name, group in GROUPS.items())


@pytest.mark.parametrize(
    ("words", "name"), [("glasses", "glasses"), ("Hat", "hat"), ("a hat", "hat"), (" moustache ", "beard")]
)
def test_words_choose_a_group(words, name):
    assert find_group(words) is GROUPS[name]


def test_other_words_make_a_group():
    assert find_group("a scarf") == SCARF


@pytest.mark.parametrize("words", ["", "  ", "a {}"])
def test_words_have_to_say_something(words):
    with pytest.raises(InputError, match="names nothing to keep"):
        find_group(words)


@pytest.mark.parametrize("answers", [(("{}",),), (("{}",), ())])
def test_a_group_has_answers(answers):
    with pytest.raises(InputError, match="at least two"):
        AttributeGroup("nothing", answers)


class Reader:
    """Says how much of a scarf there is in photos, at a greater contrast than in sketches."""

    def __init__(self, contrast):
        self.contrast = contrast

    def encode_texts(self, texts):
        rows = []
        for text in texts:
            angle = ("scarf" in text) * (1.0 if "photo" in text else self.contrast)
            rows.append(torch.tensor([angle, 1.0 - angle, float("sketch" in text)]))
        return F.normalize(torch.stack(rows), dim=1)


def test_sources_are_read_at_the_contrast_of_the_target():
    reading = AttributeReader(Reader(0.2), [SCARF], ["a sketch"], "a photo")
    before, after = (Reader(0.2).encode_texts([f"a {x}", f"a {x} with a scarf"]) for x in ("photo", "sketch"))
    ratio = (contrast(after) / contrast(before)).item()
    assert reading.ratios == {"a scarf": pytest.approx(ratio)} and 0 < ratio < 0.5
    target, source = F.normalize(torch.eye(3) + 0.3, dim=1), F.normalize(torch.eye(3) - 0.1, dim=1)
    expected = attribute_loss(30 * target @ after.T, 30 * ratio * source @ before.T)
    torch.testing.assert_close(reading.loss(target, source), expected)


def test_what_the_target_does_not_tell_asks_for_nothing():
    reading = AttributeReader(Reader(0.0), [SCARF], ["a sketch"], "a photo")
    target = F.normalize(torch.eye(3) + 0.3, dim=1).requires_grad_()
    loss = reading.loss(target, F.normalize(torch.eye(3) - 0.1, dim=1))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and target.grad.abs().max() < 1e-5


def test_several_targets_and_groups_are_averaged():
    encoder, target, source = LinearEncoder(), pictures(1), pictures(2)
    images = encoder.encode_images(target), encoder.encode_images(source)
    groups = [GROUPS["glasses"], SCARF]
    both = AttributeReader(encoder, groups, ["a sketch", "an etching"], "a photo")
    each = [
        AttributeReader(encoder, [group], ["a sketch", "an etching"], "a photo").loss(*images)
        for group in groups
    ]
    torch.testing.assert_close(both.loss(*images), torch.stack(each).mean())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keep": "glasses", "attributes": 1.0}, r"keep is 'glasses'; expected words in a list"),
        ({"keep": ("",), "attributes": 1.0}, "names nothing to keep"),
        ({"keep": ("glasses",)}, r"attributes is 0.0 and keep is \['glasses'\]"),
        ({"attributes": 1.0}, r"attributes is 1.0 and keep is \[\]"),
    ],
)
def test_a_weight_needs_words_and_words_a_weight(values, message):
    with pytest.raises(InputError, match=message):
        Preservation(**values)


def test_what_is_kept_survives_json():
    guidance = replace(FACES, preservation=Preservation(keep=("glasses", "a scarf"), attributes=2.0))
    assert Guidance.from_dict(guidance.to_dict()) == guidance and hash(guidance)


def test_words_replace_what_is_kept():
    assert Preservation().keeping(["glasses"]) == Preservation(
        keep=("glasses",), attributes=DEFAULT_ATTRIBUTES
    )
    weighted = Preservation(keep=("hat",), attributes=2.0)
    assert weighted.keeping(["a scarf"]) == Preservation(keep=("a scarf",), attributes=2.0)
    assert weighted.keeping([]) == Preservation()
    with pytest.raises(InputError, match="expected words in a list"):
        Preservation().keeping("glasses")
