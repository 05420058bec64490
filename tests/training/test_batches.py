"""The order of an epoch, and batches gathered ahead of the step that needs them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deconvviz.training.batches import epoch_order, gathered

CPU = torch.device("cpu")


def test_an_order_has_every_row_once_and_depends_on_seed_and_epoch():
    rows = np.array([1, 4, 5, 9, 12, 40, 41, 42])
    orders = [epoch_order(rows, seed, epoch).tolist() for seed in (0, 1) for epoch in (1, 2)]
    assert all(sorted(order) == rows.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    np.random.seed(3)
    assert epoch_order(rows, 0, 1).tolist() == orders[0]


def test_batches_come_in_their_order():
    values, labels = np.arange(20).reshape(10, 2).astype(np.uint8), np.arange(10)
    wanted = [np.array([3, 1]), np.array([9]), np.array([0, 0, 5])]
    found = list(gathered(values, labels, wanted, CPU))
    assert [v[:, 0].tolist() for v, _ in found] == [[6, 2], [18], [0, 0, 10]]
    assert [n.tolist() for _, n in found] == [[3, 1], [9], [0, 0, 5]]
    assert found[0][0].dtype == torch.uint8


def test_no_batches_are_none():  # what a process has whose share of a few images is empty
    assert list(gathered(np.zeros((2, 1)), np.zeros(2, np.int64), [], CPU)) == []


def test_what_goes_wrong_while_fetching_is_told():
    batches = gathered(np.zeros((2, 1)), np.zeros(2, np.int64), [np.array([0]), np.array([7])], CPU)
    next(batches)
    with pytest.raises(IndexError):
        next(batches)
