"""Which part of a photograph a network sees: torchvision's resizing and centre crop, as plain arithmetic.

    rows, columns = seen_axes(photo.size, short=256, crop=224)
    columns.to_input(x), rows.to_input(y)             # a pixel of the photograph in the network's pixels

The shorter side is resized to `short` pixels, the longer one in proportion, and the middle square of `crop`
pixels is kept; where the photograph is smaller than that, it gets a border.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..models import Network


class Axis(NamedTuple):
    """One axis of a photograph on its way to a network.

    Attributes:
        side: of the photograph, in pixels.
        resized: the same after resizing.
        first: which of the resized pixels is the first one that is kept; negative where a border is added.
        kept: how many of them the network sees.
    """

    side: int
    resized: int
    first: int
    kept: int

    def to_input(self, place: float) -> float:
        """Where the centre of a photograph's pixel comes to lie, in the network's pixels, from 0.

        Example:
            >>> rows, columns = seen_axes((512, 256), short=256, crop=224)
            >>> columns.to_input(255.5), rows.to_input(16)
            (111.5, 0.0)
        """
        return (place + 0.5) * self.resized / self.side - self.first - 0.5

    def limits(self) -> tuple[int, int]:
        """The first and the last of the photograph's pixels whose centres the network sees."""
        begins, ends = (at * self.side / self.resized - 0.5 for at in (self.first, self.first + self.kept))
        return max(0, math.ceil(begins)), min(self.side, math.ceil(ends)) - 1


def seen_axes(size: tuple[int, int], short: int, crop: int) -> tuple[Axis, Axis]:
    """How the rows and the columns of a photograph become those of the square that a network sees.

    Args:
        size: width and height of the photograph, in pixels.
        short: what its shorter side is resized to.
        crop: the side of the square.

    Returns:
        the axis of the rows, then that of the columns.
    """
    axes = []
    for side in reversed(size):
        resized = short * side // min(size)
        gap = resized - crop
        axes.append(Axis(side, resized, round(gap / 2) if gap >= 0 else -(-gap // 2), crop))
    return axes[0], axes[1]


def seen_by(network: Network, size: tuple[int, int]) -> tuple[Axis, Axis]:
    """The rows and columns of a photograph of this width and height, as the network's own see them."""
    return seen_axes(size, network.resize_size, network.input_size)
