"""The figures of an ablation, by what is drawn in them and where."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deconvviz import Unit
from deconvviz.experiments.ablation import Ablation
from deconvviz.experiments.ablation_means import means_over_images
from deconvviz.experiments.combinations import combinations
from deconvviz.experiments.ways_down import Ablated
from deconvviz.figures import ablation_figure, ablation_means_figure, save_figure

from .support import SIDE, artists, images, noise, texts

WINDOW = [4, 10, 30, 20]


def ablated(codes, units, seed, window=WINDOW, value=0.0625, activations=12.34):
    """Noise inside a window, and nothing at all under the last code."""
    top, left, height, width = window
    pixels = {}
    for number, code in enumerate(codes):
        pixels[code] = torch.zeros(units, 3, SIDE, SIDE)
        drawn = noise(units, 3, height, width, seed=100 * seed + number)
        pixels[code][:, :, top : top + height, left : left + width] = drawn
    pixels[codes[-1]] *= 0
    numbers = {code: torch.full((units,), value, dtype=torch.float64) for code in codes}
    silent = {**numbers, codes[-1]: torch.full((units,), torch.nan, dtype=torch.float64)}
    chosen = tuple(Unit("conv3", 7 + k, 1, 2) for k in range(units))
    values, windows = torch.full((units,), activations), torch.tensor([window] * units)
    return Ablated(chosen, values, windows, pixels, numbers, numbers, silent, silent)


def found(units=1, draws=3, lrn="identity", source="strongest", **options):
    ways = combinations(lrn)
    codes = [each.code for each in ways]
    random = tuple(ablated(codes, units, 1 + k, value=0.1 + 0.01 * k, **options) for k in range(draws))
    return Ablation(ways, ablated(codes, units, 0, **options), random, source, lrn != "identity", "mirror")


def figure(photo, one, **more):
    return ablation_figure(photo, one, title="cat: $conv3$", caption="tiny", **more)


def test_a_column_a_combination_and_a_row_a_network(photo):
    one = found()
    drawn = figure(photo, one, names=["tabby"])
    tiles = images(drawn)
    assert len(tiles) == 1 + 2 * (1 + 8)
    for row, network in enumerate((one.given, one.random[0])):
        patch, *shown = tiles[1 + 9 * row : 10 + 9 * row]
        assert np.array_equal(patch, tiles[0][4:34, 10:30])  # what the unit sees
        for tile, pixels in zip(shown, network.pixels.values(), strict=True):
            inside = pixels[0, :, 4:34, 10:30].permute(1, 2, 0).numpy()
            assert tile.shape == (30, 20, 3)
            assert (tile[inside == 0] == 128).all()
            assert (tile[inside > 0.1] > 128).all()
            assert (tile[inside < -0.1] < 128).all()
            assert (tile.max() > 250) == bool(inside.any())  # at its own scale
    words = texts(drawn)
    assert {"trained", "random weights", "tabby", "unit 7 at 1,2", "activation 12.3"} <= set(words)
    assert words.count("detail 6.2 %") == 8
    assert words.count("r 0.06") == 7
    assert words.count("detail 11.0 ± 1.0 %") == 8
    assert words.count("r 0.11 ± 0.01") == 7
    assert words.count("r –") == words.count("no signal") == 2
    assert any("3 networks, the first one shown" in text for text in words)


def test_ticks_stand_above_their_columns(photo):
    one = found()
    drawn = figure(photo, one)
    drawn.draw_without_rendering()
    columns = [image.get_window_extent() for image in artists(drawn)[2:10]]
    signs = [text for text in drawn.axes[0].texts if text.get_text() in "✓✗"]
    assert len(signs) == 8 * 3
    for column, each in zip(columns, one.combinations, strict=True):
        above = [t for t in signs if column.x0 < t.get_window_extent().x0 < column.x1]
        above.sort(key=lambda t: -t.get_window_extent().y0)
        choices = (each.mask, each.switches, each.backward_relu)
        assert [t.get_text() for t in above] == ["✗✓"[choice] for choice in choices]
        assert [t for t in drawn.axes[0].texts if t.get_text() == each.code]


def test_contrast_normalisation_has_rows_of_its_own(photo):
    one = found(lrn="both")
    drawn = figure(photo, one)
    tiles = images(drawn)
    assert len(tiles) == 1 + 2 * (1 + 16)
    wanted = one.given.pixels["TTFF"][0, :, 4:34, 10:30].permute(1, 2, 0).numpy()
    assert (tiles[1 + 9 + 1][wanted > 0.1] > 128).all()
    words = texts(drawn)
    assert words.count("LRN passed") == words.count("LRN transposed") == 2
    assert words.count("TTF") == 1


@pytest.mark.parametrize(("source", "told"), [("map", "unit 7, whole map"), ("layer", "all units")])
def test_it_says_what_is_projected(photo, source, told):
    words = texts(figure(photo, found(source=source)))
    assert words.count(told) == words.count("largest activation 12.3") == 2
    assert "unit 7 at 1,2" not in words


def test_the_windows_are_marked_where_they_are_not_everything(photo):
    drawn = figure(photo, found())
    drawn.draw_without_rendering()
    frame, scale = artists(drawn)[0].get_window_extent(), SIDE / artists(drawn)[0].get_window_extent().width
    boxes = [p.get_window_extent() for p in drawn.axes[0].patches if p.get_gid() == "window 1"]
    for box in boxes:
        seen = [frame.y1 - box.y1, box.x0 - frame.x0, box.height, box.width]
        assert [side * scale for side in seen] == pytest.approx(WINDOW, abs=0.01)
    assert boxes
    drawn = figure(photo, found(window=[0, 0, SIDE, SIDE]))
    assert not [p for p in drawn.axes[0].patches if p.get_gid()]


def test_a_unit_that_sees_nothing_has_no_tile(photo):
    assert len(images(figure(photo, found(window=[SIDE, 3, 0, 5])))) == 1


@pytest.mark.parametrize(
    ("one", "names"),
    [
        (found(), ["a class with a name that is far too long for the column below it"]),
        (found(units=3, draws=0), ["", "b"]),
        (found(lrn="both", draws=1), []),
        (found(lrn="transpose", activations=-1.2345e-17), []),
    ],
    ids=["long", "three", "lrn", "transposed"],
)
def test_nothing_overlaps(photo, one, names):
    drawn = figure(photo, one, names=names, given="random (seed 12345)")
    drawn.draw_without_rendering()
    boxes = [image.get_window_extent() for image in artists(drawn)]
    inside = ("no signal",)
    apart = [text.get_window_extent() for text in drawn.axes[0].texts if text.get_text() not in inside]
    for box in [*boxes, *apart]:
        assert 0 <= box.x0 <= box.x1 <= drawn.bbox.x1
        assert 0 <= box.y0 <= box.y1 <= drawn.bbox.y1
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert not any(a.overlaps(b) for i, a in enumerate(apart) for b in apart[:i] if a.width and b.width)
    assert not any(a.overlaps(b) for a in apart for b in boxes if a.width)


@pytest.mark.parametrize("lrn", ["identity", "both"])
def test_means_have_a_dot_a_combination(lrn):
    rows = means_over_images([found(lrn=lrn), found(lrn=lrn, draws=1)])
    drawn = ablation_means_figure(rows, title="conv3", caption="tiny")
    drawn.draw_without_rendering()
    kinds = 2 if lrn == "identity" else 4
    for panel, measure in zip(drawn.axes[1:], ("detail", "correlation"), strict=True):
        assert len(panel.containers) == kinds
        for k, bars in enumerate(panel.containers):
            wanted = [row.means[measure] for row in rows[8 * k : 8 * k + 8]]
            assert [float(y) for y in bars.lines[0].get_ydata()] == pytest.approx(wanted, nan_ok=True)
            assert [round(x) for x in bars.lines[0].get_xdata()] == list(range(8))
    labels = [label.get_text().split("\n") for label in drawn.axes[-1].get_xticklabels()]
    assert labels[1] == ["TTF", "✓", "✓", "✗"]
    legend = {text.get_text() for text in drawn.axes[1].get_legend().get_texts()}
    assert {text.partition(",")[0] for text in legend} == {"trained", "random weights"}


def test_they_are_written(tmp_path, photo):
    one = found()
    assert save_figure(figure(photo, one), tmp_path / "figure.svg").stat().st_size > 1000
    means = ablation_means_figure(means_over_images([one]), title="conv3")
    assert save_figure(means, tmp_path / "means.png").stat().st_size > 1000
