"""The figure of invariance, by what is drawn in it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from deconvviz.experiments.invariance import Course, Invariance
from deconvviz.figures import Moved, Subject, invariance_figure
from deconvviz.figures.canvas import HUES

from .support import SIDE, artists, images, noise, texts

AMOUNTS = {"translation": (-20, -10, 0, 10, 20), "scale": (1.0, 1.4, 1.8), "rotation": (0.0, 120.0, 360.0)}


def found(count, layers=("conv1", "fc7"), scores=True, scale=1.0, relative=False):
    """Curves that all differ."""
    courses = {}
    for k, (kind, amounts) in enumerate(AMOUNTS.items()):
        distances = noise(count, len(layers), len(amounts), seed=k).abs().double() * scale
        chances = noise(count, len(amounts), seed=9 + k).sigmoid().double()
        courses[kind] = Course(amounts, distances, chances if scores else None)
    between = torch.arange(count * count * len(layers), dtype=torch.float64).reshape(count, count, -1) * scale
    lengths = torch.ones(count, len(layers), dtype=torch.float64) * scale
    targets = tuple(range(count)) if scores else ()
    return Invariance(tuple(layers), courses, lengths, between, targets, relative)


def subjects(count, name="image {}.jpg", notes=("a class", "12 % as it is")):
    return [Subject(name.format(k), noise(3, SIDE, SIDE, seed=k).sigmoid(), notes) for k in range(count)]


def moved(line=0, count=4):
    return {
        kind: [Moved(line, amounts[-1], noise(3, SIDE, SIDE, seed=k).sigmoid()) for k in range(count)]
        for kind, amounts in AMOUNTS.items()
    }


@cache
def drawn(count=2, **more):
    return invariance_figure(found(count, **more), subjects(count), moved(), title="five photographs")


def panels(figure):
    """The panels column by column, from top to bottom."""
    return figure.axes[1:]


def test_nine_panels_with_a_line_an_image():
    figure, values = drawn(), found(2)
    assert len(panels(figure)) == 9
    for j, panel in enumerate(panels(figure)):
        course = list(values.courses.values())[j % 3]
        rows = course.probabilities if j // 3 == 2 else course.distances[:, j // 3]
        curves = [line for line in panel.lines if len(line.get_xdata()) == len(course.amounts)]
        assert [line.get_color() for line in curves] == list(HUES[:2])
        for curve, row in zip(curves, rows, strict=True):
            np.testing.assert_array_equal(curve.get_xdata(), course.amounts)
            np.testing.assert_array_equal(curve.get_ydata(), row)


def test_words():
    words = texts(drawn())
    assert {"five photographs", "distance at conv1", "distance at fc7", "probability"} <= set(words)
    assert {"Vertical translation", "Scale", "Rotation", "degrees anticlockwise", "times as large"} <= set(
        words
    )
    assert {"+20 px", "× 1.8", "360°", "image 1.jpg", "a class", "12 % as it is"} <= set(words)
    assert any("Euclidean" in text for text in words)
    assert words.count("from the untransformed image") == 2
    assert "in lengths of the image's own features" in texts(drawn(relative=True))


def test_an_axis_for_a_column_from_zero():
    values, figure = found(2), drawn()
    for j in range(2):
        column = panels(figure)[3 * j : 3 * j + 3]
        limits = {panel.get_ylim() for panel in column}
        assert len(limits) == 1
        low, high = limits.pop()
        assert low < 0 < high
        assert high > max(course.distances[:, j].max() for course in values.courses.values())
    assert all(panel.get_ylim() == (-0.03, 1.03) for panel in panels(figure)[6:])


def test_how_far_images_are_apart():
    several, alone = drawn(3), drawn(1)
    dashed = [line for line in panels(several)[3].lines if line.get_linestyle() == "--"]
    between = found(3).between[..., 1]
    mean = sum(float(between[a, b]) for a in range(3) for b in range(3) if a != b) / 6
    assert [line.get_ydata()[0] for line in dashed] == [pytest.approx(mean)]
    assert not [line for line in panels(alone)[3].lines if line.get_linestyle() == "--"]
    assert any("Dashed" in text for text in texts(several))
    assert not any("Dashed" in text for text in texts(alone))


def test_pictures_have_their_images_colour():
    figure = invariance_figure(found(3), subjects(3), moved(line=2), title="")
    tiles = images(figure)
    assert len(tiles) == 3 + 3 * 4
    frames = [patch.get_edgecolor() for patch in figure.axes[0].patches]
    assert frames == [to_rgba(hue) for hue in (*HUES[:3], *[HUES[2]] * 12)]


def test_without_probabilities():
    figure = drawn(scores=False)
    assert len(panels(figure)) == 6
    assert "probability" not in texts(figure)


def test_no_numbers_and_no_distances():
    values = found(2)
    for course in values.courses.values():
        course.distances[0] = math.nan
    figure = invariance_figure(values, subjects(2), moved(), title="")
    figure.canvas.draw()
    nothing = drawn(2, scale=0.0)
    nothing.canvas.draw()
    tiny = drawn(1)
    for figure in (nothing, tiny):
        assert all(panel.get_ylim()[1] > panel.get_ylim()[0] for panel in panels(figure))
    rounding = found(1)
    for course in rounding.courses.values():
        course.distances.mul_(1e-7)
    figure = invariance_figure(rounding, subjects(1), moved(), title="")
    assert panels(figure)[0].get_ylim()[1] > 1e-3  # of a length of one: what is rounding looks like zero


@pytest.mark.parametrize(
    ("count", "layers", "scores"),
    [
        (1, ["conv1"], False),
        (1, ["a.very.long.path.of.a.layer.conv2"], True),
        (9, ["conv1", "fc7"], True),
    ],
)
def test_nothing_overlaps_or_leaves_the_page(count, layers, scores):
    long = "a name that goes on and on, as some photographs' do"
    values = found(count, layers, scores)
    figure = invariance_figure(values, subjects(count, long, (long, long)), moved(), title="t", caption="c")
    figure.canvas.draw()
    page = figure.bbox
    boxes = [image.get_window_extent() for image in artists(figure)]
    boxes += [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    boxes += [panel.get_tightbbox() for panel in panels(figure)]
    assert len(panels(figure)) == 3 * (len(layers) + scores)
    for box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    boxes = [box.shrunk(0.97, 0.88) for box in boxes]
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0
