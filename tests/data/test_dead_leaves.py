"""Dead leaves: the same picture for the same number, and the statistics of natural images."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz.data.datasets import open_data
from deconvviz.data.dead_leaves import CLASSES, SHAPES, TEXTURES, dead_leaves


def opened(**options):
    words = {"train_per_class": 2, "val_per_class": 1, "side": 16, "progress": False, **options}
    return open_data("dead-leaves", **words)


def test_a_picture_depends_on_its_class_number_and_seed_alone():
    first = dead_leaves(3, 5, seed=1, side=16)
    np.random.seed(0)
    np.testing.assert_array_equal(dead_leaves(3, 5, seed=1, side=16), first)
    for other in ((4, 5, 1), (3, 6, 1), (3, 5, 2)):
        assert (dead_leaves(*other, side=16) != first).mean() > 0.5


@pytest.mark.parametrize("side", [8, 16, 64])
@pytest.mark.parametrize("label", range(len(CLASSES)))
def test_every_class_at_every_size(label, side):
    picture = dead_leaves(label, 0, side=side)
    assert picture.shape == (side, side, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10
    assert (picture == 0).all(2).mean() < 0.2  # leaves cover it: no black ground is left


def test_the_size_does_not_change_the_picture():
    large, small = (dead_leaves(1, 0, side=side).astype(float) for side in (64, 16))
    blocks = large.reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert np.corrcoef(blocks.ravel(), small.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("name", SHAPES)
def test_leaves_lie_within_their_bounds_and_cover_alike(name):
    line = np.linspace(-1.5, 1.5, 301)
    x, y = np.meshgrid(line, line)
    inside = SHAPES[name](x, y)
    area = inside.mean() * 9
    assert np.pi / 2 < area < 2 * np.pi
    for angle in np.linspace(0, np.pi, 7):  # painted is the square of 1.5 radii around the middle
        assert abs(x * np.cos(angle) - y * np.sin(angle))[inside].max() < 1.5


@pytest.mark.parametrize("name", TEXTURES)
def test_textures_add_brightness_and_take_it(name):
    x, y = np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 200))
    values = TEXTURES[name](x, y)
    assert values.shape == x.shape
    assert abs(values).max() == (0 if name == "plain" else 1)
    assert abs(values.mean()) < 0.1


def test_the_power_spectrum_falls_as_that_of_natural_images():
    side = 64
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))) * side
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.zeros((side, side))
    for number in range(36):
        grey = dead_leaves(number % len(CLASSES), number, side=side).mean(2)
        power += abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    rings = np.arange(3, 25)
    radial = [power[(frequencies >= r - 0.5) & (frequencies < r + 0.5)].mean() for r in rings]
    slope = np.polyfit(np.log(rings), np.log(radial), 1)[0]
    assert -3 < slope < -1.5


def test_as_a_data_set(cache):
    data = opened()
    assert data.titles == data.ids == CLASSES
    assert data.train.labels.tolist() == [c for c in range(12) for _ in range(2)]
    assert data.val.labels.tolist() == list(range(12))
    assert not set(data.train.names) & set(data.val.names)
    for images in (data.train, data.val):
        for row, name in enumerate(images.names):
            title, number = name.split("/")
            picture = dead_leaves(CLASSES.index(title), int(number), 0, 16)
            np.testing.assert_array_equal(images.pixels[row], picture)


def test_another_seed_is_another_data_set(cache):
    first, other, again = (np.array(opened(seed=seed).train.pixels) for seed in (0, 1, 0))
    assert (first != other).mean() > 0.5
    np.testing.assert_array_equal(first, again)


def test_the_current_folder_does_not_matter(cache, tmp_path, monkeypatch):
    opened()
    count = len(list(cache.iterdir()))
    monkeypatch.chdir(tmp_path)
    opened()
    assert len(list(cache.iterdir())) == count


def test_classes_can_be_named(cache):
    data = opened(only=("striped bars", "plain discs"))
    assert data.titles == ("striped bars", "plain discs")
    assert data.train.names == ("plain discs/1", "plain discs/2", "striped bars/1", "striped bars/2")
    assert data.train.labels.tolist() == [1, 1, 0, 0]
