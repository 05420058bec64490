"""Figures of decoders' errors and of what survives, by what is drawn in them."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz.figures.canvas import save_figure
from deconvviz.figures.errors import errors_figure
from deconvviz.figures.survival import Track, survival_figure

from .support import texts

LAYERS = ["conv1", "conv$2$", "fc6"]
MEANS = {
    "feature_error": [0.1, 0.2, 0.4],
    "image_error": [0.25, 0.5, 0.75],
    "mse": [1, 2, 3],
    "psnr": [30.06, 20, 10],
    "ssim": [0.9, float("nan"), 0.3],
    "lpips": [0.125, 0.375, 0.625],
}
BANDS = [(1, 2), (2, 4), (4, 8)]


def panels(figure):
    return {panel.get_title(loc="left"): panel for panel in figure.axes}


def inside(figure):
    """Every text of a figure lies within it."""
    figure.draw_without_rendering()
    everything = [*figure.texts]
    for axes in figure.axes:
        everything += [
            *axes.get_xticklabels(),
            *axes.texts,
            axes.xaxis.label,
            axes.yaxis.label,
            axes._left_title,
        ]
    for legend in [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]:
        everything += legend.get_texts()
    for text in everything:
        place = text.get_window_extent()
        assert figure.bbox.x0 <= place.x0 <= place.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= place.y0 <= place.y1 <= figure.bbox.y1, text.get_text()


def overlaps(texts):
    boxes = [text.get_window_extent() for text in texts]
    return sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_each_error_has_its_panel_with_its_values():
    figure = errors_figure(LAYERS, MEANS, title="a $title$", caption="3 images")
    found = panels(figure)
    order = ["image_error", "psnr", "ssim", "lpips", "feature_error"]
    ways = ["lower", "higher", "higher", "lower", "lower"]
    assert [name.split(" (")[1] for name in found] == [f"{way} is better)" for way in ways]
    for panel, name in zip(found.values(), order, strict=True):
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), MEANS[name])
        assert [label.get_text() for label in panel.get_xticklabels()] == LAYERS
        digits = 1 if name == "psnr" else 3
        known = [(i, value) for i, value in enumerate(MEANS[name]) if value == value]
        assert [note.get_text() for note in panel.texts] == [f"{value:.{digits}f}" for _, value in known]
        assert [note.xy for note in panel.texts] == known
        low, high = panel.get_ylim()
        assert low < min(v for _, v in known) <= max(v for _, v in known) < high
        assert name == "psnr" or low == 0
    assert {"a $title$", "3 images"} <= {*texts(figure)}


def test_errors_that_are_not_known_have_no_panel():
    means = {name: values for name, values in MEANS.items() if name != "lpips"}
    assert [name.split(" (")[0] for name in panels(errors_figure(LAYERS, means, title=""))] == [
        "image error",
        "PSNR",
        "SSIM",
        "feature error",
    ]
    means["ssim"] = [float("nan")] * 3
    assert len(errors_figure(LAYERS, means, title="").axes) == 3


@pytest.mark.parametrize(
    "layers", [["fc8"], LAYERS, [f"conv{i}" for i in range(9)], ["features.12.0.block"] * 4]
)
def test_any_layers_fit_both_figures(tmp_path, layers):
    count = len(layers)
    values = np.linspace(0.1, 0.9, count)
    figure = errors_figure(layers, dict.fromkeys(MEANS, values), title="errors", caption="a caption")
    inside(figure)
    track = Track(values, 0 * values + 0.1, 1 - values / 9)
    rows = np.outer(values, [0.2, 0.5, 1])
    drawn = survival_figure(layers, track, track, track, BANDS, rows, rows + 1, title="t", caption="c")
    inside(drawn)
    for axes in [*figure.axes, *drawn.axes]:
        if not axes.get_xticklabels()[0].get_rotation():
            assert not overlaps(axes.get_xticklabels())
    for name, each in {"errors.png": figure, "survival.svg": drawn}.items():
        assert save_figure(each, tmp_path / name).stat().st_size > 1000


def track(start):
    return Track([start, start + 0.1, start + 0.2], [0.01, 0.02, 0.03], [0.7, 0.71, 0.72])


def survival():
    errors = [[0.1, 0.2, 0.3], [0.2, 0.3, 0.4], [0.3, 0.4, float("nan")]]
    chances = [[1.5, 1.4, 1.3], [1.6, 1.5, 1.4], [1.7, 1.6, 1.5]]
    figure = survival_figure(
        LAYERS, track(0.1), track(0.2), track(0.3), BANDS, errors, chances, title="a $title$", caption="foot"
    )
    return figure, errors


def test_what_survives_has_four_panels_with_their_chance_levels():
    figure, _ = survival()
    found = [*panels(figure).items()]
    assert [name for name, _ in found] == [
        "Colour",
        "Light and dark",
        "Place of the subject",
        "Coarse and fine detail",
    ]
    for start, (_, panel) in zip((0.1, 0.2, 0.3), found, strict=False):
        (ours, (_, bars), _) = (panel.containers[0][0], panel.containers[0][1], 0)
        np.testing.assert_allclose(ours.get_ydata(), track(start).means)
        np.testing.assert_allclose(bars.get_ydata(), np.add(track(start).means, track(start).spreads))
        (chance,) = [line for line in panel.lines if line.get_linestyle() == "--"]
        np.testing.assert_allclose(chance.get_ydata(), [0.7, 0.7, 0.71, 0.72, 0.72])
        np.testing.assert_allclose(chance.get_xdata(), [-0.5, 0, 1, 2, 2.5])
        assert [label.get_text() for label in panel.get_xticklabels()] == LAYERS
    assert all("is better" in panel.get_ylabel() or "better" in panel.get_ylabel() for _, panel in found)
    assert {"a $title$", "foot"} <= {*texts(figure)}
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(legend) == 2
    assert "chance" in legend[1]


def test_bands_are_a_line_a_layer():
    figure, errors = survival()
    panel = panels(figure)["Coarse and fine detail"]
    lines = [line for line in panel.lines if line.get_linestyle() == "-"]
    assert [line.get_label() for line in lines] == LAYERS
    for line, row in zip(lines, errors, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row)
    assert (
        len(
            {
                line.get_color() if isinstance(line.get_color(), str) else tuple(line.get_color())
                for line in lines
            }
        )
        == 3
    )
    (chance,) = [line for line in panel.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(chance.get_ydata(), [1.6, 1.5, 1.4])
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1–2", "2–4", "4–8"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == LAYERS
