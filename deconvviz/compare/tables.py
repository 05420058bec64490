"""A comparison over many images as tables: a row an image, layer and method; and their means with intervals.

    cells = cells_of(compare(network, images, layers))
    for row in table(cells):
        row.layer, row.method, row.count, row.errors["psnr"].mean

An image for which a method has no picture (a layer that does not fire, no decoder) is not in the means, and
`count` says how many are. Intervals are those of `intervals.mean_intervals`, over images.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .answers import Answer, Comparison
from .intervals import RESAMPLES, mean_intervals
from .judging import ERRORS
from .methods import METHODS
from .showing import FITTED

NUMBERS = tuple(name + ending for name in ERRORS for ending in ("", FITTED))
"""The errors of a table, in its order."""
_PLACES = {name: place for place, name in enumerate(METHODS)}


@dataclass(frozen=True)
class Cell:
    """What one method made of one image at one layer, in numbers.

    Attributes:
        image: the image's place among those compared, from 0.
        name: the image's.
        layer: the layer's.
        method: the method's.
        errors: by name, those of `NUMBERS`; none where there is no picture.
        seconds: that it took; NaN where there is no picture.
        unit: channel, row and column of the unit that was projected; empty where the whole layer was used.
        activation: its value; NaN without a unit.
        missing: why there is no picture; else empty.
        advice: what would help.
    """

    image: int
    name: str
    layer: str
    method: str
    errors: Mapping[str, float]
    seconds: float
    unit: tuple[int | None, ...]
    activation: float
    missing: str
    advice: str


@dataclass(frozen=True)
class Mean:
    """The mean of an error over images.

    Attributes:
        mean: NaN where no image has the error.
        low: the lower end of the 95 % interval; NaN with fewer than two images.
        high: its upper end.
        count: how many images have it.
    """

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Row:
    """One method at one layer.

    Attributes:
        layer: the layer's name.
        method: the method's.
        asked: images that it was tried on.
        count: images of which it made a picture.
        errors: by name, those of `NUMBERS`.
        seconds: the median time of an image; NaN without a picture.
        missing: why the others have no picture, each reason with how many images it holds for.
        advice: what would help; else empty.
    """

    layer: str
    method: str
    asked: int
    count: int
    errors: Mapping[str, Mean]
    seconds: float
    missing: Mapping[str, int]
    advice: str


def cells_of(comparisons: Iterable[Comparison], places: Sequence[int] | None = None) -> list[Cell]:
    """The numbers of comparisons, by image, layer and method.

    Args:
        comparisons: one an image.
        places: of the images among all that are compared; None for 0, 1, ...
    """
    found = []
    for number, one in enumerate(comparisons):
        place = number if places is None else places[number]
        found += [
            _cell(place, one.name, one.answers[layer, method])
            for layer in one.layers
            for method in one.methods
        ]
    return found


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """Sorted by image, then by layer in the order in which these first come, then by method."""
    layers = list(dict.fromkeys(cell.layer for cell in cells))
    return sorted(cells, key=lambda c: (c.image, layers.index(c.layer), _PLACES[c.method]))


def table(cells: Sequence[Cell], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Row]:
    """Means and intervals, a row a layer and method, in the order of `in_order`.

    Args:
        cells: of all images.
        resamples: of the bootstrap.
        seed: of its draws.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    layers = list(dict.fromkeys(cell.layer for cell in cells))
    for cell in sorted(cells, key=lambda c: (layers.index(c.layer), _PLACES[c.method], c.image)):
        groups.setdefault((cell.layer, cell.method), []).append(cell)
    images = sorted({cell.image for cell in cells})
    places = {image: place for place, image in enumerate(images)}
    values = np.full((len(images), len(groups), len(NUMBERS)), np.nan)
    for column, group in enumerate(groups.values()):
        for cell in group:
            values[places[cell.image], column] = [cell.errors.get(name, np.nan) for name in NUMBERS]
    found = mean_intervals(values.reshape(len(images), -1), resamples=resamples, seed=seed)
    shape = len(groups), len(NUMBERS)
    told = [part.reshape(shape) for part in (found.mean, found.low, found.high, found.count)]
    return [
        _row(group, {name: _mean(told, i, j) for j, name in enumerate(NUMBERS)})
        for i, group in enumerate(groups.values())
    ]


def _mean(told: Sequence[np.ndarray], i: int, j: int) -> Mean:
    mean, low, high, count = (part[i, j].item() for part in told)
    return Mean(mean, low, high, count)


def _row(group: Sequence[Cell], errors: Mapping[str, Mean]) -> Row:
    there = [cell for cell in group if not cell.missing]
    return Row(
        layer=group[0].layer,
        method=group[0].method,
        asked=len(group),
        count=len(there),
        errors=errors,
        seconds=statistics.median(cell.seconds for cell in there) if there else float("nan"),
        missing=Counter(cell.missing for cell in group if cell.missing),
        advice=next((cell.advice for cell in group if cell.missing and cell.advice), ""),
    )


def _cell(place: int, name: str, answer: Answer) -> Cell:
    unit = answer.unit
    return Cell(
        image=place,
        name=name,
        layer=answer.layer,
        method=answer.method,
        errors={name: float(answer.errors[name]) for name in NUMBERS if name in answer.errors},
        seconds=answer.seconds,
        unit=() if unit is None else (unit.channel, unit.row, unit.column),
        activation=answer.activation,
        missing=answer.missing,
        advice=answer.advice,
    )
