"""Points clicked in a figure, by the events that a canvas gives; and where no window can be opened."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg

from deconvviz.data.points import Point
from deconvviz.errors import OutputError
from deconvviz.figures.canvas import new_figure
from deconvviz.figures.picking import Picker
from deconvviz.figures.window import show

NAMES, PARTS = ["cat.jpg", "dog.jpg"], ["left eye", "nose"]


class Hand:
    """A picker on a canvas without a window, and what a person does to it."""

    def __init__(self, limits=((0, 59, 0, 39), (5, 24, 10, 29))):
        shapes = [(40, 60, 3), (40, 30, 3)]
        self.picker = Picker(NAMES, [np.zeros(shape, np.uint8) for shape in shapes], PARTS, limits)
        self.canvas, self.closed = FigureCanvasAgg(self.picker.figure), 0
        self.picker.connect(self.close)

    def close(self):
        self.closed += 1

    def click(self, x, y, button=1):
        (axes,) = self.picker.figure.axes
        axes.apply_aspect()  # as drawing does
        at = axes.transData.transform((x, y))
        self._happens(MouseEvent("button_press_event", self.canvas, *at, button=button))

    def press(self, key):
        self._happens(KeyEvent("key_press_event", self.canvas, key))

    def _happens(self, event):
        self.canvas.callbacks.process(event.name, event)

    @property
    def says(self):
        figure = self.picker.figure
        return figure.get_suptitle(), figure.axes[0].get_title()


def test_one_photograph_after_the_other():
    hand = Hand()
    assert hand.says == ("Click the left eye", "cat.jpg · photograph 1 of 2")
    hand.click(10, 20)
    assert hand.says[0] == "Click the nose"
    hand.click(30.26, 5)
    assert hand.says == ("Click the left eye", "dog.jpg · photograph 2 of 2")
    assert hand.picker.figure.axes[0].images[0].get_array().shape == (40, 30, 3)
    hand.click(6, 11)
    hand.press("enter")  # too early
    assert not hand.picker.finished
    assert hand.picker.left == 1
    hand.click(20, 29)
    assert hand.says[0] == "All points are set: Enter writes them"
    hand.click(7, 12)  # too late
    assert hand.closed == 0
    hand.press("enter")
    assert hand.picker.finished
    assert hand.closed == 1
    found = {
        image: {part: tuple(p) for part, p in parts.items()} for image, parts in hand.picker.points.items()
    }
    assert list(found) == NAMES
    assert found["cat.jpg"] == {"left eye": pytest.approx((10, 20)), "nose": pytest.approx((30.3, 5))}
    assert found["dog.jpg"] == {"left eye": pytest.approx((6, 11)), "nose": pytest.approx((20, 29))}


def test_backspace_takes_back_also_from_the_photograph_before():
    hand = Hand()
    hand.press("backspace")  # nothing to take
    for x, y in [(10, 20), (30, 5), (6, 11)]:
        hand.click(x, y)
    hand.press("backspace")
    assert hand.says == ("Click the left eye", "dog.jpg · photograph 2 of 2")
    hand.press("backspace")
    assert hand.says == ("Click the nose", "cat.jpg · photograph 1 of 2")
    assert hand.picker.points == {"cat.jpg": {"left eye": Point(10, 20)}}
    assert len(hand.picker.figure.axes[0].lines) == 1
    assert [text.get_text() for text in hand.picker.figure.axes[0].texts] == ["left eye"]
    hand.click(31, 6)
    assert hand.picker.points["cat.jpg"]["nose"] == Point(31, 6)


def test_backspace_after_the_last_point():
    hand = Hand()
    for x, y in [(10, 20), (30, 5), (6, 11), (7, 12)]:
        hand.click(x, y)
    hand.press("backspace")
    hand.press("enter")
    assert not hand.picker.finished
    assert hand.says[0] == "Click the nose"


def test_clicks_that_are_not_taken():
    hand = Hand(limits=((10, 49, 0, 39), (5, 24, 10, 29)))
    hand.click(5, 20)
    assert hand.says == (
        "Click the left eye",
        "That is outside the square that the network sees: click inside the frame",
    )
    hand.click(20, 20, button=3)
    hand._happens(MouseEvent("button_press_event", hand.canvas, 1, 1, button=1))  # beside the photograph
    assert hand.picker.points == {}
    hand.click(9.7, 39.4)  # still on the first pixel that counts
    assert hand.picker.points == {"cat.jpg": {"left eye": Point(10, 39)}}
    assert hand.says[1] == "cat.jpg · photograph 1 of 2"


@pytest.mark.parametrize("backend", ["agg", "Agg", "no_such", "svg"])
def test_without_a_display(monkeypatch, backend):
    monkeypatch.setenv("MPLBACKEND", backend)
    with pytest.raises(OutputError) as caught:
        show(new_figure(2, 2), lambda close: None)
    assert str(caught.value) == "no window can be opened here: write the CSV by hand, columns image,part,x,y"
