"""The receptive windows of many units of one layer at once.

A layer of a network that slides sees, at row i, input rows [a + i s, a + i s + f), cut where the image ends;
and likewise across. What the corners of the map see gives a, s and f, so that the windows of ten thousand
units cost no more than those of a few. Maps that are small, or whose rows do not follow such a line, as
after upsampling, are asked row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..gradients.fields import seen_by
from ..models import Network

Ints = NDArray[np.int64]
_SMALL = 16  # rows: asking each costs less than a second, and adaptive pools give no larger maps


def windows_of(network: Network, layer: str, map_size: Sequence[int] | None, places: Ints) -> Ints:
    """What units of a layer see of the network's input.

    Args:
        network: of any kind.
        layer: name or module path.
        map_size: height and width of the layer's maps; None of vectors.
        places: (N) of each unit, flat, row by row of the map.

    Returns:
        (N, 4) top, left, height, width in pixels, clipped to the input.

    Raises:
        LayerError: there is no such layer.

    Example:
        >>> from deconvviz import load_model
        >>> windows_of(load_model("mini"), "conv1", (64, 64), np.array([0, 65 * 32]))
        array([[ 0,  0,  4,  4], [29, 29,  7,  7]])
    """
    side = network.input_size
    if map_size is None:
        return np.tile(np.array([0, 0, side, side]), (len(places), 1))
    height, width = map_size
    rows = np.arange(max(height, width))  # asked along the diagonal
    if max(height, width) > _SMALL:
        some = [i for n in (height, width) for i in (0, 1, n // 3, n // 2, n // 2 + 1, n - 2, n - 1)]
        rows = np.unique(np.clip(some, 0, max(height, width) - 1))
    diagonal = [(min(int(i), height - 1), min(int(i), width - 1)) for i in rows]
    seen, uncut = (
        t.numpy() for t in seen_by(network, layer, (1, 3, side, side), (1, 1, height, width), diagonal)
    )
    lines = []
    for axis, count in enumerate((height, width)):
        begins, sizes = seen[:, axis], seen[:, axis + 2]
        if len(rows) == max(height, width):
            lines.append((begins[:count], begins[:count] + sizes[:count]))
        elif count > 1 and uncut[0, axis] == uncut[-1, axis]:
            return _row_by_row(network, layer, map_size, places)
        else:
            first, last = _line(uncut[:, axis], uncut[0, axis + 2], begins, begins + sizes, count)
            asked = np.minimum(rows, count - 1)
            there = sizes > 0
            if ((first[asked] != begins) | (last[asked] != begins + sizes))[there].any():
                return _row_by_row(network, layer, map_size, places)
            lines.append((first, last))
    (tops, bottoms), (lefts, rights) = lines
    row, column = np.divmod(places, width)
    return np.stack(
        [tops[row], lefts[column], bottoms[row] - tops[row], rights[column] - lefts[column]], axis=1
    ).astype(np.int64)


def _line(uncut: Ints, size: int, begins: Ints, ends: Ints, count: int) -> tuple[Ints, Ints]:
    """First and last row (exclusive) that each of so many rows of a map sees."""
    first = np.linspace(uncut[0], uncut[-1], count).round().astype(np.int64)
    low = np.maximum(first, begins[0])
    return low, np.maximum(np.minimum(first + size, ends[-1]), low)


def _row_by_row(network: Network, layer: str, map_size: Sequence[int], places: Ints) -> Ints:
    """The same for maps whose rows follow no line: each is asked in the middle of the map, once."""
    height, width = map_size
    side = network.input_size
    down, across = ([int(i) for i in np.unique(axis)] for axis in np.divmod(places, width))
    chosen = [(i, width // 2) for i in down] + [(height // 2, j) for j in across]
    seen = seen_by(network, layer, (1, 3, side, side), (1, 1, height, width), chosen)[0].numpy()
    rows, columns = dict(zip(down, seen, strict=False)), dict(zip(across, seen[len(down) :], strict=True))
    pairs = [(rows[int(p) // width], columns[int(p) % width]) for p in places]
    windows: Ints = np.array([(r[0], c[1], r[2], c[3]) for r, c in pairs], np.int64).reshape(-1, 4)
    return windows
