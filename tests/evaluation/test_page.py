from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
import torch
from PIL import Image

from domainvec.evaluation import DomainMetrics, Estimate, Evaluation, render_page

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\u202e\ud800"
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "figure"),
    *("figcaption", "img", "table", "thead", "tbody", "tr", "th", "td", "b", "small", "dl", "dt", "dd"),
    *("details", "summary", "pre", "footer"),
}


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def row(name="sketch", count=16, **changes):
    metrics = DomainMetrics(
        name=name,
        target=("a sketch",),
        parameters=2511,
        nonzero=1000,
        bytes=7518,
        seconds=0.0111,
        values={"quality": Estimate(0.31234, 0.3, 0.32), "frechet": Estimate(1234.5, 1234.5, 1234.5)},
        before={"quality": 0.2, "frechet": 2000.0},
        seen_as={"pencil_sketch": 0.75},
        identity_by_question={},
        report=None,
        guided_by_encoder=False,
        notes=("look out",),
        metadata={"target": "a sketch", "steps": 160},
        images=torch.randint(0, 255, (count, 3, 64, 64), dtype=torch.uint8),
    )
    return replace(metrics, **changes)


def evaluation(*rows, **changes):
    made = Evaluation(
        domains=rows or (row(),),
        settings={
            "generator": "faces",
            "generator_fingerprint": "0123",
            "resolution": 64,
            "samples": 16,
            "encoder": None,
            "templates": ["{}"] * 9,
            "reference": "drawings",
            "version": "0.1.0",
        },
        notes=("LPIPS was left out",),
        skipped={"notes.txt": "no picture"},
        before=torch.randint(0, 255, (16, 3, 64, 64), dtype=torch.uint8),
    )
    return replace(made, **changes)


def test_the_page_shows_the_evaluation():
    text = Reader(render_page(evaluation())).text
    for said in (
        *(
            "“a sketch”",
            "16 images",
            "2,511",
            "1,000 not zero",
            "7.5 kB",
            "11 ms",
            "0.312",
            "0.300 to 0.320",
        ),
        *("before 0.200", "1,234.5", "before 2,000.0", "pencil_sketch 75%", "look out", "LPIPS was left out"),
        *(
            "Skipped notes.txt: no picture",
            "higher is better",
            "(9)",
            "0123",
            "domainvec 0.1.0",
            '"steps": 160',
        ),
    ):
        assert said in text, said
    assert "renderings" not in text  # without a ground truth


def test_cells_carry_their_titles_so_that_rows_can_wrap_on_narrow_screens():
    page = render_page(evaluation(row("a"), row("b")))
    titles = [attributes["data-title"] for tag, attributes in Reader(page).tags if tag == "td"]
    expected = ["Domain", "Parameters", "File", "Per image", "Quality", "Fréchet distance", "Classified as"]
    assert titles == 2 * expected
    assert "repeat(auto-fill,minmax(" in page and "nowrap" not in page and "<th" not in page


def test_images_are_embedded():
    grey = torch.full((16, 3, 64, 64), 128, dtype=torch.uint8)
    page = Reader(render_page(evaluation(row(images=grey), before=grey)))
    sources = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(sources) == 4  # before and after, eight and eight
    many = evaluation(row("a-b", renderings=grey), row("c"), row("d"), row("e"), row("f"), reference=grey)
    page = Reader(render_page(many))
    labels = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert labels[:3] == ["before", "a-b", "renderings for a-b"]
    assert labels[-1] == "from the reference folder drawings"
    assert "a b, c, d and 2 more" in page.text and "Chosen" in render_page(many, title="Chosen")
    for source in sources:
        head, data = source.split(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(BytesIO(base64.b64decode(data))).size == (8 * 164 - 4, 160)


def test_untrusted_text_is_escaped():
    hostile = row(
        name=HOSTILE,
        target=(HOSTILE,),
        notes=(HOSTILE,),
        seen_as={HOSTILE: 1.0},
        metadata={HOSTILE: [HOSTILE], "nested": {"x": HOSTILE}},
    )
    page = render_page(
        evaluation(hostile, hostile, skipped={HOSTILE: HOSTILE}, notes=(HOSTILE,)), title=HOSTILE
    )
    tags = Reader(page).tags
    assert {tag for tag, _ in tags} <= ALLOWED
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert all(a["src"].startswith("data:image/jpeg;base64,") for tag, a in tags if tag == "img")
    assert not re.search("[\x1b\u202e\ud800]", page)
    page.encode("utf-8")


def test_scripts_and_external_resources_are_forbidden():
    page = render_page(evaluation())
    policy = next(a["content"] for _, a in Reader(page).tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert not re.search(r"https?:|@import|url\(", page)


@pytest.mark.parametrize("count", [1, 9, 60])
def test_the_page_is_small(count):
    about = {"target": "<😀&>" * 20_000}  # which grows when it is escaped
    page = render_page(evaluation(*(row(f"domain {index}", metadata=about) for index in range(count))))
    assert len(page.encode()) < 1_000_000
    images = page.count("<img ")
    assert (
        images == (4 if count == 1 else count + 1) or f"{count + 1 - images} more rows are not shown" in page
    )


def test_deeply_nested_metadata():
    deep: dict = {}
    for _ in range(100_000):
        deep = {"x": deep}
    assert "too deeply nested" in render_page(evaluation(row(metadata=deep)))
    while deep:  # so that it is not freed in as many recursions
        deep = deep.popitem()[1]
