"""When each layer stopped changing: how far its filters are from their last state, epoch by epoch.

    found = settling(snapshots_of("runs/mini"))
    found.to_last["angle"]       # (L, E) degrees, mean over a layer's filters; 0 in the last column
    found.settled(15)            # for each layer the epoch from which on it stayed within 15 degrees

A filter is what one unit weights its inputs with: a kernel of a convolution, a row of a fully connected
layer. Three distances are taken between a layer's filters F and G:

- ``angle``: the mean over the filters of the angle between f and g, in degrees; 90 is what unrelated filters
  of many weights have. Its scale does not matter: where batch norms follow, that means nothing, and weight
  decay alone changes it;
- ``cosine``: the mean of 1 - cos of the same angles;
- ``relative``: ``||F - G|| / ||G||``, all filters of the layer together. It sees the scale.

The last snapshot's distance to itself is zero by construction, and a learning rate that falls to zero
brings every layer to rest at the end. What can be compared is which layers come to rest before others.

Source: Zeiler & Fergus 2013, sec. 4.1, who judge by eye: the lower layers converge within a few epochs, the
upper ones after forty to fifty. The measures are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import TrainingError, WeightsError
from ..training.snapshots import Snapshot
from .filter_layers import filter_layers

MEASURES = ("angle", "cosine", "relative")
_ROWS = 256  # filters compared at once, in double precision


@dataclass(frozen=True)
class Settling:
    """Distances between the filters of E snapshots, for L layers.

    Attributes:
        epochs: of the snapshots.
        layers: with filters, first layer first.
        filters: how many each has.
        to_last: by measure: (L, E) float64 distances to the last snapshot.
        between: by measure: (L, E - 1) float64 distances of each snapshot but the first to the one before.
    """

    epochs: tuple[int, ...]
    layers: tuple[str, ...]
    filters: tuple[int, ...]
    to_last: Mapping[str, Tensor]
    between: Mapping[str, Tensor]

    def settled(self, within: float) -> tuple[int | None, ...]:
        """For each layer the epoch at which it had settled, see `settled_epoch`.

        Args:
            within: an angle in degrees.
        """
        return tuple(settled_epoch(self.epochs, row, within) for row in self.to_last["angle"].tolist())


def settled_epoch(epochs: Sequence[int], distances: Sequence[float], within: float) -> int | None:
    """The first snapshot from which on the distance to the last one stays below a threshold.

    Args:
        epochs: of the snapshots.
        distances: of each to the last.
        within: the threshold.

    Returns:
        its epoch; None where only the last one is within, which it always is.

    Example:
        >>> settled_epoch([1, 2, 5, 10], [40, 9, 3, 0], within=10)
        2
        >>> settled_epoch([1, 2, 5, 10], [5, 40, 30, 0], within=10) is None
        True
    """
    outside = [i for i, distance in enumerate(distances) if not distance < within]
    first = outside[-1] + 1 if outside else 0
    return epochs[first] if first < len(epochs) - 1 else None


def settling(snapshots: Sequence[Snapshot]) -> Settling:
    """Compares the filters of all layers after each epoch with those after the last and the one before.

    Args:
        snapshots: of one run, first epoch first; at least two.

    Raises:
        TrainingError: there are fewer than two.
        WeightsError: a snapshot is damaged.

    Example:
        >>> from deconvviz.models.embedded import embedded_weights
        >>> twice = [Snapshot(epoch, embedded_weights(), 0.58) for epoch in (1, 2)]
        >>> settling(twice).to_last["relative"].max().item()
        0.0
    """
    if len(snapshots) < 2:
        raise TrainingError(
            f"{len(snapshots)} snapshot: it takes two to see what changed; train for more epochs"
        )
    last = filters_of(snapshots[-1])
    to_last: list[list[dict[str, float]]] = []
    between: list[list[dict[str, float]]] = []
    before: dict[str, Tensor] = {}
    for snapshot in snapshots:
        now = last if snapshot is snapshots[-1] else filters_of(snapshot)
        to_last.append([distances(now[layer], last[layer]) for layer in last])
        if before:
            between.append([distances(now[layer], before[layer]) for layer in last])
        before = now
    return Settling(
        epochs=tuple(snapshot.epoch for snapshot in snapshots),
        layers=tuple(last),
        filters=tuple(map(len, last.values())),
        to_last=_by_measure(to_last),
        between=_by_measure(between),
    )


def filters_of(snapshot: Snapshot) -> dict[str, Tensor]:
    """The filters of each layer that has some, as (filters, weights), by the layer's name.

    Batch norms that the network folds into its filters (`fold_norms`) are in them.

    Args:
        snapshot: the network after some epoch.

    Raises:
        WeightsError: it is damaged, or holds values that are not numbers.
    """
    found = {}
    for layer in filter_layers(snapshot.network()):
        weight = layer.module.weight.detach()
        if not bool(torch.isfinite(weight).all()):
            raise WeightsError(f"{snapshot.path} holds NaN or infinity in the weights of {layer.name}")
        found[layer.name] = weight.flatten(1)
    return found


def distances(filters: Tensor, others: Tensor) -> dict[str, float]:
    """The three distances between a layer's filters and the same filters at another time.

    A filter of zeros has an angle of 0 to another such, and of 90 degrees to any other filter.

    Args:
        filters: (filters, weights).
        others: the same of the other time; the relative distance is that to their length.

    Example:
        >>> found = distances(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        >>> {name: round(value, 3) for name, value in found.items()}
        {'angle': 90.0, 'cosine': 1.0, 'relative': 2.236}
    """
    angles, squares, length = [], 0.0, 0.0
    for i in range(0, len(filters), _ROWS):
        f, g = filters[i : i + _ROWS].double(), others[i : i + _ROWS].double()
        squares += float((f - g).square().sum())
        length += float(g.square().sum())
        angles.append(_angles(f, g))
    angle = torch.cat(angles)
    relative = (squares / length) ** 0.5 if length else 0.0 if not squares else torch.inf
    return {
        "angle": float(angle.mean().rad2deg()),
        "cosine": float((1 - angle.cos()).mean()),
        "relative": relative,
    }


def _angles(f: Tensor, g: Tensor) -> Tensor:
    """(filters,) in radians; by Kahan's formula, which is exact where filters are the same."""
    one, other = (values / values.norm(dim=1, keepdim=True).clamp(min=1e-300) for values in (f, g))
    return 2 * torch.atan2((one - other).norm(dim=1), (one + other).norm(dim=1))


def _by_measure(rows: list[list[dict[str, float]]]) -> dict[str, Tensor]:
    return {
        name: torch.tensor([[cell[name] for cell in row] for row in rows], dtype=torch.float64).T
        for name in MEASURES
    }
