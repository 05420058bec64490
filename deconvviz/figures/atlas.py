"""The figure of an atlas: what excites units most over a whole data set, projections beside image patches.

Source: the arrangement of Zeiler & Fergus 2013, fig. 2.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from .. import tiles
from .canvas import (
    DOTS_PER_INCH,
    FAINT,
    HUES,
    INK,
    MARGIN,
    cut,
    figure_of,
    head_and_foot,
    new_sheet,
    number,
    picture,
    words,
)

if TYPE_CHECKING:  # an atlas reads Parquet, which every other figure would wait for
    from ..atlas.rendered import Rendered

MOST_UNITS = 600
"""That one figure holds."""
_GAP, _BETWEEN, _APART, _LABEL, _DOWN = 0.02, 0.06, 0.24, 0.19, 0.1  # inches
_HEAD, _SECTION, _LINE, _NOTE = 0.5, 0.42, 0.155, 0.13  # inches: the title, a layer's name, lines of text
_PERCENTILE = 98.0  # of a unit's magnitudes: in tiles so small more would be pale than needs to be
_LETTER = 0.0072  # inches: a letter's width, of a type of one point
_LEAST = 6.4  # inches: of the sheet, for the words on it
_OTHER = HUES[5]


@dataclass(frozen=True)
class AtlasLayer:
    """Some units of a layer, as the figure shows them.

    Attributes:
        name: the layer's.
        units: of each unit its strongest activations, strongest first.
        side: of the square image that the network is shown, in pixels.
        note: what else is said of the layer, after its name and what its units see.
        names: one a unit, such as the class that it scores; printed after its number.
    """

    name: str
    units: Sequence[Sequence[Rendered]]
    side: int
    note: str = ""
    names: Sequence[str] = ()


def atlas_figure(layers: Sequence[AtlasLayer], *, title: str, caption: str = "") -> Figure:
    """Draws a section a layer, in it a pair of blocks a unit: projections, and the patches they came from.

    Blocks of all layers have one size, whatever their units see, so that layers compare.

    Args:
        layers: the sections, in this order; each of at least one unit, and each unit of one activation.
        title: the first line.
        caption: the last lines.
    """
    most = max(len(layer.units) for layer in layers)
    k = max(len(unit) for layer in layers for unit in layer.units)
    sheet_of = _Blocks.of(most, k)
    width = max(2 * MARGIN + sheet_of.columns * sheet_of.across - _APART, _LEAST)
    reading = _wrapped(_reading(layers, k), width, 8.5)
    noted = _wrapped(caption, width, 7.5)
    head, foot = _HEAD + _LINE * len(reading), 0.3 + _NOTE * max(len(noted), 1)
    rows = [-(-len(layer.units) // sheet_of.columns) for layer in layers]
    sheet = new_sheet(width, head + len(layers) * _SECTION + sum(rows) * sheet_of.down + foot)
    y = sheet.get_ylim()[1]
    head_and_foot(sheet, _cut(title, width - 2 * MARGIN, 13))
    for i, line in enumerate(reading):
        words(sheet, MARGIN, y - 0.53 - _LINE * i, line, 8.5, FAINT)
    for i, line in enumerate(reversed(noted)):
        words(sheet, MARGIN, 0.15 + _NOTE * i, line, 7.5, FAINT)
    y -= head
    for layer, count in zip(layers, rows, strict=True):
        y -= _SECTION
        _heading(sheet, layer, y + 0.09, width)
        for i, unit in enumerate(layer.units):
            x = MARGIN + i % sheet_of.columns * sheet_of.across
            bottom = y - i // sheet_of.columns * sheet_of.down - _LABEL - sheet_of.height
            sheet_of.label(sheet, unit, layer.names[i] if i < len(layer.names) else "", x, bottom)
            sheet_of.draw(sheet, unit, x, bottom)
        y -= count * sheet_of.down
    return figure_of(sheet)


@dataclass(frozen=True)
class _Blocks:
    """How the blocks of a figure lie, in inches.

    Attributes:
        columns: pairs of blocks in a row.
        wide: tiles in a row of a block.
        side: of a tile.
        width: of a block, likewise the height.
        height: of a block.
    """

    columns: int
    wide: int
    side: float
    width: float
    height: float

    @classmethod
    def of(cls, most: int, k: int) -> _Blocks:
        """For at most so many units in a section, with k tiles a block."""
        if most <= 4:
            columns, width = (most, 2.6 if most == 1 else 1.6) if most <= 3 else (2, 1.6)
        else:
            columns = 3 if most in (5, 6, 9) else 4 if most <= 16 else 5 if most <= 40 else 6
            width = 1.16 if most <= 16 else 1.0
        wide = tiles.columns_for(k)
        high = math.ceil(k / wide)
        side = (width + _GAP) / wide - _GAP
        return cls(columns, wide, side, width, high * (side + _GAP) - _GAP)

    @property
    def across(self) -> float:
        """From one pair to the next in a row."""
        return 2 * self.width + _BETWEEN + _APART

    @property
    def down(self) -> float:
        """From one row to the next."""
        return _LABEL + self.height + _DOWN

    def label(self, sheet: Axes, unit: Sequence[Rendered], name: str, x: float, bottom: float) -> None:
        """The unit's number and name above its pair, and from where to where its activations go."""
        first, last = unit[0].entry.activation, unit[-1].entry.activation
        strengths = number(first) if len(unit) == 1 else f"{number(first)} to {number(last)}"
        y, size, room = bottom + self.height + 0.045, 8, 2 * self.width + _BETWEEN
        words(sheet, x + room, y, strengths, size - 1, FAINT, ha="right")
        told = f"unit {unit[0].entry.channel}" + (f"  {name}" if name else "")
        words(sheet, x, y, _cut(told, room - 0.1 - len(strengths) * (size - 1) * _LETTER, size), size, INK)

    def draw(self, sheet: Axes, unit: Sequence[Rendered], x: float, bottom: float) -> None:
        """The two blocks of a unit: projections at one contrast at the left, patches at the right."""
        beside = x + self.width + _BETWEEN
        if not any(one.fired for one in unit):
            for left in (x, beside):
                picture(sheet, _grey(), left, bottom, self.width, self.height, edge=True)
                self._say(sheet, "dead: no image\nexcites it", left, bottom, self.width, self.height)
            return
        dots = round(self.side * DOTS_PER_INCH)
        printed = [_printed(one.projection, dots) if one.fired and not one.gone else None for one in unit]
        scale = tiles.signed_scale([p for p in printed if p is not None], _PERCENTILE)
        for i, (one, projection) in enumerate(zip(unit, printed, strict=True)):
            left = i % self.wide * (self.side + _GAP)
            y = bottom + self.height - self.side - i // self.wide * (self.side + _GAP)
            pair = [_grey()] * 2 if projection is None else [_drawn(projection, scale, one), one.patch]
            for tile, start in zip(pair, (x + left, beside + left), strict=True):
                _fitted(sheet, tile, start, y, self.side, differs=one.differs)
                if projection is None:
                    why = "image\ngone" if one.gone else "did not\nfire"
                    self._say(sheet, why, start, y, self.side, self.side)
            if projection is not None and not projection.any():
                self._say(sheet, "nothing\narrives", x + left, y, self.side, self.side)

    @staticmethod
    def _say(sheet: Axes, what: str, left: float, bottom: float, width: float, height: float) -> None:
        """White words in the middle of a grey tile, as large as fits."""
        longest = max(map(len, what.split("\n")))
        size = min(8.0, 0.72 * width / (longest * _LETTER))
        style = {"ha": "center", "va": "center", "linespacing": 1.15}
        words(sheet, left + width / 2, bottom + height / 2, what, size, "white", **style)


def _reading(layers: Sequence[AtlasLayer], k: int) -> str:
    """How the figure is read."""
    some = [one for layer in layers for unit in layer.units for one in unit]
    several = f"the {k} strongest activations" if k > 1 else "the strongest activation"
    projected = "each alone, projected back to pixels" if k > 1 else "projected back to pixels"
    order = "; strongest first, row by row; above, the largest and the smallest" if k > 1 else ""
    text = (
        f"A pair of blocks is a unit: {several} over all images, {projected}, and beside it what the unit "
        f"saw there{order}. Grey is zero, brighter positive, darker negative, at one contrast a unit "
        f"({_PERCENTILE:g}th percentile at this size); white lies beyond the image."
    )
    if any(one.differs for one in some):
        text += " Framed in red: the activation is not what the atlas says."
    return text


def _heading(sheet: Axes, layer: AtlasLayer, y: float, width: float) -> None:
    """The layer's name above its section, and what its units see."""
    h, w = layer.units[0][0].patch.shape[:2]
    whole = f"{layer.side} x {layer.side} pixels"
    sees = f"the whole image, {whole}" if min(h, w) >= layer.side else f"{h} x {w} of {whole}"
    told = " · ".join(filter(None, [f"a unit sees {sees}", layer.note]))
    name = _cut(layer.name, (width - 2 * MARGIN) * 0.45, 11.5)
    words(sheet, MARGIN, y, name, 11, INK, fontweight="bold")
    x = MARGIN + len(name) * 12 * _LETTER + 0.14
    words(sheet, x, y, _cut(told, width - MARGIN - x, 8.5), 8.5, FAINT)
    sheet.plot([MARGIN, width - MARGIN], [y - 0.07] * 2, color="#d0d0d0", lw=0.6)


def _fitted(
    sheet: Axes, tile: tiles.Bytes, left: float, bottom: float, side: float, *, differs: bool
) -> None:
    """A tile as large as a square of this side allows, in its middle."""
    height, width = (side * n / max(tile.shape[:2]) for n in tile.shape[:2])
    x, y = left + (side - width) / 2, bottom + (side - height) / 2
    picture(sheet, tile, x, y, width, height, edge=not differs)
    if differs:
        sheet.add_patch(Rectangle((x, y), width, height, fill=False, ec=_OTHER, lw=1.1, gid="differs"))


def _printed(pixels: tiles.Floats, most: int) -> tiles.Floats:
    """(C, H, W) with its longer side of at most so many pixels.

    A deep unit's projection is made of fine stripes, which average out where they are made smaller: to choose
    the contrast before that would leave it grey.
    """
    h, w = pixels.shape[1:]
    times = most / max(h, w)
    if times >= 1:
        return pixels
    size = max(1, round(w * times)), max(1, round(h * times))
    channels = [Image.fromarray(channel).resize(size, Image.Resampling.LANCZOS) for channel in pixels]
    return np.stack([np.asarray(channel, np.float32) for channel in channels])


def _drawn(projection: tiles.Floats, scale: float, one: Rendered) -> tiles.Bytes:
    """A projection as a tile, white where its window hangs over the image's edge, as in its patch."""
    tile = tiles.signed_tile(projection, scale)
    h, w = one.patch.shape[:2]
    down, across = tile.shape[0] / h, tile.shape[1] / w
    top, left, height, width = one.inside
    framed = np.full_like(tile, 255)
    rows = slice(round(top * down), round((top + height) * down))
    columns = slice(round(left * across), round((left + width) * across))
    framed[rows, columns] = tile[rows, columns]
    return framed


def _grey() -> tiles.Bytes:
    return np.full((8, 8, 3), tiles.ZERO, np.uint8)


def _wrapped(text: str, width: float, size: float) -> list[str]:
    return textwrap.wrap(text, int((width - 2 * MARGIN) / (size * _LETTER)))


def _cut(text: str, room: float, size: float) -> str:
    """As much of a text as so many inches hold."""
    return cut(text, max(int(room / (size * _LETTER)), 1))
