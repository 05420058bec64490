"""The figure of correspondence, by what is drawn in it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from deconvviz.experiments.correspondence import Correspondence, PartConsistency
from deconvviz.figures import correspondence_figure
from deconvviz.tiles import photo_tile

from .support import SIDE, artists, images, noise, texts

POINTS = {"left eye": (10, 12), "nose": (20.5, 30)}


def made(count=3, layers=("conv5", "fc7"), draws=4):
    """What is found in so many images, at some layers, with values that can be told apart."""
    pairs = tuple(itertools.combinations(range(count), 2))
    parts = []
    for k, name in enumerate([*POINTS, *(("random",) if draws else ())]):
        boxes = torch.tensor([[[5 + i, 7 + k, 11, 11] for i in range(count)]] * (draws if k == 2 else 1))
        values = {
            layer: (0.1 + 0.01 * k + 0.1 * j + 0.02 * torch.arange(len(pairs)).double()).expand(
                len(boxes), -1
            )
            for j, layer in enumerate(layers)
        }
        chances = {layer: torch.full_like(values[layer], 0.5 + 0.01 * k) for layer in layers}
        parts.append(PartConsistency(name, boxes, values, chances, dict.fromkeys(layers, 1234)))
    return Correspondence(tuple(parts), tuple(layers), pairs, 11, torch.zeros(count, 3, SIDE, SIDE))


def drawn(found, count=3, **more):
    photos = noise(count, 3, SIDE, SIDE).sigmoid()
    masked = noise(len(found.parts), count, 3, SIDE, SIDE, seed=5).sigmoid()
    points = {name: [at] * count for name, at in POINTS.items()}
    names = [f"image {i}" for i in range(count)]
    given = {"title": "the title", "caption": "tiny, seed 0", **more}
    return correspondence_figure(photos, masked, found, names, points, **given), photos, masked


def lines(figure):
    return figure.axes[0].lines


def test_the_table_says_what_was_found():
    found = made()
    figure, _, _ = drawn(found)
    words = texts(figure)
    assert {"the title", "tiny, seed 0", "conv5", "fc7", "left eye", "nose", "random"} <= set(words)
    for part, layer in itertools.product(found.parts, found.layers):
        assert f"{part.mean(layer):.3f} ± {part.deviation(layer):.3f}" in words
        assert f"{part.chance(layer):.3f} by chance" in words
    assert words.count("1,234 features") == 2
    assert any("3 pairs of images, and 4 draws where squares are random" in text for text in words)
    assert any("every scale goes from 0 to 0.52" in text for text in words)


def test_dots_lines_and_ticks_are_where_the_values_are():
    found = made()
    figure, _, _ = drawn(found)
    dots = [
        line for line in lines(figure) if line.get_marker() == "o" and line.get_markeredgecolor() != "white"
    ]
    cells = list(itertools.product(found.parts, found.layers))
    assert len(dots) == len(cells)
    rails = [line for line in lines(figure) if line.get_linewidth() == 0.8][1:]  # the first is the table's
    ticks = [line for line in lines(figure) if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2]
    spreads = [line for line in lines(figure) if line.get_linewidth() == 1.6]
    for (part, layer), dot, rail, tick, spread in zip(cells, dots, rails, ticks, spreads, strict=True):
        start, end = rail.get_xdata()
        unit = (end - start) / 0.52
        assert dot.get_xdata()[0] == pytest.approx(start + unit * part.mean(layer))
        assert tick.get_xdata()[0] == pytest.approx(start + unit * part.chance(layer))
        low, high = part.mean(layer) - part.deviation(layer), part.mean(layer) + part.deviation(layer)
        assert list(spread.get_xdata()) == pytest.approx([start + unit * low, start + unit * high])


def test_tiles_show_what_was_covered():
    figure, photos, masked = drawn(made())
    tiles = images(figure)
    assert len(tiles) == 3 * (1 + 3)
    order = [tile for i in range(3) for tile in [photos[i]]] + [
        masked[k, i] for k in range(3) for i in range(3)
    ]
    for tile, image in zip(tiles, order, strict=True):
        np.testing.assert_array_equal(tile, photo_tile(image.numpy()))
    assert "the first of 4 draws" in texts(figure)
    first = artists(figure)[0].get_extent()
    marks = [line for line in lines(figure) if line.get_markeredgecolor() == "white"]
    assert len(marks) == 3 * len(POINTS)
    unit = (first[1] - first[0]) / SIDE
    x, y = POINTS["left eye"]
    assert marks[0].get_xdata()[0] == pytest.approx(first[0] + (x + 0.5) * unit)
    assert marks[0].get_ydata()[0] == pytest.approx(first[3] - (y + 0.5) * unit)


def test_outlines_lie_around_the_covered_squares():
    figure, _, _ = drawn(made(draws=0))
    frames = [patch for patch in figure.axes[0].patches if patch.get_linewidth() == 0.9]
    tiles = artists(figure)[3:]
    assert len(frames) == len(tiles) == 6
    for n, (frame, tile) in enumerate(zip(frames, tiles, strict=True)):
        k, i = divmod(n, 3)
        left, right, _, top = tile.get_extent()
        unit = (right - left) / SIDE
        assert frame.get_x() == pytest.approx(left + (7 + k) * unit)
        assert frame.get_y() == pytest.approx(top - (5 + i + 11) * unit)
        assert [frame.get_width(), frame.get_height()] == pytest.approx([11 * unit] * 2)


def test_one_pair_has_no_deviation():
    figure, _, _ = drawn(made(2, draws=0), 2)
    words = texts(figure)
    assert {"0.100", "0.200", "0.110", "0.210"} <= set(words)
    assert not any("± 0" in text or "nan" in text for text in words)
    assert any("over 1 pair of images" in text and "draws" not in text for text in words)


def test_nothing_changes_anywhere():
    found = made(draws=0)
    nothing = {layer: torch.zeros(1, 3).double() for layer in found.layers}
    still = [PartConsistency(p.name, p.boxes, nothing, nothing, p.features) for p in found.parts]
    found = Correspondence(tuple(still), found.layers, found.pairs, found.size, found.fill)
    figure, _, _ = drawn(found)
    assert texts(figure).count("0.000 ± 0.000") == 4
    figure.canvas.draw()


@pytest.mark.parametrize(("count", "layers"), [(2, 1), (5, 2), (30, 7)])
def test_nothing_overlaps_or_leaves_the_page(count, layers):
    found = made(count, tuple(f"layer4.{i}.conv1_long_name" for i in range(layers)))
    long = PartConsistency("a part whose name goes on and on", *list(vars(found.parts[0]).values())[1:])
    parts = (long, *found.parts[1:])
    found = Correspondence(parts, found.layers, found.pairs, found.size, found.fill)
    figure, _, _ = drawn(found, count)
    page = figure.bbox
    tiles = [image.get_window_extent() for image in artists(figure)]
    assert len(tiles) == 4 * min(count, 12)
    assert any("the first 12 of" in text for text in texts(figure)) == (count > 12)
    boxes = [*tiles, *(text.get_window_extent() for text in figure.axes[0].texts if text.get_text())]
    for box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    boxes = [box.shrunk(0.98, 0.9) for box in boxes]
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0
