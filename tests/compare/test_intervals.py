"""The bootstrap against its plain form, and against what an interval promises."""

from __future__ import annotations

import numpy as np
import pytest

from deconvviz.compare import intervals
from deconvviz.compare.intervals import mean_intervals


def naive(column, *, resamples=400, seed=0):
    """Sample after sample of one column without gaps; then 2.5 % of the means are cut off at either end."""
    generator, means = np.random.default_rng(seed), []
    for _ in range(resamples):
        drawn = [column[row] for row in generator.integers(0, len(column), len(column))]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return means[resamples * 25 // 1000 - 1], means[resamples * 975 // 1000 - 1]


def test_equals_the_plain_form():
    values = np.random.default_rng(1).gamma(2, size=(23, 3))
    found = mean_intervals(values, resamples=400, seed=5)
    for j in range(3):
        low, high = naive(values[:, j], seed=5)
        assert found.mean[j] == pytest.approx(np.mean(values[:, j]), rel=1e-12)
        assert found.low[j] == pytest.approx(low, rel=1e-12)
        assert found.high[j] == pytest.approx(high, rel=1e-12)
        assert low < found.mean[j] < high


def test_blocks_draw_the_same(monkeypatch):
    values = np.random.default_rng(2).normal(size=(17, 2))
    whole = mean_intervals(values, resamples=300)
    monkeypatch.setattr(intervals, "_ENTRIES", 17 * 7)
    parts = mean_intervals(values, resamples=300)
    np.testing.assert_allclose(parts.low, whole.low, rtol=1e-12)
    np.testing.assert_allclose(parts.high, whole.high, rtol=1e-12)
    assert mean_intervals(values, resamples=300, seed=1).low[0] != whole.low[0]


def test_holds_the_true_mean_about_as_often_as_it_says():
    draws = np.random.default_rng(3).exponential(size=(60, 500))
    found = mean_intervals(draws, resamples=600)
    covered = np.mean((found.low <= 1) & (found.high >= 1))
    assert 0.89 < covered < 0.97
    half = mean_intervals(draws, resamples=600, level=0.5)
    assert 0.42 < np.mean((half.low <= 1) & (half.high >= 1)) < 0.58


def test_a_gap_is_no_value():
    values = np.random.default_rng(4).normal(size=(12, 3))
    values[[2, 5], 1] = np.nan
    values[:, 2] = np.nan
    found = mean_intervals(values, resamples=200)
    alone = mean_intervals(np.delete(values[:, 1:2], [2, 5], axis=0), resamples=200)
    assert found.count.tolist() == [12, 10, 0]
    assert (found.mean[1], found.low[1], found.high[1]) == (alone.mean[0], alone.low[0], alone.high[0])
    assert np.isnan([found.mean[2], found.low[2], found.high[2]]).all()


def test_one_value_has_a_mean_and_no_interval():
    found = mean_intervals(np.array([[3.0], [np.nan]]))
    assert (found.count[0], found.mean[0]) == (1, 3.0)
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_infinity_is_a_value():
    values = np.ones((40, 1))
    values[7] = np.inf
    found = mean_intervals(values, resamples=500)
    assert found.mean[0] == np.inf
    assert found.low[0] == 1  # a third of the samples are without it
    assert found.high[0] == np.inf


def test_nothing_at_all():
    assert mean_intervals(np.empty((0, 2))).count.tolist() == [0, 0]
    assert mean_intervals(np.empty((4, 0))).mean.shape == (0,)
