"""Arrays to tiles: where grey is zero, where the scale ends, where a frame hangs over the edge."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz import tiles


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 3.7e8])
def test_zero_is_the_middle_grey(scale):
    array = np.array([[0.0, -0.0, scale, -scale, 2 * scale, -np.inf]], np.float32)
    assert tiles.signed_tile(array, scale).tolist() == [[128, 128, 255, 1, 255, 1]]


def test_a_picture_of_zeros_is_grey():
    zeros = np.zeros((3, 4, 5), np.float32)
    tile = tiles.signed_tile(zeros, tiles.signed_scale([zeros]))
    assert tile.shape == (4, 5, 3)
    assert tile.dtype == np.uint8
    assert (tile == tiles.ZERO).all()


def test_opposite_signs_are_as_far_from_grey():
    array = noise(3, 40, 40)
    bright, dark = tiles.signed_tile(array, 2.0).astype(int), tiles.signed_tile(-array, 2.0).astype(int)
    np.testing.assert_array_equal(bright - 128, 128 - dark)


def test_levels_rise_with_the_values():
    ramp = np.linspace(-1.2, 1.2, 1000, dtype=np.float32)[None]
    levels = tiles.signed_tile(ramp, 1.0).astype(int)[0]
    assert set(np.diff(levels)) == {0, 1}
    assert (levels[0], levels[-1]) == (1, 255)


def test_channels_go_last():
    array = np.stack([np.full((2, 3), value, np.float32) for value in (-1, 0, 1)])
    assert tiles.signed_tile(array, 1.0)[1, 2].tolist() == [1, 128, 255]
    assert tiles.photo_tile(array)[1, 2].tolist() == [0, 0, 255]


def test_photo_levels():
    array = np.broadcast_to(np.array([[0, 0.25, 0.5, 1, 1.5]], np.float32), (3, 1, 5))
    assert tiles.photo_tile(array)[0, :, 1].tolist() == [0, 64, 128, 255, 255]


def test_scale_is_a_percentile_of_what_is_not_zero():
    values = np.arange(1, 1001, dtype=np.float32)
    array = np.concatenate([values * np.where(values % 2, 1, -1), np.zeros(100_000, np.float32)])
    assert tiles.signed_scale([array]) == pytest.approx(np.percentile(values, 99.5))
    assert tiles.signed_scale([array], percentile=100) == 1000
    assert tiles.signed_scale([array[:500], array[500:]]) == tiles.signed_scale([array])


def test_an_outlier_does_not_turn_the_rest_grey():
    array = noise(3, 64, 64)
    calm = tiles.signed_scale([array])
    array[0, 0, 0] = 1e6
    assert tiles.signed_scale([array]) == pytest.approx(calm, rel=0.05)


@pytest.mark.parametrize("arrays", [[], [np.zeros((3, 2, 2), np.float32)]], ids=["nothing", "zeros"])
def test_scale_of_nothing_is_one(arrays):
    assert tiles.signed_scale(arrays) == 1


def test_positive_levels():
    array = np.array([[-5, 0, 1, 2, 3]], np.float32)
    assert tiles.positive_tile(array, 2.0).tolist() == [[0, 0, 128, 255, 255]]
    assert tiles.positive_tile(array, 0.0).tolist() == [[0] * 5]


def framed_by_hand(image, top, left, height, width):
    frame = np.full((height, width, 3), 255, np.uint8)
    for row in range(height):
        for column in range(width):
            if 0 <= top + row < len(image) and 0 <= left + column < len(image[0]):
                frame[row, column] = image[top + row, left + column]
    return frame


@pytest.mark.parametrize("size", [(3, 3), (1, 1), (20, 25), (4, 2)], ids=str)
@pytest.mark.parametrize("overlaps", [True, False], ids=["over the edge", "beyond it"])
def test_a_frame_is_white_beyond_the_image(size, overlaps):
    height, width = 6, 9
    image = np.random.default_rng(0).integers(0, 250, (height, width, 3), dtype=np.uint8)
    for top in range(-size[0] - 2, height + 3):
        for left in range(-size[1] - 2, width + 3):
            if (-size[0] < top < height and -size[1] < left < width) == overlaps:
                frame = tiles.framed(image, (top, left, *size))
                np.testing.assert_array_equal(frame, framed_by_hand(image, top, left, *size), strict=True)


@pytest.mark.parametrize(("side", "times"), [(1, 256), (11, 23), (100, 3), (163, 2), (224, 1), (1000, 1)])
def test_small_tiles_grow_by_whole_pixels(side, times):
    tile = np.random.default_rng(0).integers(0, 256, (side, max(1, side // 2), 3), dtype=np.uint8)
    large = tiles.enlarged(tile)
    assert large.shape == (side * times, max(1, side // 2) * times, 3)
    np.testing.assert_array_equal(large[::times, ::times], tile)
    np.testing.assert_array_equal(large[times - 1 :: times, times - 1 :: times], tile)


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (3, 7, 1)])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_grid(count, columns, rows, channels):
    cells = [np.full((4, 6, *channels), 10 + i, np.uint8) for i in range(count)]
    sheet = tiles.grid(cells, columns, gap=2, background=200)
    assert sheet.shape == (rows * 6 - 2, columns * 8 - 2, *channels)
    assert sheet.dtype == np.uint8
    covered = np.zeros(sheet.shape, bool)
    for i in range(count):
        top, left = i // columns * 6, i % columns * 8
        assert (sheet[top : top + 4, left : left + 6] == 10 + i).all()
        covered[top : top + 4, left : left + 6] = True
    assert (sheet[~covered] == 200).all()


def test_columns():
    assert [tiles.columns_for(n) for n in (0, 1, 2, 4, 5, 9, 10)] == [1, 1, 2, 2, 3, 3, 4]
    assert tiles.columns_for(100, aspect=4) == 20
