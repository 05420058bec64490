"""The figure of a segmentation, by what is drawn in it and where."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from deconvviz.figures import segmentation_figure
from deconvviz.figures.heat import heat_scale, heat_tile
from deconvviz.figures.segmentation import BACKGROUND, OBJECT, mask_tile, object_tile, seeds_tile
from deconvviz.gradients.graph_cut import ColourModel
from deconvviz.gradients.segmentation import Box, Segmentation
from deconvviz.tiles import photo_tile

from .support import SIDE, artists, images, noise, texts

ORANGE, BLUE = ([round(255 * part) for part in to_rgb(colour)] for colour in (OBJECT, BACKGROUND))


def model(*weights, first=200):
    means = np.stack([np.full(5, first) - 30 * np.arange(5), np.full(5, 40), np.full(5, 90)], 1)
    return ColourModel(np.array(weights), means.astype(float), np.tile(np.eye(3), (5, 1, 1)))


@pytest.fixture
def found():
    """A square with a hole, of 10 x 20 pixels at row 5, column 12."""
    mask, front, behind = np.zeros((3, SIDE, SIDE), bool)
    mask[5:15, 12:32] = True
    mask[9, 20] = False
    front[8, 14:18] = True
    behind[30:] = True
    colours = model(0.1, 0.4, 0, 0.3, 0.2), model(1, 0, 0, 0, 0, first=250)
    return Segmentation(mask, Box(5, 12, 10, 20), front, behind, 0.875, 0.00321, *colours)


@pytest.fixture
def heat():
    return noise(SIDE, SIDE, seed=3).abs()


def test_five_pictures_and_two_strips_of_colours(photo, heat, found):
    figure = segmentation_figure(
        photo, heat, found, title="cat: tabby", caption="tiny", taken_for="tabby: 12 %", where="in\nthe photo"
    )
    drawn = images(figure)
    values = heat.numpy()
    seen = photo_tile(photo.numpy())
    wanted = (
        seen,
        heat_tile(values, heat_scale(values)),
        seeds_tile(seen, found),
        mask_tile(found.mask),
        object_tile(seen, found.mask),
    )
    for tile, expected in zip(drawn, wanted, strict=False):
        np.testing.assert_array_equal(tile, expected)
    assert len(drawn) == 5 + 1 + 2  # and the heat map's colours
    words = texts(figure)
    assert {"what the network saw", "cat: tabby", "tabby: 12 %", "in", "the photo"} <= set(words)
    assert "box 20 x 10, from row 5, column 12" in words
    assert "white: the object, 12.4 % of the image" in words
    assert "object: above 0.875; its colours:" in words
    assert "background: below 0.00321; its colours:" in words
    assert any(text.startswith("tiny · ") for text in words)
    places = [image.get_window_extent() for image in artists(figure)]
    assert all(0 <= p.x0 < p.x1 <= figure.bbox.x1 and 0 <= p.y0 < p.y1 <= figure.bbox.y1 for p in places)
    assert sum(a.overlaps(b) for i, a in enumerate(places) for b in places[:i]) == 0


def test_text_stays_below_its_own_picture(photo, heat, found):
    name = "a class with a name that goes on and on for longer than anyone would read"
    figure = segmentation_figure(photo, heat, found, title="", taken_for=name)
    figure.draw_without_rendering()
    pictures = [image.get_window_extent() for image in artists(figure)[:5]]
    below = [t.get_window_extent() for t in figure.axes[0].texts if t.get_window_extent().y1 < pictures[0].y0]
    below = [box for box in below if box.y0 > 0.3 * figure.dpi]  # above the foot
    assert len(below) >= 7
    for box in below:
        (over,) = [p for p in pictures if p.x0 - 1 <= box.x0 < p.x1]
        assert box.x1 <= over.x1 + 0.1 * figure.dpi
    assert any(text.startswith("a class with") and text.endswith("…") for text in texts(figure))


def test_the_box_lies_around_the_object(photo, heat, found):
    figure = segmentation_figure(photo, heat, found, title="")
    shown = [artists(figure)[k].get_window_extent() for k in (0, 4)]
    boxes = [patch for patch in figure.axes[0].patches if to_hex(patch.get_edgecolor()) == OBJECT]
    assert len(boxes) == 2
    for patch, around in zip(boxes, shown, strict=True):
        (x0, y0), (x1, y1) = patch.get_window_extent().get_points()
        pixel = around.width / SIDE
        edges = [(x0 - around.x0) / pixel, (around.y1 - y1) / pixel, (x1 - x0) / pixel, (y1 - y0) / pixel]
        assert edges == pytest.approx([12, 5, 20, 10])


def test_seeds_are_marked(photo, found):
    tile = seeds_tile(photo_tile(photo.numpy()), found)
    assert (tile[8, 14:18] == ORANGE).all()
    assert (tile[30:] == BLUE).all()
    rest = tile[~(found.foreground_seeds | found.background_seeds)].astype(int)
    assert np.ptp(rest, axis=1).max() == 0  # grey
    assert rest.max() <= 0.4 * 255


def test_the_object_keeps_its_colours_within_an_outline(photo, found):
    seen = photo_tile(photo.numpy())
    tile = object_tile(seen, found.mask)
    around = (tile == ORANGE).all(2)
    assert around[5, 12:32].all()
    assert around[14, 12:32].all()
    assert around[8, 20]  # the hole's edge
    assert not around[~found.mask].any()
    np.testing.assert_array_equal(tile[7:13, 14:18], seen[7:13, 14:18])
    assert np.ptp(tile[~found.mask].astype(int), axis=1).max() == 0


def test_colours_are_as_wide_as_their_weight(photo, heat, found):
    strips = images(segmentation_figure(photo, heat, found, title=""))[-2:]
    colours, widths = np.unique(strips[0][0], axis=0, return_counts=True)
    assert dict(zip(colours[:, 0].tolist(), widths.tolist(), strict=True)) == {
        200: 20,
        170: 80,
        110: 60,
        80: 40,
    }
    assert strips[0][0, 0].tolist() == [170, 40, 90]  # the heaviest first
    assert (strips[1] == [250, 40, 90]).all()


def test_a_fine_picture_and_a_coarse_map(photo, found):
    figure = segmentation_figure(photo, noise(8, 8).abs(), found, title="")
    assert [tile.shape for tile in images(figure)[:3]] == [(SIDE, SIDE, 3), (8, 8, 3), (SIDE, SIDE, 3)]


def test_an_object_that_is_everything(photo, heat, found):
    everything = np.ones_like(found.mask)
    whole = Segmentation(
        everything,
        Box(0, 0, SIDE, SIDE),
        everything,
        ~everything,
        1,
        0,
        model(1, 0, 0, 0, 0),
        found.background_colours,
    )
    assert "white: the object, 100.0 % of the image" in texts(
        segmentation_figure(photo, heat, whole, title="")
    )
    assert not (object_tile(photo_tile(photo.numpy()), everything) == ORANGE).all(2).any()
