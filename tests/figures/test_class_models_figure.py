"""The figure of class models, by what is drawn in it."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz.figures import class_models_figure, save_figure
from deconvviz.figures.class_models import coloured_tiles, signed_tiles
from deconvviz.tiles import ZERO

from .support import SIDE, artists, images, noise, texts

LONG = "a class with a name that is far too long for the picture that stands above it"


def figure(count, *, classes=True, values=None, names=None, **words):
    pictures = coloured_tiles(noise(count, 3, SIDE, SIDE).sigmoid())
    named = names or [f"class {k}" for k in range(count)]
    probabilities = [0.987] * count if classes else None
    return class_models_figure(
        pictures, named, values or [12.345] * count, probabilities, **{"title": "mini", **words}
    )


def written(drawn):
    return [text for text in drawn.axes[0].texts if text.get_text()]


def test_every_picture_stands_above_its_name_and_what_it_reaches():
    drawn = figure(3, values=[26.04, -1.5, 0.0], legend="found by climbing", caption="mini, seed 0")
    shown = coloured_tiles(noise(3, 3, SIDE, SIDE).sigmoid())
    for image, expected in zip(images(drawn), shown, strict=True):
        np.testing.assert_array_equal(image, expected)
    assert [text.get_text() for text in written(drawn)] == [
        *["mini", "found by climbing", "mini, seed 0"],
        *["class 0", "score 26 · probability 98.7 %", "class 1", "score -1.5 · probability 98.7 %"],
        *["class 2", "score 0 · probability 98.7 %"],
    ]
    drawn.draw_without_rendering()
    places = {text.get_text(): text.get_window_extent() for text in written(drawn)}
    for k, image in enumerate(artists(drawn)):
        box, name = image.get_window_extent(), places[f"class {k}"]
        assert name.y1 <= box.y0
        assert name.x0 == pytest.approx(box.x0, abs=2)


def test_units_that_are_off_are_marked():
    drawn = figure(3, classes=False, values=[1.25, 0.0, 2.0], names=["unit 4", "unit 7", "unit 9"])
    assert texts(drawn).count("inactive") == 1
    drawn.draw_without_rendering()
    place = next(t for t in drawn.axes[0].texts if t.get_text() == "inactive").get_window_extent()
    box = artists(drawn)[1].get_window_extent()
    assert (place.x0 + place.x1) / 2 == pytest.approx((box.x0 + box.x1) / 2, abs=1)
    assert "activation 1.25" in texts(drawn)
    assert not any("%" in text for text in texts(drawn))


def test_deviations_are_drawn_around_grey_each_at_its_own_scale():
    deviations = noise(2, 3, SIDE, SIDE)
    deviations[:, :, 0, 0] = 0
    one, other = signed_tiles(deviations)
    weak, same = signed_tiles(deviations * 0.001)
    assert (one[0, 0] == ZERO).all()
    np.testing.assert_array_equal(one, weak)
    np.testing.assert_array_equal(other, same)
    assert (one.min(), one.max()) == (1, 255)
    above = np.moveaxis(deviations[0].numpy(), 0, -1)
    assert (above[one > ZERO] > 0).all()
    assert (above[one < ZERO] < 0).all()
    assert (signed_tiles(deviations * 0)[0] == ZERO).all()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_written(tmp_path, suffix):
    assert save_figure(figure(2), tmp_path / f"figure.{suffix}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("count", "classes"), [(1, True), (1, False), (2, True), (3, True), (7, False), (17, True), (41, False)]
)
def test_any_number_fits_a_page(count, classes):
    drawn = figure(
        count,
        classes=classes,
        values=[-123.456] * count,
        names=[f"{k} {LONG}" for k in range(count)],
        title=LONG * 3,
        legend=LONG * 4,
        caption=LONG * 3,
    )
    drawn.draw_without_rendering()
    assert drawn.get_figwidth() < 8.001
    boxes = [image.get_window_extent() for image in artists(drawn)]
    assert len(boxes) == count
    every = [*boxes, *(text.get_window_extent() for text in written(drawn))]
    for box in every:
        assert 0 <= box.x0 <= box.x1 <= drawn.bbox.x1
        assert 0 <= box.y0 <= box.y1 <= drawn.bbox.y1
    assert not any(a.overlaps(b) for i, a in enumerate(every) for b in every[:i])
