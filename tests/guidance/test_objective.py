from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from domainvec.encoders.templates import compose
from domainvec.errors import InputError, ShapeError
from domainvec.guidance import (
    FACES,
    PUBLISHED,
    Guidance,
    Objective,
    default_guidance,
    direction_loss,
    in_domain_angle_loss,
)


class LinearEncoder:
    """Random projections: of pictures by pixels, of texts by letters."""

    def __init__(self, name="linear", seed=0, guidance=None):
        generator = torch.Generator().manual_seed(seed)
        self.name, self.guidance = name, guidance
        self.images = torch.randn(3 * 32 * 32, 12, generator=generator)
        self.letters = torch.randn(128, 12, generator=generator)
        self.batches = []

    def encode_images(self, images):
        self.batches.append(len(images))
        return F.normalize(images.flatten(1) @ self.images, dim=-1)

    def encode_texts(self, texts):
        rows = [self.letters[torch.tensor([ord(letter) for letter in text])].sum(dim=0) for text in texts]
        return F.normalize(torch.stack(rows), dim=-1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(seed, count=3):
    return torch.rand(count, 3, 32, 32, generator=seeded(seed)) * 2 - 1


L2 = torch.tensor(0.3)


def test_published_is_the_sum_of_the_papers_losses():
    encoder = LinearEncoder()
    adapted, source = pictures(1), pictures(2)
    loss, terms = Objective([encoder], PUBLISHED, "a sketch", "a photo")(adapted, source, generator=seeded())
    images = encoder.encode_images(adapted), encoder.encode_images(source)
    texts = [encoder.encode_texts(compose(text, PUBLISHED.templates))[None] for text in ("sketch", "photo")]
    direction, angle = direction_loss(*images, *texts), in_domain_angle_loss(*images)
    torch.testing.assert_close(loss, direction + 0.5 * angle)
    torch.testing.assert_close(terms, {"direction": direction, "in_domain_angle": angle}, check_device=False)


def test_faces_has_every_term_and_weights_them():
    objective = Objective([LinearEncoder()], FACES, "a sketch", "a photo")
    loss, terms = objective(pictures(1), pictures(2), generator=seeded(), domain_l2=L2)
    assert set(terms) == {
        "direction", "global_text", "in_domain_angle", "edges", "tones", "changed", "chroma",
        "out_of_range", "l2",
    }  # fmt: skip
    assert not any(term.requires_grad for term in terms.values())
    torch.testing.assert_close(loss, sum(getattr(FACES, name) * term for name, term in terms.items()))


def test_two_equal_encoders_count_as_one():
    one = Objective([LinearEncoder()], FACES, "a sketch", "a photo")
    two = Objective([LinearEncoder(), LinearEncoder()], FACES, "a sketch", "a photo")
    arguments = {"domain_l2": L2}
    a, _ = one(pictures(1), pictures(2), generator=seeded(), **arguments)
    b, _ = two(pictures(1), pictures(2), generator=seeded(), **arguments)
    torch.testing.assert_close(a, b)


def test_pictures_guide_as_a_text_does():
    encoder, unseen = LinearEncoder(), replace(PUBLISHED, global_text=1.0)
    few, drawn = pictures(3, 5), pictures(4, 40)
    objective = Objective([encoder], unseen, few, drawn)
    ends = [F.normalize(encoder.encode_images(each).mean(dim=0), dim=0) for each in (few, drawn)]
    torch.testing.assert_close(objective.targets, ends[:1])
    adapted, source = pictures(1), pictures(2)
    _, terms = objective(adapted, source, generator=seeded())
    texts = [end[None, None] for end in ends]
    direction = direction_loss(encoder.encode_images(adapted), encoder.encode_images(source), *texts)
    torch.testing.assert_close(terms["direction"], direction)
    with pytest.raises(InputError, match=r"of 3 pictures .* are the same pictures"):
        Objective([encoder], unseen, pictures(1), pictures(1))


def test_a_call_depends_on_its_generator_alone():
    objective = Objective([LinearEncoder()], FACES, "a sketch", "a photo")
    values = [
        objective(pictures(1), pictures(2), generator=seeded(seed), domain_l2=L2)[0] for seed in (3, 3, 4)
    ]
    assert values[0] == values[1] != values[2]


def test_gradients_reach_the_adapted_pictures_only():
    adapted, source = pictures(1).mul(1.2).requires_grad_(True), pictures(2).requires_grad_(True)
    objective = Objective([LinearEncoder()], FACES, "a sketch", "a photo")
    objective(adapted, source, generator=seeded(), domain_l2=L2)[0].backward()
    assert torch.isfinite(adapted.grad).all() and adapted.grad.any()
    assert source.grad is None


def test_the_first_step_has_a_moderate_gradient():
    source = pictures(2)
    adapted = source.clone().requires_grad_(True)
    objective = Objective([LinearEncoder()], PUBLISHED, "a sketch", "a photo")
    loss, terms = objective(adapted, source, generator=seeded())
    loss.backward()
    assert terms["direction"] == 1
    assert torch.isfinite(adapted.grad).all() and 0 < adapted.grad.norm() < 10


def test_shared_views_of_equal_pictures_are_equal():
    shared = replace(FACES, independent_views=False, in_domain_angle=0)
    objective = Objective([LinearEncoder()], shared, "a sketch", "a photo")
    _, terms = objective(pictures(1), pictures(1), generator=seeded(), domain_l2=L2)
    assert terms["direction"] == 1
    apart = Objective([LinearEncoder()], FACES, "a sketch", "a photo")
    _, terms = apart(pictures(1), pictures(1), generator=seeded(), domain_l2=L2)
    assert terms["direction"] != 1


def test_several_targets_are_averaged_under_each_template():
    encoder = LinearEncoder()
    adapted, source = pictures(1), pictures(2)
    objective = Objective([encoder], PUBLISHED, ["a sketch", "a drawing"], "a photo")
    _, terms = objective(adapted, source, generator=seeded())
    texts = {
        text: encoder.encode_texts(compose(text, PUBLISHED.templates))[None]
        for text in ("sketch", "drawing", "photo")
    }
    images = encoder.encode_images(adapted), encoder.encode_images(source)
    mean = (texts["sketch"] + texts["drawing"]) / 2
    torch.testing.assert_close(terms["direction"], direction_loss(*images, mean, texts["photo"]))
    alone = Objective([encoder], PUBLISHED, ["a sketch"], "a photo")(adapted, source, generator=seeded())
    single = Objective([encoder], PUBLISHED, "a sketch", "a photo")(adapted, source, generator=seeded())
    assert torch.equal(alone[0], single[0])


def test_whole_pictures_are_encoded_only_for_the_angle():
    encoder = LinearEncoder()
    for angle, expected in ((1.0, 9), (0.0, 6)):
        objective = Objective([encoder], replace(FACES, in_domain_angle=angle), "a sketch", "a photo")
        encoder.batches.clear()
        objective(pictures(1), pictures(2), generator=seeded(), domain_l2=L2)
        assert encoder.batches == [expected, expected]


def test_default_guidance_is_the_encoders():
    assert default_guidance([LinearEncoder()]) is PUBLISHED
    assert default_guidance([LinearEncoder("a", guidance=FACES), LinearEncoder("b", guidance=FACES)]) == FACES
    with pytest.raises(InputError, match=r"\['a', 'b'\] suit different guidance; pass guidance="):
        default_guidance([LinearEncoder("a", guidance=FACES), LinearEncoder("b")])


def test_mistakes_are_named():
    with pytest.raises(InputError, match="got no encoder"):
        Objective([], PUBLISHED, "a sketch", "a photo")
    with pytest.raises(InputError, match="'a photo' and the source 'the photo' are the same text"):
        Objective([LinearEncoder()], PUBLISHED, "a photo", "the photo")
    with pytest.raises(InputError, match="got no target"):
        Objective([LinearEncoder()], PUBLISHED, [], "a photo")
    with pytest.raises(InputError, match="'a photo / the photo' and the source 'photo' are the same text"):
        Objective([LinearEncoder()], PUBLISHED, ["a photo", "the photo"], "photo")
    with pytest.raises(InputError, match="the prompt ' ' names nothing"):
        Objective([LinearEncoder()], PUBLISHED, " ", "a photo")
    objective = Objective([LinearEncoder()], Guidance(l2=1.0), "a sketch", "a photo")
    with pytest.raises(InputError, match="pass domain_l2"):
        objective(pictures(1), pictures(2), generator=seeded())
    objective = Objective([LinearEncoder()], PUBLISHED, "a sketch", "a photo")
    with pytest.raises(ShapeError, match="at least 2 samples"):
        objective(pictures(1, 1), pictures(2, 1), generator=seeded())
    with pytest.raises(ShapeError, match="source has shape"):
        objective(pictures(1, 3), pictures(2, 4), generator=seeded())
