"""One of a unit's strongest activations as it is shown: its image patch and its projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .atlas import Entry

NOT_FIRED = "did not fire"
"""The problem of an activation that is zero: there is nothing to project."""
GONE = "image is gone"
"""The problem of an image that is not there any more."""
UNREADABLE = "image cannot be read"
"""How the problem of an image begins that is there, and damaged."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """One of the strongest activations of a unit, in pixels.

    Both tiles have the size of the layer's receptive window before clipping (the whole input where that is
    as large), so that all tiles of a layer are equally large.

    Attributes:
        entry: what the atlas says of it.
        patch: (h, w, 3) uint8, what the unit saw of the image; white beyond the image's edge.
        projection: (3, h, w) float32, signed, in the network's input space; zero beyond the image's edge.
        activation: computed anew; NaN where the image is gone or damaged.
        inside: top, left, height, width of the part of the tile that lies in the image; of no size where
            there is none.
        problem: why it is not what the atlas says, `NOT_FIRED` where the activation is zero, else empty.
    """

    entry: Entry
    patch: NDArray[np.uint8]
    projection: NDArray[np.float32]
    activation: float
    inside: tuple[int, int, int, int]
    problem: str = ""

    @property
    def fired(self) -> bool:
        """Whether there is something to show."""
        return self.problem != NOT_FIRED

    @property
    def gone(self) -> bool:
        """Whether its image could not be read."""
        return self.problem.startswith((GONE, UNREADABLE))

    @property
    def differs(self) -> bool:
        """Whether its image is there, and gives another activation than the atlas has."""
        return bool(self.problem) and self.fired and not self.gone
