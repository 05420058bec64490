"""Figures of training, by what is drawn in them: curves, confusions, predictions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from deconvviz.figures import Card, confusion_figure, curves_figure, predictions_figure, save_figure
from deconvviz.figures.predictions import _PLAIN, _RIGHT, _WRONG

from .support import artists, images, texts

ODD = ["50 $ bill_$x$", "<b>cat</b> & dog", "größe 猫"]
"""Names that markup or mathematics would swallow."""


def history(tops):
    """A run of so many epochs with these validation accuracies."""
    return [
        {
            "epoch": epoch,
            "train_loss": 3 / epoch,
            "train_accuracy": 0.9 * top,
            "val_loss": 2 / epoch,
            "val_top1": top,
            "val_top5": (1 + top) / 2,
            "lr": 0.1,
        }
        for epoch, top in enumerate(tops, 1)
    ]


TOPS = [0.1, 0.4, 0.625, 0.5, 0.625, 0.25]


def test_curves_are_the_rows_of_the_history():
    rows = history(TOPS)
    loss, accuracy = curves_figure(rows, title="a run").axes
    drawn = {(panel, line.get_label()): line for panel in (loss, accuracy) for line in panel.lines}
    wanted = {
        (loss, "training (augmented, smoothed labels)"): "train_loss",
        (loss, "validation"): "val_loss",
        (accuracy, "training (augmented), top-1"): "train_accuracy",
        (accuracy, "validation, top-1"): "val_top1",
        (accuracy, "validation, top-5"): "val_top5",
    }
    for key, name in wanted.items():
        np.testing.assert_array_equal(drawn[key].get_xdata(), [1, 2, 3, 4, 5, 6])
        np.testing.assert_array_equal(drawn[key].get_ydata(), [row[name] for row in rows])
        assert key[1] in [text.get_text() for text in key[0].get_legend().get_texts()]
    assert len({line.get_color() for line in accuracy.lines if len(line.get_xdata()) > 1}) == 3


def test_the_best_epoch_is_marked_the_first_of_equals():
    figure = curves_figure(history(TOPS), title="")
    accuracy = figure.axes[1]
    (mark,) = [line for line in accuracy.lines if len(line.get_xdata()) == 1]
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([3], [0.625])
    (note,) = [text for text in accuracy.texts if "at epoch" in text.get_text()]
    assert note.get_text() == "0.625 at epoch 3"
    assert note.xy == (3, 0.625)
    assert accuracy.get_ylim() == (0, 1)


@pytest.mark.parametrize("count", [1, 2, 60])
def test_runs_of_any_length_are_drawn_inside_the_figure(tmp_path, count):
    figure = curves_figure(history(np.linspace(0.1, 0.9, count)), title="tiny on cats", caption="3 images")
    assert save_figure(figure, tmp_path / "curves.png").stat().st_size > 1000
    inside = figure.bbox
    for text in [*figure.texts, *figure.axes[1].texts]:
        place = text.get_window_extent()
        assert inside.x0 <= place.x0 <= place.x1 <= inside.x1, text.get_text()
    assert {"tiny on cats", "3 images", f"0.900 at epoch {count}"} - {*texts(figure)} == (
        set() if count > 1 else {"0.900 at epoch 1"}
    )
    ticks = [tick for panel in figure.axes for tick in panel.get_xticks()]
    assert all(tick == int(tick) for tick in ticks)


CONFUSION = np.array([[6, 3, 1], [0, 10, 0], [2, 0, 6]])


def numbers(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text().isdecimal()]


def test_three_classes_are_named_and_counted_in_per_cent():
    figure = confusion_figure(CONFUSION, ["cat", "dog", "cow"], title="t", caption="28 images")
    (matrix,) = images(figure)
    np.testing.assert_allclose(matrix**2, CONFUSION / CONFUSION.sum(1, keepdims=True))
    assert numbers(figure) == ["60", "30", "10", "100", "25", "75"]  # row by row, without the zeros
    words = texts(figure)
    assert [words.count(name) for name in ("cat", "dog", "cow")] == [2, 2, 2]  # a row and a column each
    assert [text for text in words if "taken for" in text] == [
        "30 % of cat taken for dog",
        "25 % of cow taken for cat",
        "10 % of cat taken for cow",
    ]
    (foot,) = [text for text in words if text.startswith("28 images")]
    assert "numbers are per cent of the true class" in foot
    assert "darker is more" in foot


def test_numbers_stand_in_the_cells_they_count():
    figure = confusion_figure(CONFUSION, ["cat", "dog", "cow"], title="")
    left, right, bottom, top = artists(figure)[0].get_extent()
    found = np.zeros((3, 3))
    for text in figure.axes[0].texts:
        if text.get_text().isdecimal():
            x, y = text.get_position()
            cell = int(3 * (top - y) / (top - bottom)), int(3 * (x - left) / (right - left))
            found[cell] = int(text.get_text())
    np.testing.assert_array_equal(found, 100 * CONFUSION / CONFUSION.sum(1, keepdims=True))


def test_forty_classes_are_drawn_without_numbers():
    random = np.random.default_rng(0)
    confusion = random.integers(0, 4, (40, 40)) + 60 * np.eye(40, dtype=int)
    order = [(7, 3, 50), (0, 39, 40), (12, 13, 30), (39, 0, 20)]
    for true, taken, count in order:
        confusion[true, taken] = count
    names = [f"class number {i}" for i in range(40)]
    figure = confusion_figure(confusion, names, title="forty")
    assert images(figure)[0].shape == (40, 40)
    assert not numbers(figure)
    assert not set(names) & {*texts(figure)}
    listed = [text for text in texts(figure) if "taken for" in text]
    assert len(listed) == 16
    for line, (true, taken, count) in zip(listed, order, strict=False):
        share = round(100 * count / confusion[true].sum())
        assert line == f"{share} % of {names[true]} taken for {names[taken]}"


def test_a_perfect_network_confuses_nothing():
    figure = confusion_figure(np.diag([3, 0, 5]), ["cat", "dog", "cow"], title="")
    assert not [text for text in texts(figure) if "taken for" in text]
    assert numbers(figure) == ["100", "100"]  # nothing is known of the dogs, of which there were none


@pytest.mark.parametrize("classes", [2, 25, 26, 200])
def test_confusions_of_any_size_fit_their_figure(tmp_path, classes):
    names = [f"a rather long name of class {i}" for i in range(classes)]
    confusion = np.random.default_rng(1).integers(0, 9, (classes, classes))
    figure = confusion_figure(confusion, names, title="a network on data: top-1 0.123", caption="9 images")
    assert save_figure(figure, tmp_path / "confusion.png").stat().st_size > 1000
    for text in figure.axes[0].texts:
        place = text.get_window_extent()
        assert place.x0 >= figure.bbox.x0, text.get_text()
        assert place.x1 <= figure.bbox.x1, text.get_text()
        assert place.y0 >= figure.bbox.y0, text.get_text()
        assert place.y1 <= figure.bbox.y1, text.get_text()


def card(name, classes=("cat", "dog", "cow"), probabilities=(0.5, 0.25, 0.125), truth=""):
    pixels = np.random.default_rng(len(name)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Card(pixels, name, classes, probabilities, truth)


def bars(figure):
    """Width in shares of the longest possible, and colour, of each filled bar; and the edges of frames."""
    patches = figure.axes[0].patches
    outlines = [p for p in patches if not p.get_fill()]
    filled = [p for p in patches if p.get_fill()]
    whole = next(p.get_width() for p in outlines if to_hex(p.get_edgecolor()) != _WRONG)
    frames = [p for p in outlines if to_hex(p.get_edgecolor()) == _WRONG]
    return [(round(p.get_width() / whole, 6), to_hex(p.get_facecolor())) for p in filled], frames


def test_bars_are_as_long_as_classes_are_probable():
    figure = predictions_figure([card("a.png")], title="one picture", caption="weights w")
    drawn, frames = bars(figure)
    assert drawn == [(0.5, _PLAIN), (0.25, _PLAIN), (0.125, _PLAIN)]
    assert not frames
    words = texts(figure)
    assert {"a.png", "cat", "dog", "cow", "50.0 %", "25.0 %", "12.5 %", "one picture", "weights w"} <= {
        *words
    }
    assert not any("true class" in text for text in words)
    np.testing.assert_array_equal(images(figure)[0], card("a.png").pixels)


def test_only_pictures_that_are_taken_for_another_class_are_framed():
    cards = [card("right.png", truth="cat"), card("wrong.png", truth="dog"), card("unknown.png")]
    cards.append(card("far_off.png", truth="horse"))
    figure = predictions_figure(cards, title="")
    drawn, frames = bars(figure)
    colours = [colour for _, colour in drawn]
    assert [colours[i : i + 3] for i in range(0, 12, 3)] == [
        [_RIGHT, _PLAIN, _PLAIN],
        [_PLAIN, _RIGHT, _PLAIN],
        [_PLAIN, _PLAIN, _PLAIN],
        [_PLAIN, _PLAIN, _PLAIN],
    ]
    places = [tuple(image.get_extent()) for image in artists(figure)]
    framed = [(f.get_x(), f.get_x() + f.get_width(), f.get_y(), f.get_y() + f.get_height()) for f in frames]
    assert framed == [pytest.approx(places[1]), pytest.approx(places[3])]
    assert {"wrong.png: dog", "unknown.png", "far_off.png: horse"} <= {*texts(figure)}
    assert any("red frame" in text for text in texts(figure))


@pytest.mark.parametrize("count", [1, 2, 6, 7, 12])
@pytest.mark.parametrize("topk", [1, 3, 20])
def test_any_number_of_pictures_fits_without_overlap(count, topk):
    chances = tuple(1 / 2 ** (i + 1) for i in range(topk))
    names = tuple(f"class {i}" for i in range(topk))
    figure = predictions_figure([card(f"{i}.png", names, chances) for i in range(count)], title="many")
    places = [image.get_window_extent() for image in artists(figure)]
    assert len(places) == count
    assert sum(a.overlaps(b) for i, a in enumerate(places) for b in places[:i]) == 0
    for thing in (*artists(figure), *figure.axes[0].patches):
        place = thing.get_window_extent()
        assert figure.bbox.x0 <= place.x0 <= place.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= place.y0 <= place.y1 <= figure.bbox.y1
    assert len(bars(figure)[0]) == count * topk
    lowest = min(patch.get_y() for patch in figure.axes[0].patches)
    assert lowest > 0.25  # inches: above the last line


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_names_are_drawn_literally(tmp_path, suffix):
    figures = {
        "curves": curves_figure(history(TOPS), title=ODD[0], caption=" ".join(ODD)),
        "confusion": confusion_figure(CONFUSION, ODD, title=ODD[1], caption=ODD[2]),
        "predictions": predictions_figure([card("猫$.png", ODD, truth=ODD[0])], title=ODD[0], caption=ODD[1]),
    }
    for name, figure in figures.items():
        path = save_figure(figure, tmp_path / f"{name}.{suffix}")
        if suffix == "svg":
            drawn = path.read_text(encoding="utf-8")
            assert "50 $ bill_$x$" in drawn
            assert "&lt;b&gt;cat&lt;/b&gt; &amp; dog" in drawn
            assert "größe 猫" in drawn
