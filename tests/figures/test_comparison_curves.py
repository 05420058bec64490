"""The curves of a comparison: what is drawn of which method, and that nothing covers it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deconvviz.figures import MethodLine, comparison_curves_figure

from .support import texts

LAYERS = ["conv1", "conv2", "fc6"]
NAN = (math.nan,) * 3
LINES = [
    MethodLine(
        "whole $layer",
        2,
        True,
        {"psnr": [(14, 13, 15), (13, 12.5, 13.5), NAN], "feature_error": [(0.5, 0.4, 0.7)] * 3},
    ),
    MethodLine("learned decoder", 5, False, {"psnr": [(30, 29, 31), NAN, (12, 11, 13)]}),
    MethodLine("optimised", 6, False, {"psnr": [NAN] * 3}),
]


@pytest.fixture
def figure():
    return comparison_curves_figure(LAYERS, LINES, title="tiny: compared", caption="over 9 images")


def curves(panel):
    return [line for line in panel.lines if len(line.get_xdata()) == len(LAYERS)]


def test_a_panel_for_each_measure_that_has_values(figure):
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "PSNR (higher is better)",
        "feature error (lower is better)",
    ]
    assert {"tiny: compared", "over 9 images", *LAYERS} <= {*texts(figure)}


def test_lines_are_the_means_dashed_where_they_are_projections(figure):
    whole, decoder = curves(figure.axes[0])
    np.testing.assert_array_equal(whole.get_ydata(), [14, 13, math.nan])
    np.testing.assert_array_equal(decoder.get_ydata(), [30, math.nan, 12])
    assert (whole.get_linestyle(), decoder.get_linestyle()) == ("--", "-")
    assert whole.get_color() != decoder.get_color()
    assert np.abs(whole.get_xdata() - np.arange(3)).max() < 0.5
    (only,) = curves(figure.axes[1])
    assert only.get_color() == whole.get_color()


def test_bands_are_the_intervals(figure):
    bands = [c for c in figure.axes[1].collections if "Poly" in type(c).__name__]
    (band,) = bands
    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    assert {*heights.round(6)} == {0.4, 0.7}
    (bars,) = [c for c in figure.axes[1].collections if "LineCollection" in type(c).__name__]
    assert [[end[1] for end in bar] for bar in bars.get_segments()] == [[0.4, 0.7]] * 3


def test_legends_stand_beside_the_panels_and_inside_the_figure(figure):
    figure.draw_without_rendering()
    assert [legend.get_title().get_text().split(",")[0] for legend in figure.legends] == [
        "projections",
        "reconstructions",
    ]
    boxes = [legend.get_window_extent() for legend in figure.legends]
    right = max(panel.get_window_extent().x1 for panel in figure.axes)
    assert all(box.x0 > right and box.x1 <= figure.bbox.x1 and box.y0 > 0 for box in boxes)
    assert boxes[0].y0 >= boxes[1].y1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["whole $layer"]


def test_nothing_known_is_a_figure_without_panels():
    figure = comparison_curves_figure(LAYERS, [LINES[2]], title="nothing")
    assert figure.axes == []
    figure.draw_without_rendering()


def test_one_layer_and_long_names():
    lines = [MethodLine("map", 1, True, {"ssim": [(0.5, math.nan, math.nan)]})]
    figure = comparison_curves_figure(["features.denseblock4.denselayer16"], lines, title="t")
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylim()[0] == 0
