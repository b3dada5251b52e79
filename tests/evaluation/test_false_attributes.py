"""What adapted faces have that the faces before had not."""

from __future__ import annotations

import math

import pytest
import torch

from domainvec.errors import InputError, ShapeError
from domainvec.evaluation import answer_kept, false_attributes

HEADS = {
    "medium": ("photo", "sketch"),
    "character": ("human", "zombie"),
    "mood": ("none", "night"),
    "glasses": ("none", "glasses", "sunglasses"),
    "smile": ("serious", "smiling"),
}


class Reader:
    """Reads what the first pixels say: the probabilities of glasses and of a smile."""

    heads = HEADS

    def attributes(self, images):
        glasses, smile = images[:, 0, 0, 0], images[:, 0, 0, 1]
        return {
            "glasses": torch.stack([1 - glasses, glasses * 0.6, glasses * 0.4], 1).log(),
            "smile": torch.stack([1 - smile, smile], 1).log(),
        }


def faces(*readings):
    images = torch.zeros(len(readings), 3, 4, 4)
    images[:, 0, 0, :2] = torch.tensor(readings)
    return images


BEFORE = faces((0.1, 0.9), (0.1, 0.1), (0.9, 0.9), (0.4, 0.5))


def ask(before, adapted, **options):
    return false_attributes(Reader(), before, adapted, absent={"glasses": "none"}, **options)


def test_nothing_is_false_of_the_faces_themselves():
    measured = ask(BEFORE, BEFORE)
    assert measured.share.value == 0 and measured.by_question == {"glasses": 0, "smile": 0}


def test_new_things_and_other_expressions_are_false():
    adapted = faces((0.9, 0.1), (0.1, 0.95), (0.1, 0.9), (0.9, 0.1))
    measured = ask(BEFORE, adapted)
    # The third lost its glasses, which is not false; of the fourth nobody was sure before.
    assert measured.by_question == {"glasses": 0.25, "smile": 0.5}
    assert measured.share.value == 0.5
    assert measured.share.low < 0.5 < measured.share.high
    assert ask(BEFORE, adapted, sure=0.6).by_question == {"glasses": 0.5, "smile": 0.5}
    assert ask(BEFORE, adapted, expressions=()).share.value == 0.25


def test_the_bundled_judge_knows_the_questions():
    from domainvec.evaluation import Judge

    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    measured = false_attributes(Judge.from_pretrained(), images, images)
    assert measured.by_question == {"glasses": 0, "hat": 0, "beard": 0, "smile": 0}


def test_arguments_are_checked(judge, images):
    with pytest.raises(InputError, match=r"the questions are \['shoes'\]; expected some of glasses, smile"):
        false_attributes(judge, images, images, absent={"shoes": "none"}, expressions=())
    with pytest.raises(InputError, match="the questions are"):
        false_attributes(judge, images, images, absent={}, expressions=())
    with pytest.raises(InputError, match="'no' is no answer to 'glasses'; expected one of none, glasses"):
        false_attributes(judge, images, images, absent={"glasses": "no"})
    with pytest.raises(InputError, match=r"sure is 0\.5; expected a probability above 0.5"):
        ask(BEFORE, BEFORE, sure=0.5)
    with pytest.raises(ShapeError, match="expected the same"):
        ask(BEFORE, BEFORE[:2])


def test_smiles_that_are_kept():
    adapted = faces((0.1, 0.6), (0.1, 0.9), (0.9, 0.1), (0.4, 0.9))
    assert answer_kept(Reader(), BEFORE, adapted, "smile", "smiling") == 0.5
    assert answer_kept(Reader(), BEFORE, adapted, "glasses", "none") == pytest.approx(1)
    assert math.isnan(answer_kept(Reader(), BEFORE, adapted, "glasses", "sunglasses"))
    for question, answer in (("smile", "sad"), ("shoes", "none")):
        with pytest.raises(InputError, match=f"no answer {answer!r} to {question!r}"):
            answer_kept(Reader(), BEFORE, adapted, question, answer)
