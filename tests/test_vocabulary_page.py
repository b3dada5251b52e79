"""The page on what the bundled encoders understand is what its script writes."""

import importlib.util
from pathlib import Path

import synthfaces

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
