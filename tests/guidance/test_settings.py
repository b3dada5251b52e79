from __future__ import annotations

import json

import pytest

from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED, Augmentation, Guidance


@pytest.mark.parametrize("preset", [PUBLISHED, FACES])
def test_presets_survive_json(preset):
    assert Guidance.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


def test_published_is_the_papers():
    assert (PUBLISHED.direction, PUBLISHED.in_domain_angle) == (1.0, 0.5)
    assert PUBLISHED.augmentation is None
    assert len(set(PUBLISHED.templates)) == 79
    others = (PUBLISHED.global_text, PUBLISHED.edges, PUBLISHED.chroma, PUBLISHED.out_of_range, PUBLISHED.l2)
    assert others == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"edges": -1.0}, "edges is -1.0; expected a finite number, 0 or more"),
        ({"l2": float("nan")}, "l2 is nan"),
        ({"direction": 0.0}, "direction and global_text are both 0"),
        ({"views": 0}, "views is 0"),
        ({"views": 2}, "need an augmentation"),
        ({"independent_views": True}, "need an augmentation"),
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
        ({"direktion": 1}, r"unknown values \['direktion'\]; known are \['direction'"),
        ({"augmentation": {"zoom": 1}}, r"augmentation has unknown values \['zoom'\]"),
        ({"augmentation": 3}, "expected an object with named values"),
        ({"direction": "much"}, "wrong type"),
        ({"augmentation": {"crop": 3}}, "wrong type"),
        ([1], "expected an object with named values"),
    ],
)
def test_foreign_values_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Guidance.from_dict(values)


def test_lists_become_tuples():
    guidance = Guidance.from_dict({"templates": ["{}"], "views": 1, "augmentation": {"crop": [0.5, 1.0]}})
    assert guidance.templates == ("{}",)
    assert guidance.augmentation == Augmentation(crop=(0.5, 1.0))
    hash(guidance)
