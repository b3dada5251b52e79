"""The result of an adaptation, and its files."""

from __future__ import annotations

import json

import pytest
from PIL import Image

import domainvec as dv
from domainvec.adaptation import Plateau
from domainvec.errors import InputError

QUICK = {"steps": 6, "batch_size": 2}


def test_a_result_is_saved_as_domain_picture_and_record(tmp_path, generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", **QUICK)
    assert result.stopped is None and result.measured is None
    result.save(tmp_path / "out" / "red.safetensors")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "red.json",
        "red.png",
        "red.safetensors",
    ]
    record = json.loads((tmp_path / "out" / "red.json").read_text())
    assert record["history"] == result.history and record["domain"] == result.domain.metadata
    assert record["size"] == 5 * 8 and record["seconds"] == result.seconds
    assert "stopped" not in record and "measured" not in record
    with Image.open(tmp_path / "out" / "red.png") as picture:
        assert picture.width > picture.height > 4 * 128
    with pytest.raises(InputError, match="safetensors"):
        result.save(tmp_path / "red.png")


def test_the_record_says_why_the_training_ended(tmp_path, generator, encoder) -> None:
    training = dv.Training(plateau=Plateau(every=1, patience=1, least_gain=1.0), steps=12, batch_size=2)
    session = dv.Session(generator, encoder, dv.Text("red"), training=training)
    for _ in session:
        pass
    result = session.result()
    result.save(tmp_path / "red.safetensors")
    record = json.loads((tmp_path / "red.json").read_text())
    assert record["stopped"] == result.stopped and "quality has not improved since" in result.stopped
    assert record["measured"] == result.measured
    assert [each["step"] for each in record["measured"]["curve"]] == list(range(len(result.history) + 1))


def test_names_that_are_no_text_do_not_cost_the_record(tmp_path, generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", steps=2, batch_size=2, metadata={"generator": "g\udcff"})
    result.save(tmp_path / "red.safetensors")
    assert json.loads((tmp_path / "red.json").read_text())["domain"]["generator"] == "g?"
