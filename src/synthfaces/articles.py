"""English indefinite articles."""

from __future__ import annotations

import re

_MASS_NOUNS = (" art", " glass")


def with_article(phrase: str) -> str:
    """Put ``a`` or ``an`` before a phrase by its sound (an 8-bit picture, a unicorn); none for mass nouns."""
    if phrase.endswith(_MASS_NOUNS):
        return phrase
    vowel = re.match(r"(?!uni|eu|one|use)[aeiou]|8|x-ray", phrase)
    return f"{'an' if vowel else 'a'} {phrase}"
