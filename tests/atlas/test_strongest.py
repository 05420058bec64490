"""One order decides what is stronger: the strongest of parts, joined in any order, are those of the whole."""

from __future__ import annotations

import random

import numpy as np
import pytest

from deconvviz.atlas.reducing import Bar
from deconvviz.atlas.strongest import NO_IMAGE, Strongest

from .naive import as_lists


def candidates(seed, count, channels=3):
    """Few different values, images and places, so that every kind of tie is there; no place twice."""
    draw = random.Random(seed)
    places = [(image, place) for image in range(12) for place in range(4)]
    rows = [[(draw.randint(-2, 2) / 2, *at) for at in draw.sample(places, count)] for _ in range(channels)]
    values, images, flat = (np.array([[one[k] for one in row] for row in rows]) for k in range(3))
    return Strongest(values.astype(np.float32), images, flat)


def part(whole, columns):
    return Strongest(whole.values[:, columns], whole.images[:, columns], whole.places[:, columns])


@pytest.mark.parametrize("seed", range(5))
def test_joined_in_any_order_is_sorted(seed):
    whole = candidates(seed, 40)
    columns = np.random.default_rng(seed).permutation(40)
    found = Strongest.none(3, 7)
    for some in np.split(columns, sorted(random.Random(seed).sample(range(1, 40), 6))):
        found = found.joined(part(whole, some))
    for channel in range(3):
        truth = sorted(as_lists(whole, channel), key=lambda one: (-one[0], one[1], one[2]))
        assert as_lists(found, channel) == truth[:7]
    halves = [Strongest.none(3, 7).joined(part(whole, half)) for half in np.split(columns, 2)]
    for first, second in (halves, halves[::-1]):
        assert as_lists(first.joined(second), 1) == as_lists(found, 1)


def test_what_is_missing_comes_last():
    found = Strongest.none(3, 5).joined(part(candidates(0, 40), [0, 1]))
    assert (found.images[:, :2] != NO_IMAGE).all()
    assert (found.images[:, 2:] == NO_IMAGE).all()
    assert np.isneginf(found.values[:, 2:]).all()


def test_some_units_only():
    before = Strongest.none(3, 4).joined(part(candidates(1, 40), range(10)))
    others = part(candidates(2, 40), range(3))
    of_two, of_all = (
        Strongest(others.values[rows] + 2, others.images[rows], others.places[rows])
        for rows in ([0, 1], [1, 2, 0])  # of unit 2 and 0; of all, unit 1 in whatever way
    )
    found, everything = before.with_some(np.array([2, 0]), of_two), before.joined(of_all)
    assert as_lists(found, 0) == as_lists(everything, 0) != as_lists(before, 0)
    assert as_lists(found, 1) == as_lists(before, 1)
    assert as_lists(found, 2) == as_lists(everything, 2)
    assert before.with_some(np.array([], np.int64), Strongest.none(0, 0)) is before


def test_renumbered():
    found = Strongest.none(1, 3).joined(
        Strongest(np.float32([[2, 1]]), np.array([[0, 2]]), np.array([[4, 5]]))
    )
    assert found.renumbered(np.array([10, 20, 30])).images.tolist() == [[10, 30, NO_IMAGE]]


def test_the_bar_lets_pass_what_would_be_kept():
    found = Strongest.none(3, 6).joined(part(candidates(3, 40), range(20)))
    bar = Bar.of(found)
    for value in (-1.5, -0.5, 0.0, 0.5, 1.0, 1.5):
        for image in range(12):
            one = Strongest(np.full((3, 1), value, np.float32), np.full((3, 1), image), np.full((3, 1), 99))
            joined = found.joined(one)
            kept = (joined.places == 99).any(1)
            passes = (value > bar.values) | ((value == bar.values) & (image < bar.images))
            assert (kept == passes).all()
