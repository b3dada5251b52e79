"""Write `vocabulary.md`, what the bundled encoders understand, from the grammar that taught them.

python docs/vocabulary.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import synthfaces
from domainvec.files import atomic_path
from synthfaces.captions import describe_vocabulary, vocabulary

PAGE = Path(__file__).with_suffix(".md")
COMPOSED = ("pencil_sketch+zombie", "zombie+sepia", "oil_painting+night", "mosaic+elf+comic")
EXAMPLES = ("photo", "pencil_sketch", "night", "zombie", *COMPOSED)
PER_EXAMPLE = 6


def page() -> str:
    """The whole page."""
    described = describe_vocabulary()
    domains = _table(
        ("domain", "family", "say one of"),
        (
            (f"`{name}`", synthfaces.DOMAINS[name].family, ", ".join(phrases))
            for name, phrases in described["domains"].items()
        ),
    )
    attributes = _table(
        ("of a face", "say one of"),
        ((name, ", ".join(words)) for name, words in described["attributes"].items()),
    )
    examples = _table(
        ("domain", "captions"), ((f"`{name}`", "<br>".join(_captions(name))) for name in EXAMPLES)
    )
    composed = synthfaces.compositions()
    alone = [name for name in synthfaces.DOMAINS if not any(name in parts.split("+") for parts in composed)]
    return f"""# What the bundled encoders understand

`faces-clip` and `faces-clip-robust` are small: they were taught the {len(vocabulary())} words of the captions
of the synthetic faces, and no others. With these they follow synonyms, word orders and compositions.
This page is written from the grammar that taught them, by `python docs/vocabulary.py`;
`domainvec words` lists the same in a terminal.

## Domains

{domains}

The first phrase of each is the one that was taught most.

## Compositions

A medium, a character and a mood go together, at most one of each, in {len(composed)} ways: "a pencil sketch
of a zombie", "a sepia photo of an elf", "a moonlit oil painting of a robot". A mood also stands in front of a
medium ("a vintage pencil sketch") or behind all else ("a zombie drawn in pencil, at night"). These do not
compose: {", ".join(f"`{name}`" for name in alone)}.

## Faces

{attributes}

They are put together as in "a smiling old woman with curly grey hair and glasses". Captions name only what a
picture shows: no colour of hair or eyes in a pencil sketch, no smile of a robot.

## Sentences

{examples}

## What they do not understand

- Any other word. It is ignored, with a warning, and a text without a known word is refused.
  `encoder.unknown_words(text)` lists them beforehand.
- Negation, numbers and comparisons: "without glasses" means glasses.
- Backgrounds, clothes, light, poses, children, animals, places, names of persons.
- Other languages.
- Photographs: they have only ever seen drawings of 64 px.

## Any words: the real CLIP

CLIP was trained on 400 million pictures of the web and their captions, and reads any English text. It is not
bundled (about 600 MB, downloaded once from the Hugging Face hub). It suits generators of photographs better
than the drawn faces.

```sh
domainvec adapt --to "a dragon in watercolor" --encoder openai/clip-vit-base-patch32 -o out/dragon.safetensors
```

```python
import domainvec as dv

generator = dv.Generator.from_pretrained("faces")
encoder = dv.Encoder.from_pretrained("openai/clip-vit-base-patch32")
result = dv.adapt(generator, encoder, "a dragon in watercolor")
```
"""


def _captions(name: str) -> list[str]:
    texts = (synthfaces.caption(synthfaces.sample(0, index), name, index) for index in range(40))
    return list(dict.fromkeys(texts))[:PER_EXAMPLE]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    with atomic_path(PAGE) as path:
        path.write_text(page(), encoding="utf-8")
