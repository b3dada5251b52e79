"""The arithmetic of the benchmark of other people's styles."""

from __future__ import annotations

import json

import pytest
import torch


@pytest.fixture
def styles(script):
    return script("styles")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_what_is_learnt_from_is_not_compared_with(styles) -> None:
    for draw in (0, 7, 50):
        examples, others = styles.split(draw)
        assert len(examples) == 10 and len(others) == 500
        assert sorted([*examples, *others]) == list(range(510))


def test_colours_take_the_mean_and_covariance_of_the_examples(styles) -> None:
    images = 0.2 * random(6, 3, 8, 8)
    mixed = torch.einsum("oc,nchw->nohw", random(3, 3, seed=1) * 0.1, random(4, 3, 8, 8, seed=2)) + 0.3
    moved = styles.match_colors(images, mixed)

    def pixels(each):
        return each.movedim(1, 3).reshape(-1, 3)

    torch.testing.assert_close(pixels(moved).mean(0), pixels(mixed).mean(0))
    torch.testing.assert_close(pixels(moved).T.cov(), pixels(mixed).T.cov(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(styles.match_colors(images, images), images, atol=1e-5, rtol=0)
    one_colour = torch.tensor([0.1, 0.2, 0.3])[:, None, None].expand(2, 3, 8, 8)
    torch.testing.assert_close(styles.match_colors(images, one_colour)[0], one_colour[0])


def test_styles_are_named_by_the_nearest_mean(styles) -> None:
    features = {name: random(510, 4, seed=at) + 9 * at for at, name in enumerate(("ink", "clay"))}
    torch.testing.assert_close(styles.nearest_means(features, 3), torch.eye(2, dtype=torch.float64))
    seen = styles.named({"ink": features["ink"], "pen": features["ink"].flip(0)}, range(4))
    assert 0.4 < seen["mean"][0] < 0.6 and len(seen["draws"]) == 4
    assert sum(seen["styles"].values()) / 2 == pytest.approx(seen["mean"][0])


def test_roc_area_by_hand(styles) -> None:
    positive, negative = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0, 2.0, 5.0])
    assert styles.roc_area(positive, negative) == pytest.approx((1 + 0.5 + 3) / 8)


def test_labels_that_nobody_could_tell_do_not_count(styles) -> None:
    scores = {"one": torch.tensor([3.0, -1.0, 9.0, -2.0, 1.0]), "other": -torch.arange(5.0)}
    one, other = styles.reads(scores, [True, True, None, False, False])
    assert (one["with"], one["without"], one["accuracy"]) == (2, 2, 0.5)
    assert one["area"][0] == pytest.approx(3 / 4) and other["area"][0] == 1


def test_colour_histograms_are_of_unit_length(styles) -> None:
    images = random(3, 3, 8, 8).clamp(-1, 1)
    assert styles.color_histogram(images).square().sum(1) == pytest.approx(torch.ones(3))
    assert styles.color_histogram(torch.ones(1, 3, 8, 8))[0, 511] == 1


def test_rows_that_are_done_are_read(styles, tmp_path) -> None:
    figures = {"patches": 0.1, "color": 0.2, "edges": 0.3, "frechet": 4.0}
    for style, method, draw, patches in (
        ("ink", "floor", 0, 0.1),
        ("ink", "source", 0, 0.3),
        ("ink", "source", 1, 0.5),
        ("clay", "source", 0, 0.8),
    ):
        done = {"style": style, "method": method, "draw": draw, **figures, "patches": patches}
        styles.write(done, tmp_path / f"{style}-{method}-{draw}.json")
        assert styles.row(None, style, method, draw, tmp_path) == done
    rows = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert styles.by_style(rows, "source", "patches") == pytest.approx({"clay": 0.8, "ink": 0.4})
    table = styles.distances_table(rows).splitlines()
    assert table[0] == "| method | patches | color | edges | frechet | rows |"
    assert table[3].startswith("| source | 0.6000 (") and table[3].endswith("| 3 |")
    assert "| clay |  | 0.8000 |" in table and "| ink | 0.1000 | 0.4000 |" in table


def test_a_row_is_of_what_a_method_draws(styles, tmp_path, monkeypatch, capsys) -> None:
    class World:
        def task(self, style, draw):
            return styles.Task(style, draw, torch.full((10, 3, 64, 64), 0.5))

        def measure(self, pictures, task):
            return dict.fromkeys(styles.FIGURES, pictures.mean().item())

    monkeypatch.setitem(styles.METHODS, "copies", lambda world, task: task.examples.repeat(50, 1, 1, 1))
    row = styles.row(World(), "ink", "copies", 2, tmp_path)
    assert row == {"style": "ink", "method": "copies", "draw": 2, **dict.fromkeys(styles.FIGURES, 0.5)}
    assert capsys.readouterr().out.startswith("ink-copies-2 patches 0.5000")
    assert json.loads((tmp_path / "ink-copies-2.json").read_text()) == row
