"""Guidance by a text: its settings and its losses."""

from __future__ import annotations

import json

import pytest
import torch
from guidance_toys import LinearEncoder, batch_of, pictures, text_terms, total
from torch.nn import functional as F

from domainvec.encoders.templates import compose
from domainvec.errors import InputError, ShapeError
from domainvec.guidance import (
    FACES,
    PUBLISHED,
    Augmentation,
    Guidance,
    Preservation,
    default_guidance,
    direction_loss,
    global_loss,
    in_domain_angle_loss,
)
from domainvec.guidance.text import directional_terms, embed_texts, mean_embedding, require_direction


def test_published_is_the_sum_of_the_papers_losses():
    encoder = LinearEncoder()
    adapted, source = pictures(1), pictures(2)
    terms = text_terms([encoder], PUBLISHED, ["a sketch"], adapted, source)
    images = encoder.encode_images(adapted), encoder.encode_images(source)
    texts = [encoder.encode_texts(compose(text, PUBLISHED.templates))[None] for text in ("sketch", "photo")]
    direction, angle = direction_loss(*images, *texts), in_domain_angle_loss(*images)
    torch.testing.assert_close(total(terms), direction + 0.5 * angle)
    torch.testing.assert_close(terms["direction"], (1.0, direction))
    torch.testing.assert_close(terms["in_domain_angle"], (0.5, angle))
    assert len(terms) == 2


def test_faces_has_every_term_and_weights_them():
    terms = text_terms([LinearEncoder()], FACES, ["a sketch"], pictures(1), pictures(2))
    elsewhere = ("l2", "keep", "attributes")  # which the session and the text's objective compute
    kept = {
        name: weight
        for name, weight in vars(FACES.preservation).items()
        if name not in elsewhere and "l2" not in name
    }
    weights = {"direction": FACES.direction, "global_text": FACES.global_text}
    weights |= {name: weight for name, weight in kept.items() if weight}
    assert {name: weight for name, (weight, _) in terms.items()} == weights


def test_two_equal_encoders_count_as_one():
    one, two = (
        text_terms([LinearEncoder()] * count, FACES, ["a sketch"], pictures(1), pictures(2))
        for count in (1, 2)
    )
    torch.testing.assert_close(one, two)


def test_encoders_and_views_are_averaged():
    encoders = [LinearEncoder(seed=0), LinearEncoder(seed=1)]
    guidance = Guidance(augmentation=Augmentation(), views=3, global_text=2.0, preservation=Preservation())
    ends = [
        tuple(embed_texts(each, [text], guidance.templates) for text in ("a sketch", "a photo"))
        for each in encoders
    ]
    batch = batch_of(encoders, guidance, pictures(1), pictures(2))
    directions, globals_ = [], []
    for index, (end, start) in enumerate(ends):
        for view, source in zip(batch.views(index), batch.source.views[index], strict=True):
            directions.append(direction_loss(view, source, end, start, shortest_shift=0.05))
            globals_.append(global_loss(view, end))
    assert len(directions) == 6
    terms = directional_terms(guidance, ends, batch)
    torch.testing.assert_close(terms["direction"], (1.0, torch.stack(directions).mean()))
    torch.testing.assert_close(terms["global_text"], (2.0, torch.stack(globals_).mean()))


def test_losses_depend_on_the_random_generator_alone():
    values = [
        total(text_terms([LinearEncoder()], FACES, ["a sketch"], pictures(1), pictures(2), seed=seed))
        for seed in (3, 3, 4)
    ]
    assert values[0] == values[1] != values[2]


def test_gradients_reach_the_adapted_images_only():
    adapted, source = pictures(1).mul(1.2).requires_grad_(True), pictures(2).requires_grad_(True)
    total(text_terms([LinearEncoder()], FACES, ["a sketch"], adapted, source)).backward()
    assert torch.isfinite(adapted.grad).all() and adapted.grad.any()
    assert source.grad is None


def test_the_first_step_has_a_moderate_gradient():
    source = pictures(2)
    adapted = source.clone().requires_grad_(True)
    terms = text_terms([LinearEncoder()], PUBLISHED, ["a sketch"], adapted, source)
    total(terms).backward()
    assert terms["direction"][1] == 1
    assert torch.isfinite(adapted.grad).all() and 0 < adapted.grad.norm() < 10


def test_several_texts_are_averaged_under_each_template():
    encoder = LinearEncoder()
    adapted, source = pictures(1), pictures(2)
    terms = text_terms([encoder], PUBLISHED, ["a sketch", "a drawing"], adapted, source)
    texts = {
        text: encoder.encode_texts(compose(text, PUBLISHED.templates))[None]
        for text in ("sketch", "drawing", "photo")
    }
    images = encoder.encode_images(adapted), encoder.encode_images(source)
    mean = (texts["sketch"] + texts["drawing"]) / 2
    torch.testing.assert_close(terms["direction"][1], direction_loss(*images, mean, texts["photo"]))


def test_the_mean_embedding_of_an_endpoint_has_unit_length():
    end = embed_texts(LinearEncoder(), ["a sketch"], ["{}", "a photo of {}"])
    assert end.shape == (1, 2, 12)
    torch.testing.assert_close(mean_embedding(end), F.normalize(end[0, 0] + end[0, 1], dim=0))


def test_templates_may_be_filled_verbatim():
    encoder, templates = LinearEncoder(), ["a photo of a {}.", "{}"]
    given = embed_texts(encoder, ["a Sketch"], templates, verbatim=True)[0]
    assert torch.equal(given, encoder.encode_texts(["a photo of a a Sketch.", "a Sketch"]))
    assert not torch.equal(given, embed_texts(encoder, ["a Sketch"], templates)[0])


def test_the_bound_of_short_shifts_is_the_guidances():
    encoder, source = LinearEncoder(), pictures(2)
    ends = [tuple(embed_texts(encoder, [text], PUBLISHED.templates) for text in ("a sketch", "a photo"))]
    lengths = []
    for shortest in (0.05, 0.5):
        adapted = source.clone().requires_grad_()
        guidance = Guidance(shortest_shift=shortest)
        terms = directional_terms(guidance, ends, batch_of([encoder], guidance, adapted, source))
        lengths.append(torch.autograd.grad(terms["direction"][1], adapted)[0].norm().item())
    assert lengths[0] == pytest.approx(10 * lengths[1], rel=1e-4)


def test_target_and_source_must_differ():
    encoder = LinearEncoder()
    ends = [tuple(embed_texts(encoder, [text], PUBLISHED.templates) for text in ("a photo", "the photo"))]
    said = "to the encoder linear the target 'a' and the source 'b' are the same text: there is no direction"
    with pytest.raises(InputError, match=said):
        require_direction([encoder], ends, "'a'", "'b'", "text")
    other = embed_texts(encoder, ["a sketch"], PUBLISHED.templates)
    require_direction([encoder], [(other, ends[0][1])], "'a'", "'b'", "text")


def test_batches_of_other_sizes_are_refused():
    with pytest.raises(ShapeError, match="at least 2 samples"):
        text_terms([LinearEncoder()], PUBLISHED, ["a sketch"], pictures(1, 1), pictures(2, 1))
    with pytest.raises(ShapeError, match="source has shape"):
        text_terms([LinearEncoder()], PUBLISHED, ["a sketch"], pictures(1, 3), pictures(2, 4))
    with pytest.raises(InputError, match="the prompt ' ' names nothing"):
        text_terms([LinearEncoder()], PUBLISHED, [" "], pictures(1), pictures(2))


def test_default_guidance_is_the_encoders():
    assert default_guidance([LinearEncoder()]) is PUBLISHED
    assert default_guidance([]) is PUBLISHED
    assert default_guidance([LinearEncoder("a", guidance=FACES), LinearEncoder("b", guidance=FACES)]) == FACES
    with pytest.raises(InputError, match=r"\['a', 'b'\] suit different guidance; pass guidance="):
        default_guidance([LinearEncoder("a", guidance=FACES), LinearEncoder("b")])


@pytest.mark.parametrize("preset", [PUBLISHED, FACES])
def test_presets_survive_json(preset):
    assert Guidance.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


def test_published_has_the_papers_losses():
    assert (PUBLISHED.direction, PUBLISHED.global_text) == (1.0, 0)
    assert PUBLISHED.preservation == Preservation(in_domain_angle=0.5)
    assert PUBLISHED.augmentation is None
    assert len(set(PUBLISHED.templates)) == 79


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"global_text": -1.0}, "global_text is -1.0; expected a finite number, 0 or more"),
        ({"direction": float("nan")}, "direction is nan"),
        ({"direction": 0.0}, "direction and global_text are both 0"),
        ({"views": 0}, "views is 0"),
        ({"views": 2}, "need an augmentation"),
        ({"independent_views": True}, "need an augmentation"),
        ({"shortest_shift": 0.0}, "shortest_shift is 0.0; expected a number above 0"),
        ({"shortest_shift": float("inf")}, "shortest_shift is inf"),
        ({"templates": ()}, "templates are"),
        ({"templates": ("no place",)}, "'no place' must have exactly one {}"),
    ],
)
def test_values_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        Guidance(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"direktion": 1}, r"guidance has unknown values \['direktion'\]; known are \['direction'"),
        ({"augmentation": {"zoom": 1}}, r"augmentation has unknown values \['zoom'\]"),
        ({"augmentation": 3}, "augmentation is 3; expected an object with named values"),
        (
            {"preservation": {"tones": 1}},
            r"preservation has unknown values \['tones'\]; known are \['in_domain",
        ),
        ({"preservation": [1]}, r"preservation is \[1\]; expected an object with named values"),
        ({"preservation": {"edges": "much"}}, "edges is 'much', of the wrong type"),
        ({"preservation": {"edges": -1}}, "edges is -1; expected a finite number, 0 or more"),
        ({"direction": "much"}, "wrong type"),
        ({"augmentation": {"crop": 3}}, "wrong type"),
        ([1], "expected an object with named values"),
    ],
)
def test_foreign_values_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Guidance.from_dict(values)


def test_lists_become_tuples():
    guidance = Guidance.from_dict(
        {
            "templates": ["{}"],
            "views": 1,
            "augmentation": {"crop": [0.5, 1.0]},
            "preservation": {"edges": 2.0},
        }
    )
    assert guidance.templates == ("{}",)
    assert guidance.augmentation == Augmentation(crop=(0.5, 1.0))
    assert guidance.preservation == Preservation(edges=2.0)
    hash(guidance)
