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

IMAGENET_TEMPLATES: tuple[str, ...] = (
    "a bad photo of a {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
)
"""The 79 templates of StyleGAN-NADA and HyperDomainNet, in their order, which both fill verbatim.

They are CLIP's 80 for ImageNet (Radford et al. 2021, arXiv:2103.00020) without "a photo of many {}."."""

FACE_TEMPLATES: tuple[str, ...] = (
    "{}",
    "{} of a face",
    "{} of a person",
    "{} of a man",
    "{} of a woman",
)
"""The grammar that the bundled encoders were taught."""

_ARTICLES = frozenset(("a", "an", "the"))
# Determiners that say more than an article does.
_DETERMINERS = frozenset(
    "my your his her its our their this that these those "
    "some any each every no one both all many several few".split()
)
_PREPOSITIONS = r"(?:of|with|without|in|on|at|by|from|for|as|like|under|behind|beside|between) "
_NOT_A_NOUN = re.compile(rf"{_PREPOSITIONS}|(?:drawn|made|seen|\w{{3,}}ed) {_PREPOSITIONS}", re.IGNORECASE)
_MASS_NOUN = re.compile(
    r"\b(?:art|graffiti|embroidery|origami|calligraphy|pottery|clay|charcoal|(?:stained|leaded) glass)$",
    re.IGNORECASE,
)
_PLURAL = re.compile(
    r"\b(?:people|(?:wo)?men|children|mice|feet|teeth|(?!canvas|lens|gas\b|atlas|cyclops|chaos|christmas)"
    r"\w*[^\W\dsui]s)$",
    re.IGNORECASE,
)
_AN = re.compile(
    r"(?!uni[cfoqstv]|us[aeu]|ut[eio]|ub|uk|ufo|ur[aeiou]|eu|ewe|one\b|once)[aeiou]|hour|honest|hono|heir"
    r"|8|1[18](?!\d)|1[18]00|x-?ray|mri\b",
    re.IGNORECASE,
)


def compose(prompt: str, templates: Sequence[str], verbatim: bool = False) -> list[str]:
    """Set a prompt in each of the templates, in the grammar of English.

    An article of the prompt makes no difference, "pencil sketch" and "a pencil sketch" are one prompt: the
    template's own determiner stands ("a photo of the {}."), or an article is added where it has none ("a
    photo of {}."). Another determiner or a possessive, as in "my dog", takes the place of the template's. "a"
    and "an" go by the sound of the next word; plural and mass nouns, such as "zombies" or "pixel art", get
    neither.

    Args:
        prompt: a noun phrase, such as "a pencil sketch".
        templates: sentences with one {} each.
        verbatim: replace {} by the prompt exactly as given, as the code of the papers does.

    Returns:
        One sentence for each template.

    Raises:
        InputError: if the prompt has no word, or a template has not exactly one {}.
    """
    require_templates(templates)
    require_prompt(prompt)
    if verbatim:
        return [template.replace("{}", prompt) for template in templates]
    return [_fill(template, *_split(prompt)) for template in templates]


def require_prompt(prompt: str) -> None:
    """Raise InputError unless a prompt has a letter or a digit, of any script, besides a determiner."""
    if not any(character.isalnum() for character in _split(prompt)[1]):
        raise InputError(f"the prompt {prompt!r} names nothing; expected words such as 'a pencil sketch'")


def require_templates(templates: Sequence[str]) -> None:
    """Raise InputError unless there is a template and each has exactly one {}."""
    if isinstance(templates, str) or not templates:
        raise InputError(f"templates are {templates!r}; expected a sequence of sentences, each with one {{}}")
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(f"the template {template!r} must have exactly one {{}} for the prompt")


def _split(prompt: str) -> tuple[str, str]:
    """Split a noun phrase into its determiner, "" if there is none, and the rest."""
    first, _, rest = " ".join(prompt.split()).partition(" ")
    if first.lower() in _ARTICLES | _DETERMINERS or re.search(r"\w['\u2019]s$", first):
        return first, rest
    return "", f"{first} {rest}".rstrip()


def _fill(template: str, determiner: str, noun: str) -> str:
    before, after = template.split("{}")
    before, chosen, adjectives = _place(before)
    capital = chosen[:1].isupper()
    if determiner and determiner.lower() not in _ARTICLES:
        chosen = determiner
    elif chosen.lower() in ("", "a", "an", "one"):
        if _has_no_article(noun, singular=determiner.lower() in ("a", "an")):
            chosen = ""
        elif chosen.lower() != "one":
            chosen = "an" if _AN.match(adjectives + noun) else "a"
    phrase = f"{chosen} {adjectives}{noun}".lstrip()
    return f"{before}{phrase[0].upper() if capital else phrase[0]}{phrase[1:]}{after}"


def _place(before: str) -> tuple[str, str, str]:
    """Split what stands before the {} into the words before its determiner, that, and its adjectives.

    So "a photo of the hard to see " is "a photo of ", "the" and "hard to see ". There is no determiner in "a
    photo of ", "this is " or "an artwork showing ".
    """
    words = before.split(" ")
    for at in range(len(words) - 2, -1, -1):
        adjectives = words[at + 1 : -1]
        if words[at].lower() in _ARTICLES | _DETERMINERS:
            if words[-1] or (len(adjectives) > 1 and adjectives[-1].endswith("ing")):
                break
            return (
                "".join(f"{word} " for word in words[:at]),
                words[at],
                "".join(f"{word} " for word in adjectives),
            )
        if re.match(rf"{_PREPOSITIONS}|is |.*\W ", f"{words[at]} ", re.IGNORECASE):
            break
    return before, "", ""


def _has_no_article(noun: str, singular: bool) -> bool:
    """Whether "a" would be wrong; `singular` if the prompt says it itself."""
    head = re.split(rf" (?={_PREPOSITIONS})", noun)[0]
    if _MASS_NOUN.search(head):
        return True
    return not singular and bool(_PLURAL.search(head) or _NOT_A_NOUN.match(noun))
