"""How encoders look at images: what is embedded, how often, and what can be kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from guidance_toys import LinearEncoder, batch_of, pictures, seeded, text_terms, total

from domainvec.errors import InputError
from domainvec.guidance import FACES, PUBLISHED, Augmentation, Guidance, Preservation
from domainvec.guidance.augmentation import augment, squash
from domainvec.guidance.text import directional_terms, embed_texts
from domainvec.guidance.viewing import Aliased, Needs, Viewer, encode_crops


def without_angle(guidance: Guidance) -> Guidance:
    return replace(guidance, preservation=replace(guidance.preservation, in_domain_angle=0))


def test_whole_images_are_encoded_only_for_the_angle():
    encoder = LinearEncoder()
    for guidance, expected in ((FACES, 9), (without_angle(FACES), 6)):
        encoder.batches.clear()
        text_terms([encoder], guidance, ["a sketch"], pictures(1), pictures(2))
        assert encoder.batches == [expected, expected]


def test_shared_views_of_equal_images_are_equal():
    shared = without_angle(replace(FACES, independent_views=False))
    terms = text_terms([LinearEncoder()], shared, ["a sketch"], pictures(1), pictures(1))
    assert terms["direction"][1] == 1
    apart = text_terms([LinearEncoder()], without_angle(FACES), ["a sketch"], pictures(1), pictures(1))
    assert apart["direction"][1] != 1


def test_without_augmentation_the_whole_images_are_the_only_view():
    encoder = LinearEncoder()
    batch = batch_of([encoder], PUBLISHED, pictures(1), pictures(2))
    (view,) = batch.views(0)
    assert torch.equal(view, batch.whole(0)) and torch.equal(view, encoder.encode_images(pictures(1)))
    (source,) = batch.source.views[0]
    assert torch.equal(source, encoder.encode_images(pictures(2)))


def test_views_are_random_crops_of_what_is_shown():
    encoder = LinearEncoder()
    guidance = Guidance(
        augmentation=Augmentation(), views=2, independent_views=True, preservation=Preservation()
    )
    viewer = Viewer([encoder], guidance, Needs(views=True))
    rng = seeded(5)
    source = viewer.source_batch(pictures(2), rng=rng)
    assert source.whole == [] and len(source.views[0]) == 2
    adapted, again = 2 * pictures(1), seeded(5)
    batch = viewer.adapted_batch(adapted, source, shown=squash(adapted))
    for seen, images in ((source.views[0], pictures(2)), (batch.views(0), squash(adapted))):
        for view in seen:
            expected = encoder.encode_images(augment(images, Augmentation(), again))
            torch.testing.assert_close(view, expected)


def test_nothing_is_encoded_twice_or_in_vain():
    encoder = LinearEncoder()
    batch = batch_of([encoder], FACES, pictures(1), pictures(2))
    encoder.batches.clear()
    for _ in range(2):
        batch.whole(0), batch.views(0), batch.part(None).views(0)
    assert encoder.batches == [9]
    encoder.batches.clear()
    idle = batch_of([encoder], without_angle(FACES), pictures(1), pictures(2), views=False)
    assert idle.source.whole == [] and encoder.batches == []


def test_parts_that_look_at_other_encoders_share_their_views():
    """Each part may look at some of the encoders; the crops are those of the source all the same."""
    guidance = replace(without_angle(FACES), independent_views=False)
    encoders = [LinearEncoder(seed=0), LinearEncoder(seed=1)]
    images = pictures(2)
    batch = batch_of(encoders, guidance, squash(images), images)
    together = [batch.views(index) for index in (0, 1)]
    apart = batch_of(encoders, guidance, squash(images), images)
    for index, expected in enumerate(together):
        for found, view in zip(apart.part(None).views(index), expected, strict=True):
            assert torch.equal(found, view)


def test_further_images_are_those_of_a_part():
    encoder = LinearEncoder()
    viewer = Viewer([encoder], PUBLISHED, Needs(whole=True, token_depth=0.5))
    extra = pictures(3, count=5)
    batch = viewer.adapted_batch(pictures(1), viewer.source_batch(pictures(2), rng=seeded()), extra=extra)
    encoder.batches.clear()
    first, second, none = batch.part(slice(0, 2)), batch.part(slice(2, 5)), batch.part(None)
    for part, images in ((first, extra[:2]), (second, extra[2:]), (none, extra[:0])):
        assert torch.equal(part.extra, images)
        embeddings, tokens = part.extra_embeddings(0)
        assert len(embeddings) == len(tokens) == len(images)
        if len(images):
            expected = LinearEncoder().encode_images_and_tokens(images)
            torch.testing.assert_close((embeddings, tokens), expected)
        torch.testing.assert_close(part.whole(0), LinearEncoder().encode_images(pictures(1)))
        assert part.tokens(0).shape == (3, 16, 3)
    assert encoder.batches == [8]  # the batch and all further images, once
    assert viewer.adapted_batch(pictures(1), batch.source).extra is None


@pytest.mark.parametrize(
    "guidance",
    [
        PUBLISHED,
        FACES,
        without_angle(FACES),
        replace(FACES, independent_views=False),
        replace(FACES, views=1),
    ],
    ids=["published", "robust", "without angle", "shared views", "one view"],
)
def test_losses_are_those_of_images_embedded_before(guidance):
    adapted, source = pictures(1), pictures(2)
    encoders, keep = [LinearEncoder(seed=0), LinearEncoder(seed=1)], guidance.preservation
    needs = Needs(whole=keep.in_domain_angle > 0, views=True, source_images=keep.needs_source_images)
    viewer = Viewer(encoders, guidance, needs)
    before, now = seeded(1), seeded(1)
    plain = viewer.source_batch(source, rng=now)
    kept = viewer.precompute(source, rng=before)
    # Views that may differ are known, so that the images' own come first; others are drawn again.
    again = before if guidance.independent_views else seeded(1)
    known = viewer.source_batch(source if viewer.needs_images else None, rng=again, precomputed=kept)
    assert torch.equal(plain.rng_state, known.rng_state)
    torch.testing.assert_close(known.whole, plain.whole)
    torch.testing.assert_close(known.views, plain.views)
    ends = [
        tuple(embed_texts(each, [text], guidance.templates) for text in ("a sketch", "a photo"))
        for each in encoders
    ]
    losses = []
    for side in (plain, known):
        batch = viewer.adapted_batch(adapted, side)
        terms = {**keep.pixel_terms(batch), **directional_terms(guidance, ends, batch)}
        losses.append(total({**terms, **keep.embedding_terms(batch)}))
    torch.testing.assert_close(*losses)
    if guidance is PUBLISHED:
        assert torch.equal(*losses)


def test_missing_source_images_are_named():
    encoder = LinearEncoder()
    published = Viewer([encoder], PUBLISHED, Needs(views=True))
    comparing = Viewer([encoder], PUBLISHED, Needs(views=True, source_images=True))
    robust = Viewer([encoder], FACES, Needs(views=True))
    kept = published.precompute(pictures(2), rng=seeded())
    source = published.source_batch(None, rng=seeded(), precomputed=kept)
    assert source.images is None
    for viewer, known in (
        (published, ()),
        (comparing, kept),
        (robust, ()),
        (robust, robust.precompute(pictures(2), rng=seeded())),
    ):
        with pytest.raises(InputError, match="the guidance compares source images: pass them"):
            viewer.source_batch(None, rng=seeded(), precomputed=known)
    with pytest.raises(InputError, match="the guidance compares source images: pass them"):
        _ = published.adapted_batch(pictures(1), source).source_images


def test_needs_add_up():
    first, second = Needs(whole=True), Needs(views=True, token_depth=0.5)
    assert first | second == Needs(whole=True, views=True, token_depth=0.5) == second | first
    assert Needs() | Needs(source_images=True) == Needs(source_images=True)
    assert second | second == second
    with pytest.raises(InputError, match=r"pictures ask for tokens of different layers, \['0.25', '0.5'\]"):
        second | Needs(token_depth=0.25)


def test_no_crops_no_embeddings():
    encoder = LinearEncoder()
    assert encode_crops(encoder, []) == [] and not encoder.batches


class SmallEncoder(LinearEncoder):
    """An encoder for images of 32 px."""

    image_size = 32


def test_aliased_images_are_neither_smoothed_nor_clamped() -> None:
    encoder = SmallEncoder()
    checks = torch.ones(1, 3, 96, 96)
    checks[..., ::3] = -1  # every third column: the pixels that a thinning to a third does not look at
    seen = Aliased(encoder).encode_images(checks)
    assert torch.allclose(seen, encoder.encode_images(torch.ones(1, 3, 32, 32)), atol=1e-6)
    assert torch.equal(
        Aliased(encoder).encode_images(checks[..., :32, :32]), encoder.encode_images(checks[..., :32, :32])
    )
    hard = torch.ones(1, 3, 16, 16)
    hard[..., 8:] = -1
    beyond = Aliased(encoder)._resize(hard)
    assert beyond.max() > 1.05, "bicubic overshoots"
    tokens = Aliased(encoder).encode_images_and_tokens(checks)
    assert torch.equal(tokens[0], seen)
    assert Aliased(encoder).name == encoder.name


def test_the_guidance_decides_how_images_are_resized() -> None:
    encoder = SmallEncoder()
    plain, aliased = (
        Viewer([encoder], replace(PUBLISHED, antialias=antialias), Needs(views=True))
        for antialias in (True, False)
    )
    assert plain.encoders == (encoder,)
    assert isinstance(aliased.encoders[0], Aliased)
    assert plain.settings != aliased.settings
