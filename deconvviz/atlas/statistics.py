"""What else is known of every unit after a scan: its mean, how often it fires, and how strong its maxima are.

All of it is kept as whole numbers, sums too (in units of 2 to the power of -40), so that sums over parts of a
data set, joined in any order, come out the same to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Ints = NDArray[np.int64]
_FINE = 2.0**40
_MOST = 2**62  # two sums below it can be added
_STEPS = 4  # bins an octave
_OCTAVES = (-8, 12)  # from 1/256 to 4096
_POSITIVE = 2.0 ** (np.arange(_OCTAVES[0] * _STEPS, _OCTAVES[1] * _STEPS + 1) / _STEPS)
EDGES: NDArray[np.float64] = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE])
"""The inner edges of the histogram's bins: four an octave on both sides of zero. A value on an edge belongs
to the bin below it, so that zero, silence, is never counted among what fired."""
BINS = len(EDGES) + 1


@dataclass(frozen=True)
class Statistics:
    """Of each of a layer's C units.

    Attributes:
        images: how many were scanned.
        places: (1) how many places a unit has in all of them together.
        whole: (C) the sum of all activations, its whole part.
        rest: (C) what is left of it, from 0 to 1, in units of 2 to the power of -40.
        fired: (C) in how many images the unit was positive anywhere.
        active: (C) at how many places it was positive.
        histogram: (C, BINS) how many images had their maximum in each bin of `EDGES`.
    """

    images: Ints
    places: Ints
    whole: Ints
    rest: Ints
    fired: Ints
    active: Ints
    histogram: Ints

    @classmethod
    def none(cls, channels: int) -> Statistics:
        """Before any image."""
        one, each = np.zeros(1, np.int64), np.zeros(channels, np.int64)
        return cls(one, one, each, each, each, each, np.zeros((channels, BINS), np.int64))

    @classmethod
    def of(
        cls, maxima: NDArray[np.float32], sums: NDArray[np.float64], active: Ints, places: int
    ) -> Statistics:
        """Of a few images.

        Args:
            maxima: (N, C) the largest activation of each unit in each image.
            sums: (N, C) the sum of its activations over all places of the image.
            active: (N, C) at how many of them it is positive.
            places: of a unit in one image.

        Raises:
            ModelError: the sums are too large to be kept.
        """
        _check(np.abs(sums).sum(0))
        n, channels = maxima.shape
        whole = np.floor(sums)
        bins = np.searchsorted(EDGES, maxima.astype(np.float64), side="left")
        flat = np.arange(channels) * BINS + bins
        histogram = np.bincount(flat.ravel(), minlength=channels * BINS).reshape(channels, BINS)
        return cls(
            np.array([n]),
            np.array([n * places]),
            *_carried(whole.astype(np.int64).sum(0), np.rint((sums - whole) * _FINE).astype(np.int64).sum(0)),
            (maxima > 0).sum(0),
            active.sum(0, dtype=np.int64),
            histogram.astype(np.int64),
        )

    def joined(self, other: Statistics) -> Statistics:
        """Of both together.

        Raises:
            ModelError: the sums are too large to be kept.
        """
        total = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        total["whole"], total["rest"] = _carried(total["whole"], total["rest"])
        _check(np.abs(total["whole"]))
        return Statistics(**total)

    @property
    def channels(self) -> int:
        """How many units."""
        return len(self.fired)

    @property
    def mean(self) -> NDArray[np.float64]:
        """(C) the mean activation over all places of all images."""
        total = self.whole.astype(np.float64) + self.rest / _FINE
        mean: NDArray[np.float64] = total / max(int(self.places[0]), 1)
        return mean


def _check(sums: Ints | NDArray[np.float64]) -> None:
    if sums.max(initial=0) >= _MOST:
        raise ModelError(
            f"the network's activations are too large to be counted: those of a unit add up to "
            f"{float(sums.max()):.3g}, and less than {_MOST:.3g} is kept; scale the weights down"
        )


def _carried(whole: Ints, rest: Ints) -> tuple[Ints, Ints]:
    """The same sum in its one form: what fills a whole number is carried over."""
    carry = rest // int(_FINE)
    return whole + carry, rest - carry * int(_FINE)
