"""What a scan knows so far: a small thing of fixed size that can be saved, and joined with another's.

both = one.joined(other)                          # of other batches of the same images
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .statistics import Statistics
from .strongest import Strongest


@dataclass(frozen=True, eq=False)
class Scan:
    """The state of a scan.

    Attributes:
        done: (batches) which batches of the images are in it.
        strongest: of the units of each layer; a layer is there as soon as an image has been seen.
        statistics: likewise.
        maps: the height and width of each layer's feature maps; None where it gives vectors.
        problems: the images that were left out, by number, and why; at the end of a scan in mixed precision
            also those that could not be read again, which the statistics have counted.
        uncertain: by layer, for how many units it is not certain that a scan in mixed precision found the
            strongest; empty before the end, and in float32.
    """

    done: NDArray[np.bool_]
    strongest: dict[str, Strongest] = field(default_factory=dict)
    statistics: dict[str, Statistics] = field(default_factory=dict)
    maps: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    uncertain: dict[str, int] = field(default_factory=dict)

    @classmethod
    def none(cls, batches: int) -> Scan:
        """Before any image.

        Args:
            batches: how many the images make.
        """
        return cls(np.zeros(batches, np.bool_))

    @property
    def complete(self) -> bool:
        """Whether every batch is in it."""
        return bool(self.done.all())

    def joined(self, other: Scan) -> Scan:
        """Of both together.

        Args:
            other: of other batches of the same images.

        Raises:
            DataError: both have seen a batch, or they are not of the same images and layers.
        """
        if self.done.shape != other.done.shape or (self.done & other.done).any():
            raise DataError(
                "two scans can be joined only where each has seen other batches of the same images"
            )
        strongest, statistics = dict(self.strongest), dict(self.statistics)
        for layer, found in other.strongest.items():
            there = layer in strongest
            strongest[layer] = strongest[layer].joined(found) if there else found
        for layer, counted in other.statistics.items():
            there = layer in statistics
            statistics[layer] = statistics[layer].joined(counted) if there else counted
        return Scan(
            self.done | other.done,
            strongest,
            statistics,
            {**self.maps, **other.maps},
            dict(sorted({**self.problems, **other.problems}.items())),
            {
                layer: self.uncertain.get(layer, 0) + other.uncertain.get(layer, 0)
                for layer in {**self.uncertain, **other.uncertain}
            },
        )
