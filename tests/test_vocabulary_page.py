"""The page on what the bundled encoders understand is what its script writes."""

import importlib.util
import re
from pathlib import Path

import pytest

import synthfaces
from synthfaces.captions import vocabulary

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("vocabulary_page", DOCS / "vocabulary.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    committed = (DOCS / "vocabulary.md").read_text(encoding="utf-8")
    assert committed == script.page(), "run: python docs/vocabulary.py"


def test_the_page_has_every_domain():
    page = (DOCS / "vocabulary.md").read_text(encoding="utf-8")
    for name, domain in synthfaces.DOMAINS.items():
        assert f"| `{name}` | {domain.family} | {', '.join(domain.phrases)}" in page


@pytest.mark.parametrize(
    "page", [DOCS.parent / "README.md", DOCS / "troubleshooting.md"], ids=lambda path: path.name
)
def test_other_pages_count_the_words_rightly(page):
    counts = re.findall(r"\[(\d+) words\]\(\S*vocabulary.md\)", page.read_text(encoding="utf-8"))
    assert {int(count) for count in counts} == {len(vocabulary())}
