"""Rank correlation: whether two maps order their places alike, whatever their scale.

    rank_correlation(maps, others)      # (N,) of Spearman's coefficients, one a pair of rows

Rectified signals are zero in many places, so ties are the rule and not the exception: equal values share the
mean of the ranks that they take together.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rank_correlation(rows: Tensor, others: Tensor) -> Tensor:
    """Spearman's rank correlation of each row with its partner: Pearson's, of the ranks.

    Args:
        rows: (N, ...), each row taken as one list of values.
        others: the same shape.

    Returns:
        (N,) float64 on the CPU: 1 for the same order, about 0 for unrelated ones, -1 for the reverse. NaN
        where all values of a row are equal: they have no order.

    Example:
        >>> rank_correlation(torch.tensor([[1.0, 2.0, 30.0]]), torch.tensor([[0.1, 0.2, 0.3]])).tolist()
        [1.0]
    """
    if rows.shape != others.shape:
        raise ValueError(f"shapes differ: {tuple(rows.shape)}, {tuple(others.shape)}")
    found = []
    for row, other in zip(rows.detach().cpu().flatten(1), others.detach().cpu().flatten(1), strict=True):
        a, b = (ranks - ranks.mean() for ranks in (mean_ranks(row), mean_ranks(other)))
        found.append((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
    return torch.stack(found).clamp(-1, 1) if found else torch.zeros(0, dtype=torch.float64)


def mean_ranks(values: Tensor) -> Tensor:
    """The rank of each value, from 1; equal ones share the mean of theirs.

    Args:
        values: (D,).

    Returns:
        (D,) float64.

    Example:
        >>> mean_ranks(torch.tensor([7.0, 0.0, 0.0])).tolist()
        [3.0, 1.5, 1.5]
    """
    _, which, counts = torch.unique(values, return_inverse=True, return_counts=True)
    means: Tensor = counts.cumsum(0).double() - (counts.double() - 1) / 2
    return means[which]
