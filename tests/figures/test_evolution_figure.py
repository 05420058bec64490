"""The figures of evolution and of settling layers, by what is drawn in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from deconvviz.experiments.evolution import Evolution, Stage
from deconvviz.experiments.settling import MEASURES, Settling
from deconvviz.figures import evolution_figure, settling_figure
from deconvviz.figures.evolution import evolution_tiles
from deconvviz.tiles import framed, photo_tile, signed_scale, signed_tile

from .support import CUT, SIDE, UNCUT, artists, images, noise, texts

EPOCHS = (1, 2, 5, 10, 20, 30, 40, 64)


def stage(epoch, units, rows=None, whole=False, dead=()):
    """Units of windows that hang over the image's edges in several ways, or that see all of it."""
    cut, uncut = ([(box * (units // 4 + 1))[:units] for box in (CUT, UNCUT)]) if not whole else ([], [])
    if whole:
        cut, uncut = [(0, 0, SIDE, SIDE)] * units, [(-3, -2, SIDE + 5, SIDE + 5)] * units
    pixels = torch.zeros(units, 3, SIDE, SIDE)
    for k, (top, left, height, width) in enumerate(cut):
        if k not in dead:
            values = noise(3, height, width, seed=100 * epoch + k) * 10.0**k
            pixels[k, :, top : top + height, left : left + width] = values
    activations = torch.arange(units) + epoch + 0.125
    activations[list(dead)] = 0
    return Stage(
        epoch=epoch,
        accuracy=epoch / 100,
        rows=tuple(rows or [10 * epoch + k for k in range(units)]),
        places=((3, 4),) * units,
        activations=activations,
        pixels=pixels,
        pictures=noise(units, 3, SIDE, SIDE, seed=epoch).sigmoid(),
        windows=torch.tensor(cut),
        uncut=torch.tensor(uncut),
        winners=torch.arange(64),
        engine="mirror",
    )


def evolution(epochs, units, **settings):
    stages = tuple(stage(epoch, units, **settings) for epoch in epochs)
    return Evolution("conv2", tuple(range(7, 7 + units)), 500, stages)


def joins(figure):
    return [line for axes in figure.axes for line in axes.lines if line.get_gid() == "same image"]


def test_a_row_a_unit_and_a_column_an_epoch():
    found = evolution((1, 5), 3)
    classes = [["goose", "snail", "torch"], ["nail", "acorn", "broom"]]
    figure = evolution_figure(
        found, title="run: conv2", caption="tiny", names=["", "", "a dog"], classes=classes
    )
    drawn = images(figure)
    assert len(drawn) == 2 * 3 * 2
    for i, (k, e) in enumerate((k, e) for k in range(3) for e in range(2)):
        patch, projection = evolution_tiles(found.stages[e], k)
        np.testing.assert_array_equal(drawn[2 * i], projection)
        np.testing.assert_array_equal(drawn[2 * i + 1], patch)
        value = found.stages[e].pixels[k].numpy()
        top, left, height, width = CUT[k]
        scale = signed_scale([value[:, top : top + height, left : left + width]])
        np.testing.assert_array_equal(projection, framed(signed_tile(value, scale), UNCUT[k]))
        photo = photo_tile(found.stages[e].pictures[k].numpy())
        np.testing.assert_array_equal(patch, framed(photo, UNCUT[k]))
    words = texts(figure)
    assert {"run: conv2", "tiny", "unit 7", "unit 8", "unit 9", "a dog", "epoch 1", "epoch 5"} <= set(words)
    assert {"top-1 1 %", "top-1 5 %", "1.12", "2.12", "5.12", *classes[0], *classes[1]} <= set(words)
    said = " ".join(words)
    assert "Grey is zero" in said
    assert "a contrast of its own" in said


def test_places_of_tiles():
    figure = evolution_figure(evolution((1, 2, 5), 2), title="")
    boxes = [image.get_extent() for image in artists(figure)]
    lefts = [box[0] for box in boxes[::2]]
    tops = [box[3] for box in boxes[::2]]
    assert lefts[:3] == sorted(lefts[:3]) == pytest.approx(lefts[3:])
    assert tops[0] == tops[1] == tops[2] > tops[3]
    for tile, patch in zip(boxes[::2], boxes[1::2], strict=True):
        assert patch[0] == pytest.approx(tile[0])
        assert patch[3] < tile[2]  # below
        assert patch[1] - patch[0] < (tile[1] - tile[0]) / 2


def test_a_line_joins_patches_of_the_same_image():
    rows = [[4, 4], [4, 5], [4, 5], [6, 5]]
    stages = tuple(stage(epoch, 2, rows=row) for epoch, row in zip(EPOCHS, rows, strict=False))
    found = Evolution("conv2", (0, 1), 500, stages)
    figure = evolution_figure(found, title="")
    lines = joins(figure)
    patches = [image.get_extent() for image in artists(figure)][1::2]
    middles = [((left + right) / 2, bottom) for left, right, bottom, _ in patches]
    spans = [(line.get_xdata()[0], line.get_xdata()[-1], line.get_ydata()[0]) for line in lines]
    wanted = [(0, 1), (1, 2), (4 + 1, 4 + 2), (4 + 2, 4 + 3)]
    assert len(spans) == len(wanted)
    for (first, last, y), (a, b) in zip(spans, wanted, strict=True):
        assert first == pytest.approx(middles[a][0], abs=0.05)
        assert last == pytest.approx(middles[b][0], abs=0.05)
        assert middles[a][1] - 0.1 < y < middles[a][1]


def test_dead_and_silent_units_are_said():
    found = evolution((1, 2), 3, dead=(1,))
    found.stages[0].pixels[2] = 0
    figure = evolution_figure(found, title="")
    words = texts(figure)
    assert words.count("dead: no image\nexcites it") == 2
    assert words.count("nothing arrives") == 1
    assert len(images(figure)) == 2 * (2 * 2 + 1)  # the dead have no patch
    assert (images(figure)[4] == 128).all()


def test_a_unit_that_sees_everything_shows_the_whole_image():
    one = stage(1, 2, whole=True)
    patch, projection = evolution_tiles(one, 0)
    assert patch.shape == projection.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(("epochs", "units"), [(1, 1), (8, 2)])
def test_nothing_overlaps_or_leaves_the_page(epochs, units):
    found = evolution(EPOCHS[:epochs], units, dead=(0,))
    names = ["a class with a name that goes on and on, as some do"] * units
    title = "a run with a name that goes on and on: units of a layer whose path goes on and on too"
    caption = "some long words on the network and on its images, " * 5
    figure = evolution_figure(found, title=title, caption=caption, names=names, classes=[names] * epochs)
    apart(figure, silent=epochs)


def apart(figure, silent=0):
    """Nothing overlaps but what is written into so many silent tiles."""
    FigureCanvasAgg(figure).draw()  # puts labels of axes in their places
    page = figure.bbox
    tiles = [image.get_window_extent() for image in artists(figure)]
    spoken = [axes.texts for axes in figure.axes] + [figure.texts]
    spoken += [[axes._left_title, axes.xaxis.label] for axes in figure.axes if axes.axison]
    lines = [text.get_window_extent() for group in spoken for text in group if text.get_text()]
    for box in (*tiles, *lines):
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    inside = [line for line in lines if any(tile.contains(line.x0, line.y0) for tile in tiles)]
    boxes = [box.shrunk(0.98, 0.9) for box in (*tiles, *lines) if box not in inside]
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0
    assert len(inside) == silent


def settling(layers, epochs=EPOCHS):
    """Each layer turns from its own start to nothing, the later the higher it is."""
    angle = torch.zeros(len(layers), len(epochs), dtype=torch.float64)
    for i in range(len(layers)):
        angle[i] = torch.linspace(20.0 + 5 * (i % 12), 0, len(epochs))
    between = (angle[:, :-1] - angle[:, 1:]).abs()
    every = dict.fromkeys(MEASURES, angle), dict.fromkeys(MEASURES, between)
    return Settling(tuple(epochs), tuple(layers), (8,) * len(layers), *every)


def test_lines_and_table_of_settling():
    found = settling(["conv1", "conv2", "fc3"], (1, 5, 10))
    figure = settling_figure(found, within=11, title="run: settling", caption="tiny")
    first, second, table = figure.axes
    for i in range(3):
        np.testing.assert_array_equal(first.lines[i].get_xdata(), (1, 5, 10))
        np.testing.assert_array_equal(first.lines[i].get_ydata(), found.to_last["angle"][i])
        np.testing.assert_array_equal(second.lines[i].get_xdata(), (5, 10))
        np.testing.assert_array_equal(second.lines[i].get_ydata(), found.between["angle"][i])
        assert first.lines[i].get_color() == second.lines[i].get_color() == table.lines[i].get_color()
    assert len({line.get_color() for line in table.lines}) == 3
    assert list(first.lines[3].get_ydata()) == [11, 11]
    rows = [text.get_text() for text in table.texts]
    assert rows == [
        "layer",
        "below 11° from epoch",
        "conv1",
        "5",
        "conv2",
        "10, the last",
        "fc3",
        "10, the last",
    ]
    said = " ".join(texts(figure))
    assert {"run: settling", "1", "5", "10"} <= set(texts(figure))
    assert first.get_title("left") == "angle to the filters of epoch 10, degrees"
    assert "falls to zero" in said
    assert first.get_ylim()[1] > 30
    apart(figure)
    wide = settling_figure(found, within=90, title="").axes[0]  # a far threshold leaves the lines their room
    assert len(wide.lines) == 3
    assert wide.get_ylim()[1] < 35


@pytest.mark.parametrize(("count", "epochs"), [(1, (1, 2)), (24, EPOCHS)])
def test_settling_of_few_and_of_many_layers(count, epochs):
    layers = [f"layer{i}.0.a.path.that.goes.on.conv{i}" for i in range(count)]
    figure = settling_figure(settling(layers, epochs), within=15, title="run", caption="on tiny")
    apart(figure)
    assert all(text.get_text().startswith("…") for text in figure.axes[2].texts[2::2])
