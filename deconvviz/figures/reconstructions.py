"""Figures of reconstructions: originals beside what decoders make of their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .canvas import FAINT, INK, MARGIN, figure_of, head_and_foot, new_sheet, picture, words

Tile = NDArray[np.uint8]
_SIDE, _GAP, _HEAD, _NOTE = 1.15, 0.06, 0.85, 0.34  # inches: a tile, between tiles, the title, below a tile


@dataclass(frozen=True)
class Pair:
    """An original and its reconstruction.

    Attributes:
        original: (H, W, 3) uint8, what the network saw.
        reconstruction: the same, what the decoder made of its features.
        note: what is printed below.
    """

    original: Tile
    reconstruction: Tile
    note: str


@dataclass(frozen=True)
class Strip:
    """An image and its reconstructions from several layers.

    Attributes:
        name: the image's.
        original: (H, W, 3) uint8, what the network saw.
        reconstructions: one for each column, likewise.
        notes: what is printed below each.
    """

    name: str
    original: Tile
    reconstructions: Sequence[Tile]
    notes: Sequence[str]


def pairs_figure(groups: Sequence[tuple[str, Sequence[Pair]]], *, title: str, caption: str = "") -> Figure:
    """Draws groups of pairs, a row each: the original left, its reconstruction right.

    Args:
        groups: what a row shows (``best``) and its pairs.
        title: the first line.
        caption: the last line.
    """
    most = max(len(pairs) for _, pairs in groups)
    wide, label = 2 * _SIDE + 0.03 + 0.2, 0.75
    high = len(groups) * (_SIDE + _NOTE) + _HEAD + 0.35
    sheet = new_sheet(max(2 * MARGIN + label + most * wide, 6.0), high)
    top = sheet.get_ylim()[1] - _HEAD
    for i, (name, pairs) in enumerate(groups):
        below = top - (i + 1) * (_SIDE + _NOTE) + _NOTE
        words(sheet, MARGIN, below + _SIDE / 2 - 0.05, name, 10, INK)
        for j, pair in enumerate(pairs):
            left = MARGIN + label + j * wide
            if not i:
                words(sheet, left, below + _SIDE + 0.05, "original", 7.5, FAINT)
                words(sheet, left + _SIDE + 0.03, below + _SIDE + 0.05, "reconstruction", 7.5, FAINT)
            picture(sheet, pair.original, left, below, _SIDE, _SIDE)
            picture(sheet, pair.reconstruction, left + _SIDE + 0.03, below, _SIDE, _SIDE)
            words(sheet, left, below - 0.15, pair.note, 7.5, FAINT)
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def strips_figure(
    strips: Sequence[Strip], columns: Sequence[str], *, title: str, caption: str = ""
) -> Figure:
    """Draws a row an image: the original, then its reconstruction from each layer.

    Args:
        strips: at least one.
        columns: the layers' names.
        title: the first line.
        caption: the last line.
    """
    side = 1.9 if len(strips) < 4 else 1.4
    wide, tall = side + _GAP, side + _NOTE
    high = len(strips) * tall + _HEAD + 0.35
    sheet = new_sheet(max(2 * MARGIN + (len(columns) + 1) * wide + 0.1, 6.0), high)
    top = sheet.get_ylim()[1] - _HEAD
    for j, name in enumerate(["what the network saw", *columns]):
        words(sheet, _left(j, wide), top + 0.06, name, 9, INK)
    for i, strip in enumerate(strips):
        _draw(sheet, strip, top - (i + 1) * tall + _NOTE, side, wide)
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def _left(column: int, wide: float) -> float:
    return MARGIN + column * wide + (0.1 if column else 0)


def _draw(sheet: Axes, strip: Strip, below: float, side: float, wide: float) -> None:
    tiles = [strip.original, *strip.reconstructions]
    notes = [strip.name[: round(17 * side)], *strip.notes]
    for j, (tile, note) in enumerate(zip(tiles, notes, strict=True)):
        picture(sheet, tile, _left(j, wide), below, side, side)
        words(sheet, _left(j, wide), below - 0.16, note, 7.5, FAINT)
