"""Units: which activations to project.

A unit is one activation of a layer: a feature map (channel) and a place (row, column) in it. Left without
a place it means the map's strongest place in the image at hand. Units of fully connected layers have a
channel only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import UnitError


@dataclass(frozen=True)
class Unit:
    """One activation.

    Attributes:
        layer: the layer's name, as the user gave it.
        channel: index of the feature map, or of the fc unit.
        row: row in the feature map; None for the strongest place, and for fc units.
        column: column in the feature map; likewise.
        image: index of the image in the batch.
    """

    layer: str
    channel: int
    row: int | None = None
    column: int | None = None
    image: int = 0


def strongest_units(features: Tensor, layer: str, k: int = 9, by: str = "map") -> list[Unit]:
    """The strongest units of each image of a batch, strongest first.

    Args:
        features: (N, C, H, W) feature maps, or (N, C) of a fully connected layer.
        layer: the layer's name.
        k: how many for each image.
        by: ``map`` for the `k` feature maps whose maxima are largest, each at its strongest place;
            ``activation`` for the `k` largest activations of any map at any place.

    Returns:
        N * k units, those of the first image first; ties go to the lower channel, row and column.

    Raises:
        UnitError: `k` is below one, or above the number of maps (or of activations).
    """
    n, channels = features.shape[:2]
    flat = features.reshape(n, channels, -1)
    there = flat.shape[1] * (flat.shape[2] if by == "activation" else 1)
    if not 1 <= k <= there:
        what = "activations" if by == "activation" else "feature maps" if features.ndim == 4 else "units"
        raise UnitError(f"{k} strongest units asked for; {layer} has {there} {what}: ask for 1 to {there}")
    if by == "map":
        # A stable sort of C numbers: `topk` leaves the order of ties open.
        order = flat.amax(2).sort(dim=1, descending=True, stable=True).indices[:, :k]
        picks: list[list[tuple[int, int | None]]] = [[(c, None) for c in row] for row in order.tolist()]
    elif by == "activation":
        picks = [_largest(row, k, flat.shape[2]) for row in flat.flatten(1)]
    else:
        raise UnitError(f"strongest by '{by}'; there are: map, activation")
    width = features.shape[3] if features.ndim == 4 else 1
    units = []
    for image, chosen in enumerate(picks):
        for channel, place in chosen:
            if features.ndim != 4:
                units.append(Unit(layer, channel, image=image))
                continue
            row, column = divmod(int(flat[image, channel].argmax()) if place is None else place, width)
            units.append(Unit(layer, channel, row, column, image))
    return units


def _largest(values: Tensor, k: int, cells: int) -> list[tuple[int, int | None]]:
    """Channel and flat place of the `k` largest of one image's values, ties by index."""
    least = values.topk(k).values[-1]
    candidates = torch.nonzero(values >= least).flatten()
    order = values[candidates].sort(descending=True, stable=True).indices[:k]
    return [divmod(int(i), cells) for i in candidates[order]]


def placed(units: Iterable[Unit], features: Tensor) -> list[Unit]:
    """The same units, each with its place: the strongest of its map where none was given.

    Args:
        units: units of one layer.
        features: (N, C, H, W) or (N, C) of that layer.

    Raises:
        UnitError: a channel, place or image does not exist.
    """
    n, channels, *size = features.shape
    result = []
    for unit in units:
        kind = "feature maps" if size else "units"
        if not 0 <= unit.image < n:
            raise UnitError(f"no image {unit.image} in a batch of {n}")
        if not 0 <= unit.channel < channels:
            raise UnitError(
                f"no unit {unit.channel} in {unit.layer}: it has {channels} {kind}, 0 to {channels - 1}"
            )
        if not size:
            if unit.row is not None or unit.column is not None:
                raise UnitError(f"{unit.layer} is fully connected: its units have no row and column")
            result.append(unit)
            continue
        if unit.row is None or unit.column is None:
            row, column = divmod(int(features[unit.image, unit.channel].argmax()), size[1])
            row, column = (
                (row if unit.row is None else unit.row),
                (column if unit.column is None else unit.column),
            )
            if (unit.row is None) != (unit.column is None):
                raise UnitError(f"unit {unit.channel} of {unit.layer}: give both row and column, or neither")
        else:
            row, column = unit.row, unit.column
        if not (0 <= row < size[0] and 0 <= column < size[1]):
            raise UnitError(
                f"no place ({row}, {column}) in {unit.layer}: its maps are {size[0]} x {size[1]}, "
                f"rows 0 to {size[0] - 1}, columns 0 to {size[1] - 1}"
            )
        result.append(replace(unit, row=row, column=column))
    return result


def activations_of(units: Iterable[Unit], features: Tensor, source: str = "strongest") -> Tensor:
    """The value of each placed unit, or the largest of its ``map`` or ``layer``: (K,)."""
    values = []
    for unit in units:
        of_map = features[unit.image] if source == "layer" else features[unit.image, unit.channel]
        whole = source != "strongest" or unit.row is None
        values.append(of_map.max() if whole else of_map[unit.row, unit.column])
    return torch.stack(values)
