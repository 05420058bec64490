"""How far a mean can be trusted: the percentile bootstrap over images.

    found = mean_intervals(errors)              # (N, M): an image a row, a measure a column
    found.mean, found.low, found.high           # (M,) each

The images were drawn from all that could have been. Drawn again and again from themselves, with replacement,
they show how much their mean would vary: between the 2.5th and the 97.5th percentile of the means of these
samples it lies with 95 %. Nothing is supposed of how errors are distributed; with few images the interval is
too narrow, of ten images it holds the true mean nine times in ten.

Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 10_000
_ENTRIES = 2**22  # of the images drawn at a time


@dataclass(frozen=True)
class Intervals:
    """The means of some columns, each with its interval.

    Attributes:
        count: (M,) how many values stand in each column.
        mean: (M,); NaN where there are none.
        low: (M,) the interval's lower end; NaN where there are fewer than two.
        high: (M,) likewise the upper one.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mean_intervals(
    values: NDArray[np.float64], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Intervals:
    """The mean of each column and the percentile bootstrap's interval around it.

    Columns with values for the same images share the samples, so that what holds between two of them holds
    in every sample. An end is the mean of one of the samples: there is no interpolation.

    Args:
        values: (N, M); NaN is no value, and infinity one.
        level: the share of the samples' means that lie in the interval.
        resamples: how many samples are drawn.
        seed: of the draws.

    Example:
        >>> found = mean_intervals(np.arange(100.0)[:, None])
        >>> found.mean.tolist(), bool(found.low[0] < 49.5 < found.high[0])
        ([49.5], True)
    """
    known = ~np.isnan(values)
    shape = values.shape[1:]
    mean, low, high = (np.full(shape, np.nan) for _ in range(3))
    for rows, columns in _alike(known):
        chosen = values[np.ix_(rows, columns)]
        mean[columns] = chosen.mean(0)
        if len(rows) < 2:
            continue
        means = np.sort(_means(chosen, resamples, seed), axis=0)
        low[columns] = means[_rank((1 - level) / 2, resamples)]
        high[columns] = means[_rank((1 + level) / 2, resamples)]
    return Intervals(known.sum(0), mean, low, high)


def _alike(known: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The columns by the rows in which they have values, where they have any."""
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        rows = np.flatnonzero(patterns[:, number])
        if len(rows):
            yield rows, np.flatnonzero(which.reshape(-1) == number)


def _rank(share: float, resamples: int) -> int:
    """The place, among so many sorted values, of the smallest one that this share of them does not exceed."""
    return min(max(int(np.ceil(round(share * resamples, 6))) - 1, 0), resamples - 1)


def _means(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """The columns' means (resamples, M) in samples of the rows."""
    count = len(values)
    infinite = np.isinf(values)
    finite = np.where(infinite, 0.0, values)
    found = np.empty((resamples, values.shape[1]))
    for first, drawn in _draws(count, resamples, seed):
        means = drawn @ finite / count
        if infinite.any():
            means[drawn @ infinite.astype(float) > 0] = np.inf
        found[first : first + len(drawn)] = means
    return found


def _draws(count: int, resamples: int, seed: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """How often each row is in each sample, (block, count), with the number of the block's first sample."""
    generator = np.random.default_rng(seed)
    block = max(1, _ENTRIES // count)
    for first in range(0, resamples, block):
        size = min(block, resamples - first)
        rows = generator.integers(0, count, (size, count))
        places = rows + count * np.arange(size)[:, None]
        times = np.bincount(places.reshape(-1), minlength=size * count)
        yield first, times.reshape(size, count).astype(np.float64)
