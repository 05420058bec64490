"""The figure of features during training: one row a unit, one column an epoch.

Source: the arrangement of Zeiler & Fergus 2013, fig. 4, with the image patch below each projection.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import tiles
from .canvas import FAINT, HUES, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words

if TYPE_CHECKING:  # what trains takes a second to import, which every other figure would wait for
    from ..experiments.evolution import Evolution, Stage

_LABEL, _ACROSS, _DOWN, _GAP = 0.95, 0.12, 0.22, 0.04  # inches: a row's name, between cells, in a cell
_PATCH = 0.44  # of a tile's side
_HEAD, _TITLES, _LINE = 0.52, 0.42, 0.155  # inches: the title, the columns' names, a line of text
_LETTER = 0.0072  # inches: a letter's width, of a type of one point
_SAME = HUES[4]
_READING = (
    "A row is a unit, a column the network after so many epochs. Tile: the unit's strongest activation over "
    "the training images, alone, projected to the pixels of the image that holds it. Grey is zero, white "
    "lies beyond the image; every tile has a contrast of its own, so that faint ones are seen too. Below: "
    "that part of the image itself, the activation, the image's class. A blue line joins patches of one "
    "image; where there is none, another image became the strongest."
)


def evolution_figure(
    found: Evolution,
    *,
    title: str,
    caption: str = "",
    names: Sequence[str] = (),
    classes: Sequence[Sequence[str]] = (),
) -> Figure:
    """Draws each unit's projection at each epoch, with the image patch and the activation below it.

    Args:
        found: of K units over E epochs.
        title: the first line.
        caption: at the bottom.
        names: one a unit, such as the class that it scores; printed below its number.
        classes: what each unit's image shows, for E stages K names each.
    """
    epochs, count = len(found.stages), len(found.units)
    large = 2.0 if epochs <= 2 else 1.5 if epochs <= 3 else 1.3 if epochs <= 4 or count <= 2 else 1.15
    tile = large if count <= 6 else min(large, 1.15) if count <= 12 else 0.95
    wide, tall = tile + _ACROSS, tile * (1 + _PATCH) + _GAP + _DOWN
    left = MARGIN + _LABEL
    width = max(left + epochs * wide - _ACROSS + MARGIN, 6.2)
    reading = _wrapped(_READING, width, 8.5)
    noted = _wrapped(caption, width, 7.5)
    head, foot = _HEAD + _LINE * len(reading) + _TITLES, 0.3 + 0.13 * max(len(noted), 1)
    sheet = new_sheet(width, head + count * tall + foot)
    top = sheet.get_ylim()[1]
    head_and_foot(sheet, _cut(title, width - 2 * MARGIN, 13))
    for i, line in enumerate(reading):
        words(sheet, MARGIN, top - 0.55 - _LINE * i, line, 8.5, FAINT)
    for i, line in enumerate(reversed(noted)):
        words(sheet, MARGIN, 0.15 + 0.13 * i, line, 7.5, FAINT)
    for e, stage in enumerate(found.stages):
        x = left + e * wide + tile / 2
        words(sheet, x, top - head + 0.2, f"epoch {stage.epoch}", 9.5, INK, ha="center", fontweight="bold")
        accuracy = f"top-1 {100 * stage.accuracy:.0f} %"
        words(sheet, x, top - head + 0.06, accuracy, 7.5, FAINT, ha="center")
    for k, unit in enumerate(found.units):
        y = top - head - k * tall - tile
        _name(sheet, unit, names[k] if k < len(names) else "", y + tile / 2)
        for e, stage in enumerate(found.stages):
            shown = classes[e][k] if e < len(classes) else ""
            _cell(sheet, stage, k, shown, left + e * wide, y, tile)
            if found.stays(e, k):
                _join(sheet, left + e * wide, wide, tile, y - _GAP - _PATCH * tile)
    return figure_of(sheet)


def evolution_tiles(stage: Stage, k: int) -> tuple[tiles.Bytes, tiles.Bytes]:
    """A unit's image patch and its projection at its own contrast, both of its receptive window.

    Args:
        stage: after some epoch.
        k: the unit's number among those shown, from 0.

    Returns:
        two (height, width, 3) tiles, white where the window hangs over the image's edge; of a field that
        is larger than the image, the whole image.
    """
    photo = tiles.photo_tile(stage.pictures[k].float().numpy())
    whole = stage.pixels[k].float().numpy()
    top, left, height, width = stage.windows[k].tolist()
    drawn = tiles.signed_tile(whole, tiles.signed_scale([whole[:, top : top + height, left : left + width]]))
    window = stage.uncut[k].tolist()
    if window[2] >= photo.shape[0] and window[3] >= photo.shape[1]:
        window = [0, 0, *photo.shape[:2]]
    return tiles.framed(photo, window), tiles.framed(drawn, window)


def _cell(sheet: Axes, stage: Stage, k: int, shown: str, x: float, y: float, tile: float) -> None:
    """A unit at one epoch: the projection, below it the patch with the activation and the class."""
    patch, drawn = evolution_tiles(stage, k)
    activation, side = stage.activations[k].item(), _PATCH * tile
    if not activation > 0:
        grey = np.full((8, 8, 3), tiles.ZERO, np.uint8)
        picture(sheet, grey, x, y, tile, tile, edge=True)
        style = {"ha": "center", "va": "center", "linespacing": 1.4}
        words(sheet, x + tile / 2, y + tile / 2, "dead: no image\nexcites it", 7, "white", **style)
        return
    _fitted(sheet, drawn, x, y, tile)
    if not stage.pixels[k].any():
        words(sheet, x + tile / 2, y + tile / 2, "nothing arrives", 7, "white", ha="center", va="center")
    _fitted(sheet, patch, x, y - _GAP - side, side)
    beside, room = x + side + 0.05, tile + _ACROSS - side - 0.08
    words(sheet, beside, y - _GAP - 0.13, number(activation), 7.5, INK)
    for i, line in enumerate(textwrap.wrap(shown, int(room / (6 * _LETTER)), max_lines=2, placeholder="…")):
        words(sheet, beside, y - _GAP - 0.25 - 0.1 * i, line, 6, FAINT)


def _join(sheet: Axes, x: float, wide: float, tile: float, y: float) -> None:
    """A line from the middle of the patch before to that of the one at `x`, just below both."""
    middle = x + _PATCH * tile / 2
    places = [middle - wide + 0.03, middle - wide + 0.03, middle - 0.03, middle - 0.03]
    (line,) = sheet.plot(places, [y - 0.02, y - 0.06, y - 0.06, y - 0.02], color=_SAME, lw=1.1)
    line.set_gid("same image")


def _name(sheet: Axes, unit: int, name: str, y: float) -> None:
    """A row's name at its left."""
    lines = textwrap.wrap(name, 13, max_lines=3, placeholder="…")
    words(sheet, MARGIN, y + 0.06 * len(lines), f"unit {unit}", 9.5, INK, va="center", fontweight="bold")
    for i, line in enumerate(lines):
        words(sheet, MARGIN, y + 0.06 * len(lines) - 0.16 - 0.13 * i, line, 7.5, FAINT, va="center")


def _fitted(sheet: Axes, tile: tiles.Bytes, left: float, bottom: float, side: float) -> None:
    """A tile as large as a square of this side allows, in its middle."""
    height, width = (side * n / max(tile.shape[:2]) for n in tile.shape[:2])
    x, y = left + (side - width) / 2, bottom + (side - height) / 2
    picture(sheet, tile, x, y, width, height, edge=True)


def _wrapped(text: str, width: float, size: float) -> list[str]:
    return textwrap.wrap(text, int((width - 2 * MARGIN) / (size * _LETTER)))


def _cut(text: str, room: float, size: float) -> str:
    """As much of a text as so many inches hold."""
    return cut(text, int(room / (size * _LETTER)))
