"""The figure of occlusion, its cells on the image and its map of classes, by what is drawn in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from deconvviz import Unit
from deconvviz.experiments.occlusion import Occlusion, Whole, squares_of
from deconvviz.figures import Firing, occlusion_figure
from deconvviz.figures.canvas import HUES
from deconvviz.figures.class_map import NAMED, class_map
from deconvviz.figures.heat import heat_bar, heat_tile
from deconvviz.figures.occlusion import value_cells, value_ends
from deconvviz.figures.places import places_tile

from .support import SIDE, artists, images, noise, texts


def found(size=12, stride=7, **changes):
    """With a square on noise: five places an axis, the last of them cut."""
    boxes = squares_of((SIDE, SIDE), size, stride)
    grid = boxes.shape[:2]
    cells = torch.arange(grid.numel()).reshape(grid)
    facts = {
        "layer": "conv5",
        "channel": 42,
        "target": 3,
        "boxes": boxes,
        "size": size,
        "stride": stride,
        "activity": noise(*grid).abs() * 100,
        "score": noise(*grid, seed=1),
        "probability": noise(*grid, seed=2).sigmoid().double(),
        "top_class": torch.where(cells % 4 == 0, 3, cells % 2),
        "whole": Whole(activity=123.4, score=5.6, probability=0.789, top_class=1),
    }
    return Occlusion(**{**facts, **changes})


NAMES = {number: f"name {number}" for number in range(30)}


def firing(name="cat.png", activation=12.345, unit=None):
    tiles = (np.full((9, 11, 3), value, np.uint8) for value in (200, 128))
    return Firing(name, unit or Unit("conv5", 42, 7, 8), activation, *tiles)


def drawn(photo, occlusion=None, firings=None, names=NAMES, **words):
    occlusion = occlusion or found()
    words = {"title": "cat: covered", **words}
    return occlusion_figure(photo, photo.flip(0), occlusion, names, firings or [firing()], **words)


def bytes_of(colour):
    return [round(255 * part) for part in to_rgb(colour)]


def test_a_place_is_drawn_around_its_squares_centre():
    photo = np.zeros((20, 30, 3), np.uint8)
    boxes = squares_of(
        (20, 30), 8, 6
    )  # three rows, the last of them 12 to 20; five columns, the last cut to 6
    cells = np.random.default_rng(0).integers(0, 200, (3, 5, 3), dtype=np.uint8)
    tile = places_tile(photo, cells, boxes)
    times = tile.shape[0] // 20
    assert tile.shape == (20 * times, 30 * times, 3)
    assert tile.shape[1] >= 448
    for r in range(3):
        for c in range(5):
            top, left, height, width = boxes[r, c].tolist()
            middle = int((top + height / 2) * times), int((left + width / 2) * times)
            np.testing.assert_array_equal(tile[middle], cells[r, c])
    middle = tile[4 * times]
    for pixel in range(30):  # centres lie at 4, 10, 16, 22 and 27
        centre = pixel + 0.5
        nearest = int(np.abs(np.array([4, 10, 16, 22, 27]) - centre).argmin())
        inside = 1 <= centre <= 29.5
        expected = cells[0, nearest] if inside else [205] * 3
        np.testing.assert_array_equal(middle[int(centre * times)], expected, err_msg=str(pixel))


def test_one_place_alone_is_as_large_as_its_square():
    photo = np.full((20, 20, 3), 255, np.uint8)
    tile = places_tile(photo, np.zeros((1, 1, 3), np.uint8), torch.tensor([[[2, 4, 10, 10]]]))
    times = tile.shape[0] // 20
    dark = (tile == 0).all(2)
    assert dark[2 * times : 12 * times, 4 * times : 14 * times].all()
    assert dark.sum() == 100 * times * times


def test_classes_get_hues_by_how_common_they_are():
    numbers = [5, 5, 5, 5, 9, 9, 9, 2]
    classes = class_map(torch.tensor(numbers).reshape(2, 4))
    assert classes.rows == ((5, HUES[0], 0.5), (9, HUES[1], 0.375), (2, HUES[2], 0.125))
    assert classes.others == classes.others_share == 0
    assert classes.cells.shape == (2, 4, 3)
    assert classes.cells[0, 0].tolist() == bytes_of(HUES[0])
    assert classes.cells[1, 3].tolist() == bytes_of(HUES[2])


def test_of_many_classes_some_are_named_and_the_one_asked_about_is():
    numbers = [n for n in range(1, 11) for _ in range(n)]  # 55 places: class 10 ten times, class 1 once
    classes = class_map(torch.tensor(numbers).reshape(5, 11), keep=(2, 77))
    named = [number for number, _, _ in classes.rows]
    assert named == [10, 9, 8, 7, 6, 2]
    assert len(named) == NAMED
    assert classes.others == 4
    assert classes.others_share == pytest.approx((1 + 3 + 4 + 5) / 55)
    pale = classes.cells.reshape(-1, 3)[np.array(numbers) == 4]
    assert (pale == pale[0]).all()
    assert pale[0].tolist() not in [bytes_of(hue) for hue in HUES]


def test_colours_go_from_zero_to_the_largest():
    values = np.array([[2.0, 4.0]], np.float32)
    assert value_ends(values, 5.0) == (0, 5)
    assert value_ends(values, 3.0) == (0, 4)
    assert value_ends(-values, -1.0) == (-4, -1)
    assert value_ends(0 * values, 0.0) == (0, 1)
    np.testing.assert_array_equal(value_cells(values, 0, 5), heat_tile(values, 5))
    cells = value_cells(np.array([[np.nan, -4.0, 0.0]], np.float32), -4, 0)
    np.testing.assert_array_equal(cells[0, 1:], heat_bar()[0, [0, -1]])
    assert cells[0, 0].tolist() not in heat_bar()[0].tolist()
    assert value_ends(np.full((2, 2), np.nan, np.float32), 3.0) == (0, 3)


def test_the_panels(photo):
    occlusion = found()
    panels = images(drawn(photo, occlusion))
    example, activity, first_bar, chance, _, patch, projection, classes = panels
    image = np.rint(255 * photo.permute(1, 2, 0).numpy()).astype(np.uint8)
    np.testing.assert_array_equal(example, image[..., ::-1])
    np.testing.assert_array_equal(first_bar, heat_bar())
    high = max(123.4, occlusion.activity.max().item())
    cells = heat_tile(occlusion.activity.numpy(), high)
    np.testing.assert_array_equal(activity, places_tile(image, cells, occlusion.boxes))
    high = max(0.789, occlusion.probability.max().item())
    cells = heat_tile(occlusion.probability.float().numpy(), high)
    np.testing.assert_array_equal(chance, places_tile(image, cells, occlusion.boxes))
    np.testing.assert_array_equal(
        classes, places_tile(image, class_map(occlusion.top_class).cells, occlusion.boxes)
    )
    assert (patch[0, 0, 0], projection[0, 0, 0]) == (200, 128)


def test_what_is_said(photo):
    occlusion = found()
    words = texts(drawn(photo, occlusion, fill="noise", caption="tiny, seed 0"))
    assert {"cat: covered", "activity of unit 42, conv5", "probability of name 3"} <= set(words)
    assert "12 x 12 pixels of noise" in words
    assert "in steps of 7: 5 x 5 = 25 places" in words
    lowest = occlusion.activity.min().item()
    assert f"▲ uncovered: 123, lowest: {lowest:.3g}" in words
    lowest = 100 * occlusion.probability.min().item()
    assert f"▲ uncovered: 78.9 %, lowest: {lowest:.3g} %" in words
    assert f"its score: 5.6, lowest: {occlusion.score.min().item():.3g}" in words
    assert {"name 1 48 % (uncovered)", "name 3 28 %", "name 0 24 %"} <= set(words)
    assert any("with the square centred there" in word for word in words)
    assert any(word.startswith("tiny, seed 0 · projections: grey is zero") for word in words)
    assert "summed over its map" in words
    of_vector = [firing(unit=Unit("fc6", 42))]
    assert "summed over its map" not in texts(drawn(photo, occlusion, of_vector))


def test_the_square_is_framed_where_it_costs_most(photo):
    occlusion = found()
    occlusion.probability[3, 1] = 0.0
    (sheet,) = drawn(photo, occlusion).axes
    box = artists(sheet.figure)[0].get_extent()
    across, down = (box[1] - box[0]) / SIDE, (box[3] - box[2]) / SIDE
    (frame,) = [
        p
        for p in sheet.patches
        if p.get_edgecolor()[:3] == pytest.approx(to_rgb(HUES[0])) and p.get_alpha() == 1
    ]
    top, left, height, width = occlusion.boxes[3, 1].tolist()
    assert frame.get_x() == pytest.approx(box[0] + left * across)
    assert frame.get_y() == pytest.approx(box[3] - (top + height) * down)
    assert (frame.get_width(), frame.get_height()) == pytest.approx((width * across, height * down))


def test_a_square_that_hides_most_of_the_image_is_not_put_on_it(photo):
    image = np.rint(255 * photo.permute(1, 2, 0).numpy()).astype(np.uint8)
    figure = drawn(photo, found(size=SIDE, stride=1))
    np.testing.assert_array_equal(images(figure)[0], image)
    assert "in steps of 1: 1 x 1 = 1 place" in texts(figure)
    assert "the square:" in texts(figure)


def test_other_pictures(photo):
    others = [firing(), firing("a very long name of a file.jpg", 9.87), firing("b.jpg", 0.0)]
    figure = drawn(photo, None, others)
    words = texts(figure)
    assert "unit 42, here and elsewhere" in words
    assert {"this image", "a very long na…", "b.jpg", "fires 9.87 at 7,8", "inactive"} <= set(words)
    assert len(images(figure)) == 6 + 2 * 3


@pytest.mark.parametrize("others", [0, 1, 3])
def test_nothing_overlaps_or_leaves_the_page(photo, others):
    long = {n: f"{n} is a class with a name that goes on and on, as some of ImageNet's do" for n in range(30)}
    many = found(3, 3, top_class=torch.arange(14 * 14).reshape(14, 14) % 20)
    firings = [firing()] + [firing("a very long name of a file.jpg")] * others
    figure = drawn(photo, many, firings, long, fill="the blurred image")
    figure.draw_without_rendering()
    page = figure.bbox
    tiles = [image.get_window_extent() for image in artists(figure)]
    lines = [text.get_window_extent() for axes in figure.axes for text in axes.texts if text.get_text()]
    for box in (*tiles, *lines):
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    boxes = [box.shrunk(0.98, 0.9) for box in (*tiles, *lines)]
    assert [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)] == []


def test_no_numbers_are_said(photo):
    nan = found()
    nan.activity[1, 1] = float("nan")
    figure = drawn(photo, nan)
    assert texts(figure).count("green: not a number") == 1
    assert f"▲ uncovered: 123, lowest: {nan.activity.nan_to_num(nan=9e9).min().item():.3g}" in texts(figure)
