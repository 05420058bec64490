"""What is kept of a layer's feature maps in the moment they are there: small numbers, never a map.

Of every image and unit: the largest activation, the sum, and at how many places it is positive. Where the
largest could still be among the unit's strongest, by the bar it has to pass, also its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .statistics import Statistics
from .strongest import NO_IMAGE, Strongest

Ints = NDArray[np.int64]
_CHUNK = 2**18  # activations that are gone through three times while the cache still has them


class Bar(NamedTuple):
    """The weakest that is kept of each of C units: what does not pass it need not be looked at.

    Attributes:
        values: (C,) float32.
        images: (C,) int64; of equal activations those of earlier images pass.
    """

    values: NDArray[np.float32]
    images: Ints

    @classmethod
    def of(cls, strongest: Strongest) -> Bar:
        """What it takes to be among them."""
        images = strongest.images[:, -1]
        return cls(strongest.values[:, -1], np.where(images == NO_IMAGE, np.iinfo(np.int64).max, images))


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is kept of one layer of one batch.

    Attributes:
        statistics: of its C units.
        images: (N) the numbers of its images, without those that could not be read.
        maxima: (N, C) the largest activation of each unit in each of them.
        units: (P,) those that have a candidate.
        candidates: (P, M) of each of them.
        map: height and width; None for vectors.
        finite: whether the activations are numbers.
    """

    statistics: Statistics
    images: Ints
    maxima: NDArray[np.float32]
    units: Ints
    candidates: Strongest
    map: tuple[int, int] | None
    finite: bool


def reduced(features: Tensor, numbers: Ints, bar: Bar | None, per_image: int) -> Reduced:
    """Reduces the features of a batch.

    Args:
        features: (N, C, H, W) maps or (N, C) vectors.
        numbers: (N,) the images' numbers; `NO_IMAGE` where there is none.
        bar: what candidates have to pass; None lets all pass.
        per_image: how many places of one image a unit may keep.
    """
    size = (features.shape[2], features.shape[3]) if features.ndim == 4 else None
    maps = features if size else features[:, :, None, None]
    if maps.dtype in (torch.bfloat16, torch.float16):
        maps = maps.float()
    there = numbers != NO_IMAGE
    maxima, sums, active = (found[there] for found in _totals(maps))
    numbered = numbers[there]
    passing = np.ones(maxima.shape, np.bool_)
    if bar is not None:
        passing = (maxima > bar.values) | ((maxima == bar.values) & (numbered[:, None] < bar.images))
    rows, channels = passing.T.nonzero()[::-1]  # by unit, then by image
    slots = torch.from_numpy(there.nonzero()[0][rows]).to(maps.device)
    values, places = _places(maps, slots, torch.from_numpy(channels).to(maps.device), per_image)
    units, candidates = _by_unit(channels, numbered[rows], values, places)
    finite = bool(np.isfinite(maxima).all() and np.isfinite(sums).all())
    counted = Statistics.of(maxima, sums, active, maps.shape[2] * maps.shape[3]) if finite else None
    return Reduced(
        counted or Statistics.none(maps.shape[1]), numbered, maxima, units, candidates, size, finite
    )


def _totals(maps: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float64], Ints]:
    """(N, C) each: the largest, the sum, and how many are positive."""
    rows = maps.permute(0, 2, 3, 1)
    few = max(1, _CHUNK // max(1, rows[0].numel())) if maps.device.type == "cpu" else len(rows)
    positive = torch.empty_like(rows[:few])
    maxima, sums, active = [], [], []
    for part in torch.split(rows, few):
        maxima.append(part.amax((1, 2)))
        sums.append(part.sum(2).sum(1, dtype=torch.float64))  # rows as they are, then the sum of rows
        active.append(torch.gt(part, 0, out=positive[: len(part)]).sum((1, 2)))
    return (
        (torch.cat(maxima).float() + 0.0).cpu().numpy(),  # no negative zero
        torch.cat(sums).cpu().numpy(),
        torch.cat(active).to(torch.int64).cpu().numpy(),
    )


def _places(
    maps: Tensor, slots: Tensor, channels: Tensor, per_image: int
) -> tuple[NDArray[np.float32], Ints]:
    """(P, M) each: the strongest places of some units in some images, the earlier of equal ones first."""
    flat = maps[slots, channels].flatten(1).float()
    if per_image == 1:
        places = flat.argmax(1, keepdim=True)
    else:
        places = flat.sort(dim=1, descending=True, stable=True).indices[:, :per_image]
    values = flat.gather(1, places) + 0.0
    return values.cpu().numpy(), places.cpu().numpy()


def _by_unit(
    channels: Ints, images: Ints, values: NDArray[np.float32], places: Ints
) -> tuple[Ints, Strongest]:
    """Candidates, sorted by unit, in rows of equal length: what is missing is weaker than anything."""
    units, first, counts = np.unique(channels, return_index=True, return_counts=True)
    each = values.shape[1]
    widest = int(counts.max(initial=0))
    found = Strongest.none(len(units), widest * each)
    row = np.repeat(np.arange(len(units)), counts)
    column = np.arange(len(channels)) - np.repeat(first, counts)
    for to, what in (
        (found.values, values),
        (found.images, np.repeat(images[:, None], each, 1)),
        (found.places, places),
    ):
        to.reshape(len(units), widest, each)[row, column] = what
    return units, found
