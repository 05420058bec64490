"""A map of classes: which class is the most probable at each place, in a colour for each of the commonest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from torch import Tensor

from ..tiles import Bytes
from .canvas import FAINT, HUES, INK, cut, words

NAMED = 6
"""How many classes have a colour of their own."""
_OTHER = "#d4d4d4"
_LINE, _SWATCH = 0.165, 0.1  # inches


@dataclass(frozen=True)
class ClassMap:
    """The classes of a grid of places.

    Attributes:
        cells: (R, C, 3) each place in its class's colour.
        rows: the classes that have a colour, the commonest first: number, colour, share of the places.
        others: how many classes share the last, pale colour.
        others_share: of the places.
    """

    cells: Bytes
    rows: tuple[tuple[int, str, float], ...]
    others: int
    others_share: float


def class_map(classes: Tensor, keep: Sequence[int] = ()) -> ClassMap:
    """Gives the commonest classes of a grid colours, the commonest the first of `HUES`.

    Args:
        classes: (R, C) class numbers.
        keep: classes that get a colour whenever they are there at all.
    """
    grid = classes.cpu().numpy()
    numbers, counts = np.unique(grid, return_counts=True)
    commonest = sorted(zip(numbers.tolist(), counts.tolist(), strict=True), key=lambda row: -row[1])
    first = sorted(commonest, key=lambda row: row[0] not in keep)[:NAMED]
    chosen = [row for row in commonest if row in first]
    cells = np.broadcast_to(_bytes(_OTHER), (*grid.shape, 3)).copy()
    rows = []
    for hue, (number, count) in zip(HUES, chosen, strict=False):
        cells[grid == number] = _bytes(hue)
        rows.append((number, hue, count / grid.size))
    others = 1 - sum(count for _, count in chosen) / grid.size
    return ClassMap(cells, tuple(rows), len(commonest) - len(chosen), others)


def class_legend(
    sheet: Axes,
    found: ClassMap,
    names: Mapping[int, str],
    left: float,
    top: float,
    room: int,
    notes: Mapping[int, str] | None = None,
) -> None:
    """Lists a map's classes under it: colour, name and share of the places.

    Args:
        sheet: from `new_sheet`.
        found: the map.
        names: of the classes, by number.
        left: of the list, in inches.
        top: of the list, in inches; it is at most seven lines of 0.165 inches high.
        room: characters a line has; longer names are cut.
        notes: a word that stands behind a class's share.
    """
    lines = [
        (names[number], share, colour, (notes or {}).get(number, "")) for number, colour, share in found.rows
    ]
    if found.others:
        what = f"{found.others} other class{'es' if found.others > 1 else ''}"
        lines.append((what, found.others_share, _OTHER, ""))
    for k, (name, share, colour, note) in enumerate(lines):
        y = top - _LINE * (k + 1)
        sheet.add_patch(Rectangle((left, y), _SWATCH, _SWATCH, fc=colour, ec="#8a8a8a", lw=0.4))
        behind = f" {_percent(share)}{f' ({note})' if note else ''}"
        name = cut(name, max(room - len(behind), 2))
        words(sheet, left + 0.16, y, name + behind, 8, FAINT if colour == _OTHER else INK)


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _bytes(colour: str) -> Bytes:
    """A colour as three bytes."""
    return np.array([round(255 * part) for part in to_rgb(colour)], dtype=np.uint8)
