"""How far apart the members of a set lie on average: the yardstick of the normalised errors.

    mean_pair_distance(images)             # of ‖x_i − x_j‖ over the pairs i ≠ j
    mean_squared_pair_distance(features)   # of ‖x_i − x_j‖² over all pairs, i = j among them

An error of 1 then means: as far off as another member of the set, drawn blindly.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError

MOST_ROWS = 1000
"""The mean pair distance of larger sets is that of so many evenly spaced members."""
_COLUMNS = 4096  # that are multiplied at a time, so that float64 copies stay small


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count` rows, in order, at equal steps from the first to the last.

    Example:
        >>> evenly_spaced(9, 3).tolist(), evenly_spaced(2, 3).tolist()
        ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def mean_pair_distance(vectors: Tensor, most: int = MOST_ROWS) -> float:
    """The mean Euclidean distance between two different rows, over all pairs.

    Sums and products are in float64. From more than `most` rows that many evenly spaced ones are taken.

    Args:
        vectors: (N, ...), each row taken as one vector.
        most: rows whose pairs are looked at.

    Raises:
        DataError: there are fewer than two rows.
    """
    rows = _rows(vectors)
    rows = rows[torch.from_numpy(evenly_spaced(len(rows), most)).to(rows.device)]
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for columns in torch.split(rows, _COLUMNS, dim=1):
        centred = columns.double() - columns.double().mean(0)  # so that little is lost in the differences
        products += centred @ centred.T
    squares = products.diagonal()
    distances = (squares[:, None] + squares[None] - 2 * products).clamp_min(0).sqrt()
    distances.fill_diagonal_(0)
    return float(distances.sum()) / (len(rows) * (len(rows) - 1))


def mean_squared_pair_distance(vectors: Tensor) -> float:
    """The mean squared Euclidean distance over all pairs of rows, a row and itself among them.

    Exact for any number of rows, since it is twice the mean squared distance to the mean row.

    Args:
        vectors: (N, ...), each row taken as one vector.

    Raises:
        DataError: there are fewer than two rows.
    """
    rows = _rows(vectors)
    spread = 0.0
    for columns in torch.split(rows, _COLUMNS, dim=1):
        spread += float((columns.double() - columns.double().mean(0)).square().sum())
    return 2 * spread / len(rows)


def _rows(vectors: Tensor) -> Tensor:
    if len(vectors) < 2:
        raise DataError(f"distances between pairs want at least two images or features, not {len(vectors)}")
    return vectors.detach().flatten(1)
