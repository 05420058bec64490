"""Figures of changed features: bands of pictures made from them, each picture with its numbers.

Three experiments are drawn alike: features of one image changed in known ways, features on the way from one
image to another, and features that no image has.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..tiles import Bytes
from .canvas import FAINT, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, picture, words

_GAP, _NAME, _LINE = 0.12, 0.2, 0.135  # inches: between tiles, above one, a line of notes below one
_BAND, _BETWEEN, _HEAD, _FOOT, _TOLD = 0.3, 0.18, 0.55, 0.36, 0.16


@dataclass(frozen=True)
class Cell:
    """A picture with what is said about it.

    Attributes:
        name: above it.
        tile: (H, W, 3) uint8; None leaves the place empty.
        notes: lines below it; of an empty one, in its place.
    """

    name: str
    tile: Bytes | None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Band:
    """Pictures that belong together, in one or more lines.

    Attributes:
        title: what they are made by, and from what.
        cells: in reading order.
        told: a sentence on how to look at them.
    """

    title: str
    cells: Sequence[Cell]
    told: str = ""
    notes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Counts the lines of notes that the longest cell wants."""
        object.__setattr__(
            self, "notes", max((len(c.notes) for c in self.cells if c.tile is not None), default=0)
        )


def perturbing_figure(
    bands: Sequence[Band], *, title: str, notes: Sequence[str] = (), caption: str = "", most: int = 7
) -> Figure:
    """Draws bands of pictures, one below the other.

    Args:
        bands: at least one, each with at least one picture.
        title: the first line.
        notes: what the numbers mean, at the foot.
        caption: the last line.
        most: pictures in a line; a longer band takes several, as even as can be.
    """
    columns = max(_columns(band, most) for band in bands)
    side = 1.6 if columns <= 6 else 1.45
    wide = side + _GAP
    width = max(2 * MARGIN + columns * wide - _GAP, 7.6, 0.105 * len(title) + 2 * MARGIN)
    below = [line for text in notes for line in textwrap.wrap(text, round(18 * (width - 2 * MARGIN)))]
    last = textwrap.wrap(caption, round(18 * (width - 2 * MARGIN)))
    foot = _FOOT + _TOLD * (len(below) + len(last) - 1)
    told = [textwrap.wrap(band.told, round(16.5 * (width - 2 * MARGIN))) for band in bands]
    heights = [_height(band, len(lines), most, side) for band, lines in zip(bands, told, strict=True)]
    sheet = new_sheet(width, _HEAD + sum(heights) + foot)
    top = sheet.get_ylim()[1] - _HEAD
    for band, lines, height in zip(bands, told, heights, strict=True):
        _band(sheet, band, lines, top, most, side)
        top -= height
    for i, line in enumerate([*below, *last[:-1]][::-1]):
        words(sheet, MARGIN, 0.15 + _TOLD * (i + 1), line, 7.5, FAINT)
    head_and_foot(sheet, title, *last[-1:])
    return figure_of(sheet)


def _columns(band: Band, most: int) -> int:
    """How many pictures of a band stand in a line, so that its lines are about equally long."""
    lines = -(-len(band.cells) // most)
    return -(-len(band.cells) // lines)


def _height(band: Band, told: int, most: int, side: float) -> float:
    lines = -(-len(band.cells) // most)
    return _BAND + _TOLD * told + lines * _tall(band, side) + _BETWEEN


def _tall(band: Band, side: float) -> float:
    return _NAME + side + _LINE * band.notes + 0.1


def _band(sheet: Axes, band: Band, told: Sequence[str], top: float, most: int, side: float) -> None:
    columns = _columns(band, most)
    words(sheet, MARGIN, top - 0.16, band.title, 9.5, INK, fontweight="bold")
    for i, line in enumerate(told):
        words(sheet, MARGIN, top - 0.16 - _TOLD * (i + 1), line, 8, FAINT)
    first = top - _BAND - _TOLD * len(told)
    for k, cell in enumerate(band.cells):
        row, column = divmod(k, columns)
        left, above = MARGIN + column * (side + _GAP), first - row * _tall(band, side)
        bottom = above - _NAME - side
        words(sheet, left, above - _NAME + 0.05, cut(cell.name, round(14.5 * side)), 8.5, INK)
        if cell.tile is None:
            for i, line in enumerate(cell.notes):
                words(sheet, left, bottom + side / 2 - _LINE * i, line, 7.5, FAINT)
            continue
        picture(sheet, cell.tile, left, bottom, side, side, edge=True)
        for i, line in enumerate(cell.notes):
            words(sheet, left, bottom - 0.14 - _LINE * i, line, 7.5, FAINT)
