"""The strongest activations of every unit, kept while images go by, and joined exactly.

What is stronger is decided by one order: the larger activation first; of equal ones that of the earlier
image, and in one image the earlier place, row by row. Since the order is total, joining the strongest of two
parts of a data set, in any order, gives the strongest of the whole.

    found = Strongest.none(channels=256, k=9)
    found = found.joined(other)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
NO_IMAGE = -1
"""Stands for the image where a unit has seen fewer images than are kept."""


@dataclass(frozen=True)
class Strongest:
    """The K strongest activations of each of a layer's C units, strongest first.

    Attributes:
        values: (C, K) float32, the activations; minus infinity where there was none.
        images: (C, K) int64, which image of the list; `NO_IMAGE` where there was none.
        places: (C, K) int64, flat, row by row of the feature map; 0 for units of a vector.
    """

    values: Floats
    images: Ints
    places: Ints

    @classmethod
    def none(cls, channels: int, k: int) -> Strongest:
        """Before any image: weaker than anything."""
        nowhere = np.zeros((channels, k), np.int64)
        return cls(np.full((channels, k), -np.inf, np.float32), nowhere + NO_IMAGE, nowhere)

    def joined(self, other: Strongest) -> Strongest:
        """The K strongest of both.

        Args:
            other: of other images, or of other places of the same; the same C, and any number of each.

        Example:
            >>> one = Strongest(np.float32([[3, 1]]), np.array([[0, 2]]), np.array([[5, 5]]))
            >>> two = Strongest(np.float32([[3]]), np.array([[1]]), np.array([[7]]))
            >>> one.joined(two).images
            array([[0, 1]])
        """
        values = np.concatenate([self.values, other.values], 1)
        images = np.concatenate([self.images, other.images], 1)
        places = np.concatenate([self.places, other.places], 1)
        last = np.where(images == NO_IMAGE, np.iinfo(np.int64).max, images)
        order = np.lexsort((places, last, -values), axis=1)[:, : self.values.shape[1]]
        kept = (np.take_along_axis(a, order, 1) for a in (values, images, places))
        return Strongest(*kept)

    def with_some(self, units: Ints, others: Strongest) -> Strongest:
        """The K strongest of these and of others that only some units have; the others' own are kept.

        Args:
            units: (P) which units, each once.
            others: (P, any number) theirs.
        """
        if not len(units):
            return self
        mine = Strongest(self.values[units], self.images[units], self.places[units]).joined(others)
        values, images, places = self.values.copy(), self.images.copy(), self.places.copy()
        values[units], images[units], places[units] = mine.values, mine.images, mine.places
        return Strongest(values, images, places)

    def renumbered(self, numbers: Ints) -> Strongest:
        """The same with other numbers for the images.

        Args:
            numbers: (N) the new number of each; larger ones for later images.
        """
        there = self.images != NO_IMAGE
        images = np.where(there, numbers[np.where(there, self.images, 0)], NO_IMAGE)
        return Strongest(self.values, images, self.places)
