"""The figure of class models: a grid of the images that classes, or other units, answer to most.

Source: the arrangement of Simonyan et al. 2013, "Deep Inside Convolutional Networks", fig. 1.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .. import tiles
from .canvas import FAINT, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words

_PAGE = 8.0  # inches
_GAP, _LABEL, _LINE = 0.12, 0.36, 0.16  # inches: between tiles, below one, a line of the legend
_LETTER = 0.0072  # inches: a letter's width, of a type of one point


def coloured_tiles(pixels: Tensor) -> list[tiles.Bytes]:
    """Images in [0, 1] as they are: (N, 3, H, W) to N tiles (H, W, 3)."""
    return [tiles.photo_tile(image) for image in pixels.float().cpu().numpy()]


def signed_tiles(deviations: Tensor) -> list[tiles.Bytes]:
    """Deviations from the mean colour around grey, each at its own scale: (N, 3, H, W) to N tiles."""
    arrays = deviations.float().cpu().numpy()
    return [tiles.signed_tile(array, tiles.signed_scale([array])) for array in arrays]


def class_models_figure(
    pictures: Sequence[tiles.Bytes],
    names: Sequence[str],
    values: Sequence[float],
    probabilities: Sequence[float] | None = None,
    *,
    title: str,
    legend: str = "",
    caption: str = "",
) -> Figure:
    """Draws images as a grid, each above its name and what it reaches.

    Args:
        pictures: (H, W, 3) uint8 each, from `coloured_tiles` or `signed_tiles`; at least one.
        names: what each class or unit is called.
        values: the scores of classes, or the activations of other units; a unit at zero is marked inactive.
        probabilities: of classes, in [0, 1]; None for other units.
        title: the first line.
        legend: below it, in as many lines as that takes: what is to be seen.
        caption: at the bottom, likewise.

    Returns:
        a figure at most a page wide.
    """
    columns, side = _layout(len(pictures))
    rows = math.ceil(len(pictures) / columns)
    wide, tall = side + _GAP, side + _LABEL
    width = max(2 * MARGIN + columns * wide - _GAP, 5.0)
    told, noted = (
        textwrap.wrap(text, int((width - 2 * MARGIN) / (size * _LETTER)))
        for text, size in ((legend, 8.5), (caption, 7.5))
    )
    foot = 0.3 + 0.13 * max(len(noted), 1)
    head = 0.5 + _LINE * len(told)
    sheet = new_sheet(width, head + rows * tall + foot)
    top = sheet.get_ylim()[1]
    head_and_foot(sheet, _cut(title, width - 2 * MARGIN, 13))
    for i, line in enumerate(told):
        words(sheet, MARGIN, top - 0.53 - _LINE * i, line, 8.5, FAINT)
    for i, line in enumerate(reversed(noted)):
        words(sheet, MARGIN, 0.15 + 0.13 * i, line, 7.5, FAINT)
    for k, tile in enumerate(pictures):
        left = MARGIN + k % columns * wide
        below = top - head - k // columns * tall - side
        picture(sheet, tile, left, below, side, side, edge=True)
        reached = None if probabilities is None else probabilities[k]
        _label(sheet, names[k], values[k], reached, left, below, side)
    return figure_of(sheet)


def _layout(count: int) -> tuple[int, float]:
    """How many columns, and how large the tiles are: at most a page wide."""
    if count <= 2:
        return count, 4.5 if count == 1 else 2.9
    columns = 3 if count in (3, 5, 6, 9) else 4 if count <= 16 else 5 if count <= 40 else 10
    return columns, (_PAGE - 2 * MARGIN + _GAP) / columns - _GAP


def _label(
    sheet: Axes, name: str, value: float, probability: float | None, left: float, below: float, side: float
) -> None:
    """A name and what was reached, under a tile; over it, that a unit is inactive."""
    size = 9 if side > 1.6 else 7.5 if side > 1 else 5.5
    words(sheet, left, below - 0.15, _cut(name, side, size), size)
    if probability is None:
        reached = f"activation {number(value)}"
    else:
        reached = f"score {number(value)} · {'probability ' if side > 1.6 else ''}{100 * probability:.1f} %"
    if side < 1:
        reached = reached.removeprefix("activation ").removeprefix("score ")
    words(sheet, left, below - 0.28, reached, size - 1.5 if side > 1 else size, FAINT)
    if probability is None and value == 0:
        box = {"boxstyle": "round,pad=0.3", "fc": "black", "ec": "none", "alpha": 0.55}
        centred = {"ha": "center", "va": "center", "bbox": box}
        words(sheet, left + side / 2, below + side / 2, "inactive", size - 0.5, "white", **centred)


def _cut(text: str, room: float, size: float) -> str:
    """As much of a text as so many inches hold."""
    return cut(text, int(room / (size * _LETTER)))
