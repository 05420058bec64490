"""The figure of the sanity check, by what is drawn in it and where."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deconvviz import Projection, Unit
from deconvviz.figures import randomising_figure, save_figure
from deconvviz.gradients.randomising import Course, Randomised

from .support import SIDE, artists, images, noise, texts

WINDOW = [4, 10, 30, 20]
RULES = ("deconvnet", "guided", "gradient")


def course(steps, seed, window=WINDOW, ssim=True):
    """Maps inside a window; the one before the last has no signal."""
    top, left, height, width = window
    pixels = torch.zeros(steps, 3, SIDE, SIDE)
    pixels[:, :, top : top + height, left : left + width] = noise(steps, 3, height, width, seed=seed)
    pixels[-2] = 0 if steps > 2 else pixels[-2]
    values = torch.linspace(1, -0.004, steps)
    values[-2] = torch.nan if steps > 2 else values[-2]
    windows = torch.tensor([window] * steps)
    seen = Projection(pixels, (Unit("conv3", 7, 1, 2),) * steps, torch.ones(steps), windows, windows)
    return Course(seen, values.sqrt(), values, values if ssim else torch.full_like(values, torch.nan))


def found(steps=4, rules=RULES, names=None, **options):
    names = names or [f"conv{steps - k}" for k in range(1, steps)]
    courses = {rule: course(steps, seed, **options) for seed, rule in enumerate(rules)}
    return Randomised(
        Unit("conv3", 7, 1, 2), 12.34, ("trained", *names), ((),) + (("0",),) * (steps - 1), courses, "mirror"
    )


def figure(photo, randomised, **more):
    return randomising_figure(photo, randomised, title="cat: $conv3$", caption="tiny", **more)


def test_a_row_a_rule_and_a_column_a_step(photo):
    randomised = found()
    drawn = figure(photo, randomised, name="tabby")
    tiles = images(drawn)
    assert len(tiles) == 2 + 3 * 4
    assert tiles[0].shape == (SIDE, SIDE, 3)
    assert np.array_equal(tiles[1], tiles[0][4:34, 10:30])  # what the unit sees
    for i, rule in enumerate(RULES):
        pixels = randomised.courses[rule].projection.pixels
        for k, tile in enumerate(tiles[2 + 4 * i : 6 + 4 * i]):
            inside = pixels[k, :, 4:34, 10:30].permute(1, 2, 0).numpy()
            assert tile.shape == (30, 20, 3)
            assert (tile[inside > 0.1] > 128).all()
            assert (tile[inside < -0.1] < 128).all()
            assert (tile.max() > 250) == (k != 2)  # at its own scale
        assert (tiles[4 + 4 * i] == 128).all()
    words = texts(drawn)
    assert {"trained", "conv3", "+ conv2", "+ conv1", *RULES} <= set(words)
    assert {"cat: $conv3$", "unit 7 at 1,2 of conv3", "tabby", "activation 12.3"} <= set(words)
    assert words.count("no signal") == 3
    assert words.count("0.67") == words.count("0.00") == 3
    assert any("each tile at its own scale" in text and text.startswith("tiny · ") for text in words)


def test_curves_stand_below_their_tiles(photo):
    randomised = found()
    drawn = figure(photo, randomised)
    drawn.draw_without_rendering()
    panels = drawn.axes[1:]
    keys = ["signed_rank_correlation", "rank_correlation", "ssim"]
    assert ["signed" in panel.get_title("left") for panel in panels] == [True, False, False]
    columns = [image.get_window_extent() for image in artists(drawn)[2:6]]
    for panel, key in zip(panels, keys, strict=True):
        lines = {line.get_label(): line for line in panel.lines if line.get_label() in RULES}
        assert set(lines) == set(RULES)
        for rule, line in lines.items():
            np.testing.assert_array_equal(line.get_ydata(), getattr(randomised.courses[rule], key))
        for k, tile in enumerate(columns):
            x = panel.transData.transform((k, 0))[0]
            assert x == pytest.approx((tile.x0 + tile.x1) / 2, abs=1)
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == list(randomised.steps)
    assert {text.get_text() for text in panels[-1].get_legend().get_texts()} == set(RULES)


def test_the_window_is_marked(photo):
    drawn = figure(photo, found())
    drawn.draw_without_rendering()
    (place, *_) = artists(drawn)
    frame, scale = place.get_window_extent(), SIDE / place.get_window_extent().width
    boxes = [p.get_window_extent() for p in drawn.axes[0].patches if p.get_gid() == "window"]
    for box in boxes:
        seen = [frame.y1 - box.y1, box.x0 - frame.x0, box.height, box.width]
        assert [side * scale for side in seen] == pytest.approx(WINDOW, abs=0.01)
    assert boxes


def test_a_unit_that_sees_everything_needs_no_window(photo):
    drawn = figure(photo, found(window=[0, 0, SIDE, SIDE]))
    assert not [p for p in drawn.axes[0].patches if p.get_gid() == "window"]
    assert len(images(drawn)) == 1 + 3 * 4
    assert "it sees the whole photograph" in texts(drawn)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_written(tmp_path, photo, suffix):
    drawn = figure(photo, found(2, rules=("guided",)))
    assert save_figure(drawn, tmp_path / f"figure.{suffix}").stat().st_size > 1000


def test_similarity_that_is_not_known_has_no_panel(photo):
    drawn = figure(photo, found(ssim=False))
    assert len(drawn.axes) == 3
    assert any("no SSIM" in text for text in texts(drawn))


@pytest.mark.parametrize(
    "randomised",
    [
        found(2, rules=("gradient",)),
        found(2, ssim=False),
        found(9),
        found(4, rules=("deconvnet", "guided"), ssim=False),
        found(16, names=[f"layer{k}.0.downsample.0" for k in range(15)]),
        found(21, names=[f"features.denseblock{k}.denselayer16" for k in range(20)]),
    ],
    ids=lambda r: f"{len(r.steps)}-{len(r.courses)}",
)
def test_any_number_of_steps_fits(photo, randomised):
    drawn = figure(photo, randomised, name="a class with a name that is far too long for the column below it")
    drawn.draw_without_rendering()
    boxes = [image.get_window_extent() for image in artists(drawn)]
    written = [*drawn.axes[0].texts]
    for panel in drawn.axes[1:]:
        written += [panel._left_title, *panel.get_xticklabels(), *panel.get_yticklabels()]
        written += panel.get_legend().get_texts() if panel.get_legend() else []
    places = [text.get_window_extent() for text in written if text.get_text()]
    for box in [*boxes, *places]:
        assert 0 <= box.x0 <= box.x1 <= drawn.bbox.x1
        assert 0 <= box.y0 <= box.y1 <= drawn.bbox.y1
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0
    straight = [text for text in written if text.get_text() and not text.get_rotation()]
    apart = [text.get_window_extent() for text in straight if text.get_text() != "no signal"]
    assert not any(a.overlaps(b) for i, a in enumerate(apart) for b in apart[:i])
    assert not any(a.overlaps(b) for a in apart for b in boxes)
