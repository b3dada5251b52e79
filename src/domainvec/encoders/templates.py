"""Sentences to set a prompt in, so that guidance follows its meaning and not one wording."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domainvec.errors import InputError

GENERAL_TEMPLATES: tuple[str, ...] = (
    "a photo of {}.",
    "a photo of the {}.",
    "a photo of one {}.",
    "a photo of many {}.",
    "a photo of my {}.",
    "a photo of some {}.",
    "a good photo of {}.",
    "a good photo of the {}.",
    "a bad photo of {}.",
    "a bad photo of the {}.",
    "a clear photo of {}.",
    "a clear photo of the {}.",
    "a blurry photo of {}.",
    "a blurry photo of the {}.",
    "a bright photo of {}.",
    "a bright photo of the {}.",
    "a dark photo of {}.",
    "a dark photo of the {}.",
    "a sharp photo of {}.",
    "a grainy photo of {}.",
    "a noisy photo of the {}.",
    "a faded photo of {}.",
    "a colourful photo of {}.",
    "a black and white photo of {}.",
    "a black and white photo of the {}.",
    "a small photo of {}.",
    "a large photo of the {}.",
    "a low resolution photo of {}.",
    "a low resolution photo of the {}.",
    "a high resolution photo of {}.",
    "a cropped photo of {}.",
    "a cropped photo of the {}.",
    "a close-up photo of {}.",
    "a close-up photo of the {}.",
    "a distant view of {}.",
    "a front view of {}.",
    "a side view of the {}.",
    "a portrait of {}.",
    "a portrait of the {}.",
    "a picture of {}.",
    "a picture of the {}.",
    "a nice picture of {}.",
    "a strange picture of {}.",
    "a beautiful picture of the {}.",
    "an ugly picture of {}.",
    "a simple picture of {}.",
    "a detailed picture of the {}.",
    "a familiar picture of {}.",
    "an image of {}.",
    "an image of the {}.",
    "a digital image of {}.",
    "a compressed image of {}.",
    "a compressed image of the {}.",
    "a scan of {}.",
    "a snapshot of {}.",
    "a snapshot of the {}.",
    "a frame with {} in it.",
    "a depiction of {}.",
    "a depiction of the {}.",
    "a rendering of {}.",
    "a rendering of the {}.",
    "a reproduction of {}.",
    "a reproduction of the {}.",
    "an example of {}.",
    "an example of the {}.",
    "an artwork showing {}.",
    "an artist's view of {}.",
    "an artist's view of the {}.",
    "a studio shot of {}.",
    "an outdoor shot of the {}.",
    "a postcard of {}.",
    "a poster of {}.",
    "a book page with {} on it.",
    "a wall with {} on it.",
    "a screen showing {}.",
    "this is {}.",
    "this is what the {} looks like.",
    "here is {}.",
    "the {} in the picture.",
)
"""79 sentences for encoders trained on the web's pictures and captions."""

FACE_TEMPLATES: tuple[str, ...] = (
    "{}",
    "{} of a face",
    "{} of a person",
    "{} of a man",
    "{} of a woman",
)
"""The grammar that the bundled encoders were taught."""

_ARTICLES = ("a ", "an ", "the ")


def compose(prompt: str, templates: Sequence[str]) -> list[str]:
    """Set a prompt in each of the templates.

    A leading article is taken off the prompt. It comes back, as "a" or "an", where a template has no
    determiner of its own before the place: "pencil sketch" and "a pencil sketch" are the same prompt.

    Args:
        prompt: a noun phrase, such as "a pencil sketch".
        templates: sentences with one {} each.

    Returns:
        One sentence for each template.

    Raises:
        InputError: if the prompt is empty, or a template has not exactly one {}.
    """
    require_templates(templates)
    noun = " ".join(prompt.split())
    for article in _ARTICLES:
        if noun.lower().startswith(article):
            noun = noun[len(article) :]
            break
    if not noun or noun.lower() in ("a", "an", "the"):
        raise InputError(f"the prompt {prompt!r} names nothing; expected words such as 'a pencil sketch'")
    return [_set(noun, template) for template in templates]


def require_templates(templates: Sequence[str]) -> None:
    """Raise InputError unless there is a template and each has exactly one {}."""
    if isinstance(templates, str) or not templates:
        raise InputError(f"templates are {templates!r}; expected a sequence of sentences, each with one {{}}")
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(f"the template {template!r} must have exactly one {{}} for the prompt")


def _set(noun: str, template: str) -> str:
    before, after = template.split("{}")
    determined = before.lower().endswith(("the ", "one ", "many ", "my ", "some "))
    return f"{before}{noun if determined else _with_article(noun)}{after}"


def _with_article(noun: str) -> str:
    """Choose the article by the sound: an 8-bit picture, a unicorn; pixel art and stained glass have none."""
    if noun.lower().endswith((" art", " glass")):
        return noun
    vowel = re.match(r"(?!uni|use|eu|one|ukiyo)[aeiou]|8|11|18|x-ray", noun, re.IGNORECASE)
    return f"{'an' if vowel else 'a'} {noun}"
