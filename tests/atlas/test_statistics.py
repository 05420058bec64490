"""Sums and counts come out the same to the last bit, whatever the parts and their order."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from deconvviz.atlas.statistics import BINS, EDGES, Statistics
from deconvviz.errors import ModelError


def images(count=30, channels=4, places=9, seed=0):
    """(N, C, places), also negative ones and tiny ones; one unit is silent."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, channels, places)) * 10.0 ** random.integers(
        -6, 4, (count, channels, 1)
    )
    values[:, -1] = 0
    return values.astype(np.float32)


def of(values):
    return Statistics.of(
        values.max(2), values.astype(np.float64).sum(2), (values > 0).sum(2), values.shape[2]
    )


def as_bytes(found):
    return [getattr(found, f.name).tobytes() for f in fields(found)]


@pytest.mark.parametrize("seed", range(4))
def test_parts_in_any_order_give_the_same_bytes(seed):
    values, random = images(seed=seed), np.random.default_rng(seed)
    whole = as_bytes(Statistics.none(4).joined(of(values)))
    parts = np.split(random.permutation(30), [1, 5, 17])
    total = Statistics.none(4)
    for part in parts:
        total = of(values[part]).joined(total)
    assert as_bytes(total) == whole
    assert (total.rest >= 0).all()
    assert (total.rest < 2**40).all()


def test_means_and_counts_are_those_of_all_activations():
    values = images()
    found = of(values)
    np.testing.assert_allclose(found.mean, values.astype(np.float64).mean((0, 2)), rtol=0, atol=1e-11)
    assert (found.fired == (values.max(2) > 0).sum(0)).all()
    assert (found.active == (values > 0).sum((0, 2))).all()
    assert found.images.tolist() == [30]
    assert found.places.tolist() == [30 * 9]
    assert found.channels == 4
    assert (Statistics.none(4).mean == 0).all()


def test_every_maximum_is_in_its_bin():
    values = images()
    found = of(values).histogram
    assert found.shape == (4, BINS)
    for channel in range(4):
        expected = np.zeros(BINS, np.int64)
        for maximum in values[:, channel].max(1).tolist():
            expected[sum(edge < maximum for edge in EDGES.tolist())] += 1
        assert (found[channel] == expected).all()
    silent = found[-1].nonzero()[0]
    assert silent.tolist() == [EDGES.tolist().index(0.0)]  # below or at zero: not among those that fired


def test_sums_of_very_many_images_do_not_run_over():
    one = Statistics(*(np.array([v]) for v in (1, 1, 0, 2**40 - 1, 1, 1)), np.zeros((1, BINS), np.int64))
    total = one
    for _ in range(40):  # doubled as often: more than eight bytes of such rests
        total = total.joined(total)
    assert total.images.tolist() == [2**40]
    np.testing.assert_allclose(total.mean, [1 - 2.0**-40], rtol=1e-15)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_that_are_too_large_are_refused(sign):
    def of_sums(*sums):
        return Statistics.of(
            np.ones((len(sums), 1), np.float32), sign * np.array(sums)[:, None], np.ones((1, 1)), 1
        )

    for sums in ((1e19,), (2.0**61, 2.0**61), (3e38, 3e38)):
        with pytest.raises(ModelError, match="activations are too large to be counted"):
            of_sums(*sums)
    most = of_sums(2.0**61)
    assert most.mean.tolist() == [sign * 2.0**61]
    with pytest.raises(ModelError, match=r"add up to 4\.61e\+18, .*; scale the weights down"):
        most.joined(most)
