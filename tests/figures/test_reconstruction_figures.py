"""Figures of reconstructions and of decoders' training, by what is drawn in them."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz.figures import Pair, Strip, decoder_curves_figure, pairs_figure, save_figure, strips_figure

from .support import artists, images, texts

SIDE = 12


def tile(number):
    return np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def pairs(start, count):
    return [Pair(tile(2 * i), tile(2 * i + 1), f"{i}.5 $dB$") for i in range(start, start + count)]


def places(figure):
    """Left, right, bottom and top of every image, in inches."""
    return [tuple(image.get_extent()) for image in artists(figure)]


def apart(boxes):
    """Whether no two of them overlap."""
    return all(
        a[1] <= b[0] + 1e-9 or b[1] <= a[0] + 1e-9 or a[3] <= b[2] + 1e-9 or b[3] <= a[2] + 1e-9
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    )


def within(figure):
    """Every text and every image lies within the figure."""
    figure.draw_without_rendering()
    everything = [*figure.texts, *artists(figure), *(text for axes in figure.axes for text in axes.texts)]
    everything += [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)]
    for artist in everything:
        box = artist.get_window_extent()
        assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, artist
        assert figure.bbox.y0 - 1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, artist
    return True


def test_pairs_stand_in_rows_original_left_of_reconstruction():
    groups = [("best", pairs(0, 3)), ("worst", pairs(3, 2))]
    figure = pairs_figure(groups, title="a $title$", caption="foot")
    for drawn, wanted in zip(images(figure), [tile(i) for i in range(10)], strict=True):
        np.testing.assert_array_equal(drawn, wanted)
    found = places(figure)
    assert apart(found)
    for original, reconstruction in zip(found[::2], found[1::2], strict=True):
        assert original[1] < reconstruction[0]
        assert original[2:] == reconstruction[2:]
        assert original[1] - original[0] == pytest.approx(original[3] - original[2])
    assert len({box[2] for box in found[:6]}) == len({box[2] for box in found[6:]}) == 1
    assert found[6][3] < found[0][2]
    assert [box[0] for box in found[6:]] == [box[0] for box in found[:4]]
    said = texts(figure)
    assert {"a $title$", "foot", "best", "worst", *(f"{i}.5 $dB$" for i in range(5))} <= {*said}
    assert (said.count("original"), said.count("reconstruction")) == (3, 3)
    assert within(figure)


def test_a_strip_shows_the_original_then_every_layer():
    strips = [
        Strip(f"cat{i}.png", tile(3 * i), [tile(3 * i + 1), tile(3 * i + 2)], ["a", f"b{i}"]) for i in (0, 1)
    ]
    figure = strips_figure(strips, ["conv2", "fc$8$"], title="a $title$", caption="foot")
    for drawn, wanted in zip(images(figure), [tile(i) for i in range(6)], strict=True):
        np.testing.assert_array_equal(drawn, wanted)
    found = places(figure)
    assert apart(found)
    assert (
        [box[0] for box in found[:3]] == [box[0] for box in found[3:]] == sorted(box[0] for box in found[:3])
    )
    assert found[3][3] < found[0][2]
    said = {*texts(figure)}
    assert said >= {
        "what the network saw",
        "conv2",
        "fc$8$",
        "cat0.png",
        "cat1.png",
        "b0",
        "b1",
        "a $title$",
        "foot",
    }
    assert within(figure)


@pytest.mark.parametrize(("count", "layers"), [(1, 1), (1, 4), (7, 2), (3, 9)])
def test_any_number_of_strips_fits(tmp_path, count, layers):
    names = [f"features.{i}" for i in range(layers)]
    notes = [f"{i}1.1 dB, SSIM 0.{i}1" for i in range(layers)]
    strips = [
        Strip("a rather long name of a photograph.jpeg", tile(i), [tile(i)] * layers, notes)
        for i in range(count)
    ]
    figure = strips_figure(strips, names, title="images from their features", caption="foot")
    assert len(artists(figure)) == count * (layers + 1)
    assert apart(places(figure))
    assert within(figure)
    assert save_figure(figure, tmp_path / "strips.png").stat().st_size > 1000


@pytest.mark.parametrize("counts", [[1], [4, 4, 4], [1, 1, 1], [2, 3]])
def test_any_number_of_pairs_fits(counts):
    figure = pairs_figure([(f"group {i}", pairs(0, n)) for i, n in enumerate(counts)], title="t", caption="c")
    assert len(artists(figure)) == 2 * sum(counts)
    assert apart(places(figure))
    assert within(figure)


def rows(count, best):
    return [
        {
            "epoch": i,
            "train_error": 1 / i,
            "val_error": 0.5 + abs(i - best) / 100,
            "val_psnr": 20 - abs(i - best) / 10,
        }
        for i in range(1, count + 1)
    ]


@pytest.mark.parametrize(("count", "best"), [(1, 1), (5, 2), (30, 29)])
def test_curves_are_the_history(count, best):
    history = rows(count, best)
    figure = decoder_curves_figure(history, title="a $title$", caption="foot")
    error, ratio = figure.axes
    for line, name in zip(error.lines, ("train_error", "val_error"), strict=True):
        assert list(line.get_xdata()) == [row["epoch"] for row in history]
        assert list(line.get_ydata()) == [row[name] for row in history]
    assert [text.get_text() for text in error.get_legend().get_texts()] == [
        "training, as trained on",
        "validation",
    ]
    line, spot = ratio.lines
    assert list(line.get_ydata()) == [row["val_psnr"] for row in history]
    assert line.get_color() == error.lines[1].get_color() != error.lines[0].get_color()
    (note,) = ratio.texts
    assert note.get_text() == f"epoch {best}: 20.00 dB, image error 0.500"
    assert (list(spot.get_xdata()), list(spot.get_ydata())) == ([best], [20])
    assert error.get_ylim()[0] == 0
    assert {"a $title$", "validation PSNR, dB"} <= {*texts(figure)}
    assert "foot · an error of 1 is as far off as another image" in texts(figure)
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch", "epoch"]
    figure.draw_without_rendering()
    assert all(float(tick).is_integer() for axes in figure.axes for tick in axes.get_xticks())
    assert within(figure)


def test_of_equal_epochs_the_first_is_the_best():
    history = [{**row, "val_error": 0.25} for row in rows(4, 2)]
    (note,) = decoder_curves_figure(history, title="").axes[1].texts
    assert note.get_text().startswith("epoch 1: ")
