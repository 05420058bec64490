"""Rank correlation against a slow twin, and with as many ties as rectified signals have."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deconvviz.metrics import rank_correlation
from deconvviz.metrics.ranks import mean_ranks


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ranks(values):
    """Each value's place among the others, by counting: the smaller ones, and half of its equals."""
    return [sum(w < v for w in values) + (sum(w == v for w in values) + 1) / 2 for v in values]


@pytest.mark.parametrize("make", [noise, lambda *shape, **k: noise(*shape, **k).mul(2).round()])
def test_correlations_are_those_of_counted_ranks(make):
    rows, others = make(3, 2, 4, 5), make(3, 2, 4, 5, seed=1)
    for found, a, b in zip(rank_correlation(rows, others), rows.flatten(1), others.flatten(1), strict=True):
        expected = np.corrcoef(ranks(a.tolist()), ranks(b.tolist()))[0, 1]
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_ranks_of_many_zeros_keep_their_sum():
    values = noise(200_000).clamp_min(0.5) - 0.5  # 140 000 of them share one rank; their sum passes 2 ** 31
    found, n = mean_ranks(values), len(values)
    assert float(found.sum()) == n * (n + 1) / 2
    zeros = int((values == 0).sum())
    assert {*found[values == 0].tolist()} == {(zeros + 1) / 2}
    assert float(found.max()) == n
    assert float(rank_correlation(values[None], values[None] ** 3)) == pytest.approx(1, abs=1e-12)


def test_only_the_order_counts():
    rows, others = noise(2, 50), noise(2, 50, seed=1)
    same = rank_correlation(rows, others)
    torch.testing.assert_close(rank_correlation(rows.exp(), 3 * others - 7), same)
    torch.testing.assert_close(rank_correlation(rows, -others), -same)
    assert rank_correlation(rows, rows).tolist() == pytest.approx([1, 1])


def test_what_has_no_order_has_no_correlation():
    found = rank_correlation(torch.stack([torch.zeros(9), noise(9)]), noise(2, 9, seed=1))
    assert [math.isnan(v) for v in found.tolist()] == [True, False]
    assert found.dtype == torch.float64
    assert rank_correlation(noise(0, 4), noise(0, 4)).shape == (0,)


def test_rows_have_partners():
    with pytest.raises(ValueError, match="shapes differ"):
        rank_correlation(noise(2, 3), noise(2, 4))
