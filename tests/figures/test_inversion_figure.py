"""The figure of an inversion, by what is drawn in it and where."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz.figures import PreImages, inversion_figure
from deconvviz.figures.inversion import apart

from .support import artists, images, texts

STEPS = 40


def tile(number, side=12):
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)


def layer(name, restarts=1, number=0, steps=STEPS):
    """Pre-images whose errors fall from about 1; the last restart's the lowest."""
    ends = 0.1 + 0.05 * number - 0.01 * np.arange(restarts)
    curve = ends + np.exp(-np.arange(steps) / 8)[:, None]
    return PreImages(
        layer=name,
        tiles=[tile(100 * number + r + 1) for r in range(restarts)],
        feature_error_mv16=ends.tolist(),
        psnr=[20.0 + number + r / 4 for r in range(restarts)],
        ssim=[0.5 + r / 100 for r in range(restarts)],
        curve=curve.astype(np.float32),
        chosen=restarts - 1,
    )


def layers(count, restarts=1):
    return [layer(f"conv{i // 3 + 3}_{i % 3 + 1}", restarts, i) for i in range(count)]


def places(figure):
    """Left and top of every picture, rounded inches; the original's first."""
    return [(round(left, 3), round(top, 3)) for left, _, _, top in (a.get_extent() for a in artists(figure))]


def panel(figure):
    (found,) = [axes for axes in figure.axes if axes.lines]
    return found


def test_a_strip_of_a_few_layers():
    found = layers(3)
    figure = inversion_figure(tile(0), found, title="a $title$", caption="tiny, seed 0")
    wanted = [tile(0), *(one.tiles[0] for one in found)]
    for drawn, expected in zip(images(figure), wanted, strict=True):
        np.testing.assert_array_equal(drawn, expected)
    said = texts(figure)
    for text in ("a $title$", "tiny, seed 0", "what the network saw", "conv3_1", "conv3_2", "conv3_3"):
        assert text in said
    for one in found:
        assert f"feature error {one.feature_error_mv16[0]:.3g}" in said
        assert f"PSNR {one.psnr[0]:.1f} dB, SSIM 0.50" in said
    lefts, tops = zip(*places(figure), strict=True)
    assert len({*tops}) == 1
    assert list(lefts) == sorted({*lefts})
    assert any("0 is perfect" in text for text in said)
    assert not any("restart" in text for text in said)


def test_curves_are_the_errors_with_the_layers_names_at_their_ends():
    found = layers(3)
    axes = panel(inversion_figure(tile(0), found, title=""))
    assert axes.get_yscale() == "log"
    names = {text.get_text(): text for text in axes.texts}
    assert [*names] == [one.layer for one in found]
    for line, one in zip(axes.lines, found, strict=True):
        assert list(line.get_xdata()) == [*range(1, STEPS + 1)]
        np.testing.assert_array_equal(line.get_ydata(), one.curve[:, 0])
        name = names[one.layer]
        np.testing.assert_array_equal(name.get_color(), line.get_color())
        end = axes.transAxes.inverted().transform(axes.transData.transform((1, one.curve[-1, 0])))[1]
        assert name.get_position()[1] == pytest.approx(end, abs=0.05)
    assert len({tuple(line.get_color()) for line in axes.lines}) == 3


def test_nine_layers_stand_three_by_three_beside_the_original():
    found = layers(9)
    figure = inversion_figure(tile(0), found, title="")
    original, *others = places(figure)
    lefts, tops = sorted({left for left, _ in others}), sorted({top for _, top in others})[::-1]
    assert others == [(left, top) for top in tops for left in lefts]
    assert (len(lefts), len(tops)) == (3, 3)
    assert original[0] < lefts[0]
    assert original[1] == tops[0]
    below = panel(figure).get_position()
    width, height = figure.get_size_inches()
    assert below.x1 * width < lefts[0]
    assert below.y1 * height < artists(figure)[0].get_extent()[2]


def test_restarts_stand_in_a_row_a_layer():
    found = layers(2, restarts=3)
    figure = inversion_figure(tile(0), found, title="")
    wanted = [tile(0), *(one for each in found for one in each.tiles)]
    for drawn, expected in zip(images(figure), wanted, strict=True):
        np.testing.assert_array_equal(drawn, expected)
    _, *others = places(figure)
    assert len({top for _, top in others[:3]}) == len({top for _, top in others[3:]}) == 1
    assert [left for left, _ in others[:3]] == [left for left, _ in others[3:]]
    sheet = figure.axes[0]
    bold = {text.get_text() for text in sheet.texts if text.get_fontweight() == "bold"}
    assert {"conv3_1, restart 3", "conv3_2, restart 3", "feature error 0.08"} <= bold
    assert "conv3_1, restart 1" in texts(figure)
    assert "conv3_1, restart 1" not in bold
    assert any(
        text.startswith("bold, and drawn thick: the restart with the lowest") for text in texts(figure)
    )
    axes = panel(figure)
    assert len(axes.lines) == 6
    assert [line.get_linewidth() > 1 for line in axes.lines] == [False, False, True] * 2
    assert len(axes.texts) == 2


@pytest.mark.parametrize(
    ("count", "restarts", "name"),
    [
        (1, 1, ""),
        (5, 1, ""),
        (9, 1, "inception4a.branch2.1.conv"),
        (17, 1, ""),
        (1, 3, ""),
        (2, 8, ""),
    ],
)
def test_nothing_overlaps_or_leaves_the_page(count, restarts, name):
    found = [layer(f"{name}{i}" if name else f"conv{i}", restarts, i) for i in range(count)]
    title = "n02089973_English_foxhound.JPEG: pre-images from resnet101, preset mahendran2016"
    figure = inversion_figure(tile(0), found, title=title, caption="resnet101, weights random (seed 0)")
    figure.draw_without_rendering()
    page, axes = figure.bbox, panel(figure)
    tiles = [image.get_window_extent() for image in artists(figure)]
    lines = [text.get_window_extent() for one in figure.axes for text in one.texts]
    assert len(tiles) == 1 + count * restarts
    boxes = [*tiles, *lines, axes.get_tightbbox()]
    for box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    alone = [*tiles, *(text.get_window_extent() for text in figure.axes[0].texts), axes.get_tightbbox()]
    for some in (alone, [text.get_window_extent() for text in axes.texts]):
        shrunk = [box.shrunk(0.98, 0.85) for box in some]
        assert sum(a.overlaps(b) for i, a in enumerate(shrunk) for b in shrunk[:i]) == 0


@pytest.mark.parametrize("steps", [0, 1])
def test_hardly_a_step_and_errors_that_are_no_numbers(steps):
    one = layer("conv1", steps=steps)
    lost = PreImages("conv2", one.tiles, [np.nan], [np.nan], [np.nan], one.curve)
    figure = inversion_figure(tile(0), [one, lost], title="")
    figure.draw_without_rendering()
    assert "feature error is no number" in texts(figure)
    assert "nan" not in " ".join(texts(figure))
    assert all(line.get_marker() == "o" for line in panel(figure).lines) or not steps


@pytest.mark.parametrize(
    ("heights", "wanted"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.1, 0.9, 0.5], [0.1, 0.9, 0.5]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.5, 0.1, 0.5, 0.5], [0.4, 0.1, 0.5, 0.6]),
        ([0.3, 0.34, 0.36], [0.2333333, 0.3333333, 0.4333333]),
    ],
)
def test_labels_move_as_little_as_they_have_to(heights, wanted):
    assert apart(heights, 0.1) == pytest.approx(wanted, abs=1e-5)
