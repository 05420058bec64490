"""The figure of correspondence: the paper's table with a scale beside each number, and what was covered.

Source: the table is Zeiler & Fergus 2013, table 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..experiments.correspondence import Correspondence, PartConsistency
from ..tiles import Bytes, photo_tile
from .canvas import (
    FAINT,
    HUES,
    INK,
    MARGIN,
    cut,
    figure_of,
    head_and_foot,
    hue,
    new_sheet,
    number,
    picture,
    words,
)

_PAGE = 8.4  # inches
_LABEL, _COLUMN, _ROW = 1.55, 1.35, 0.56  # inches: of the table's first column, of a layer at least, of a row
_WIDEST = 3.4  # inches: of a layer
_GAP, _BELOW = 0.06, 0.55  # inches: between tiles, between the table and them
_LARGEST, _SMALLEST = 0.95, 0.6  # inches: of a tile's side
_HEAD, _FOOT, _NAMES = 1.6, 0.42, 0.2
_SHOWN = 12  # of the images
_RULE = "#d8d8d8"


def correspondence_figure(
    photos: Tensor,
    masked: Tensor,
    found: Correspondence,
    names: Sequence[str],
    points: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str,
    caption: str = "",
) -> Figure:
    """Draws each part's consistency at each layer, and below it what was covered in which image.

    Args:
        photos: (N, 3, H, W) in [0, 1], what the network saw; at most the first dozen are shown.
        masked: (P, N, 3, H, W) in [0, 1], the same with each part covered; the first draw of random ones.
        found: of P parts.
        names: what each image is called.
        points: where the named parts are, in pixels of `photos`.
        title: the first line.
        caption: the last line.
    """
    shown, parts = min(len(photos), _SHOWN), found.parts
    width = max(_PAGE, 2 * MARGIN + _LABEL + max(len(found.layers) * _COLUMN, shown * (_SMALLEST + _GAP)))
    room = width - 2 * MARGIN - _LABEL
    tile = min(room / shown - _GAP, _LARGEST)
    tall = (1 + len(parts)) * (tile + _GAP)
    height = _HEAD + len(parts) * _ROW + _BELOW + _NAMES + tall + _FOOT
    sheet = new_sheet(width, height)
    _legend(sheet, height - 0.55, found, max(_reach(part, layer) for part in parts for layer in found.layers))
    _table(sheet, height - _HEAD, found, room)
    left, top = MARGIN + _LABEL, _FOOT + tall
    cut = f" · the first {shown} of {len(photos)} images" if shown < len(photos) else ""
    words(sheet, MARGIN, top + _NAMES + 0.1, f"What was covered, in the pixels that the network saw{cut}", 9)
    for i in range(shown):
        x = left + i * (tile + _GAP)
        words(sheet, x, top + 0.06, _short(names[i], tile, 6.5), 6.5, FAINT)
        picture(sheet, _tile(photos[i]), x, top - tile, tile, tile, edge=True)
        for k, name in enumerate(points):
            _mark(sheet, points[name][i], x, top, tile / photos.shape[-1], hue(k))
    words(sheet, MARGIN, top - tile / 2, "whole, with the parts", 8, FAINT, va="center")
    for k, part in enumerate(parts):
        row = top - (k + 1) * (tile + _GAP)
        words(
            sheet,
            MARGIN,
            row - tile / 2,
            _short(part.name, _LABEL, 8),
            8,
            _colour(part, points, k),
            va="center",
        )
        if len(part.boxes) > 1:
            note = f"the first of {len(part.boxes)} draws"
            words(sheet, MARGIN, row - tile / 2 - 0.16, note, 6.5, FAINT, va="center")
        for i in range(shown):
            x = left + i * (tile + _GAP)
            picture(sheet, _tile(masked[k, i]), x, row - tile, tile, tile, edge=True)
            _outline(
                sheet, part.boxes[0, i].tolist(), photos.shape[-2:], x, row, tile, _colour(part, points, k)
            )
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def _legend(sheet: Axes, top: float, found: Correspondence, reach: float) -> None:
    """What the numbers are, in words."""
    draws = max(len(part.boxes) for part in found.parts)
    pairs = f"{len(found.pairs)} pair{'s' * (len(found.pairs) > 1)} of images"
    of_draws = f", and {draws} draws where squares are random" if draws > 1 else ""
    lines = [
        "The share of a layer's features in which two images differ in the sign (-, 0, +) of what the square "
        "takes from them; lower: more consistent",
        f"dot and line: mean ± standard deviation over {pairs}{of_draws}",
        f"tick: what as many changes would give by chance · every scale goes from 0 to {number(reach)}",
    ]
    for i, line in enumerate(lines):
        words(sheet, MARGIN, top - 0.17 * i, line, 8, FAINT)


def _table(sheet: Axes, top: float, found: Correspondence, room: float) -> None:
    """One row a part and one column a layer, `top` being the upper edge of the first row."""
    column = min(room / len(found.layers), _WIDEST)
    right = MARGIN + _LABEL + column * len(found.layers)
    reach = max(_reach(part, layer) for part in found.parts for layer in found.layers)
    for j, layer in enumerate(found.layers):
        x = MARGIN + _LABEL + j * column
        words(sheet, x, top + 0.22, _short(layer, column, 10), 10, INK, fontweight="bold")
        words(sheet, x, top + 0.08, f"{found.parts[0].features[layer]:,} features", 7, FAINT)
    sheet.plot((MARGIN, right), (top, top), color=INK, lw=0.8)
    for k, part in enumerate(found.parts):
        bottom = top - (k + 1) * _ROW
        words(sheet, MARGIN, bottom + 0.3, _short(part.name, _LABEL, 9.5), 9.5)
        sheet.plot((MARGIN, right), (bottom, bottom), color=_RULE, lw=0.6)
        for j, layer in enumerate(found.layers):
            x = MARGIN + _LABEL + j * column
            words(sheet, x, bottom + 0.34, _value(part, layer), 9.5)
            words(sheet, x, bottom + 0.06, f"{part.chance(layer):.3f} by chance", 6.5, FAINT)
            _scale(sheet, x, bottom + 0.23, (column - 0.25) / reach, reach, part, layer)


def _value(part: PartConsistency, layer: str) -> str:
    deviation = part.deviation(layer)
    return f"{part.mean(layer):.3f}" + (f" ± {deviation:.3f}" if math.isfinite(deviation) else "")


def _reach(part: PartConsistency, layer: str) -> float:
    """How far a cell's scale has to go; 1 where all is zero."""
    deviation = part.deviation(layer)
    spread = deviation if math.isfinite(deviation) else 0.0
    return max(part.mean(layer) + spread, part.chance(layer), 1e-3)


def _scale(
    sheet: Axes, left: float, middle: float, unit: float, reach: float, part: PartConsistency, layer: str
) -> None:
    """Mean, deviation and chance on a line from zero, of `unit` inches for a distance of one."""
    mean, deviation, chance = part.mean(layer), part.deviation(layer), part.chance(layer)
    sheet.plot((left, left + unit * reach), (middle, middle), color=_RULE, lw=0.8, solid_capstyle="butt")
    sheet.plot([left + unit * chance] * 2, (middle - 0.055, middle + 0.055), color=FAINT, lw=1.0)
    if math.isfinite(deviation):
        ends = [left + unit * max(mean - deviation, 0), left + unit * (mean + deviation)]
        sheet.plot(ends, (middle, middle), color=HUES[4], lw=1.6, solid_capstyle="butt")
    sheet.plot([left + unit * mean], [middle], "o", color=HUES[4], ms=4)


def _mark(sheet: Axes, point: tuple[float, float], left: float, top: float, unit: float, hue: str) -> None:
    """A point of an image on its tile."""
    x, y = left + (point[0] + 0.5) * unit, top - (point[1] + 0.5) * unit
    sheet.plot([x], [y], "o", mfc=hue, mec="white", mew=0.6, ms=4)


def _outline(
    sheet: Axes, box: Sequence[int], sides: Sequence[int], left: float, top: float, tile: float, hue: str
) -> None:
    """The frame of a covered square on its tile, cut at the image's edge."""
    y, x, height, width = box
    (y0, y1), (x0, x1) = (
        (max(a, 0) * tile / side, min(a + b, side) * tile / side)
        for a, b, side in ((y, height, sides[0]), (x, width, sides[1]))
    )
    frame = Rectangle((left + x0, top - y1), x1 - x0, y1 - y0, fill=False, ec=hue, lw=0.9)
    sheet.add_patch(frame)


def _colour(part: PartConsistency, points: Mapping[str, object], k: int) -> str:
    """A named part's own colour; that of random ones is grey."""
    return hue(k) if part.name in points else FAINT


def _tile(image: Tensor) -> Bytes:
    return photo_tile(image.float().cpu().numpy())


def _short(name: str, room: float, size: float) -> str:
    """A name cut to so many inches."""
    return cut(name, max(3, int(room / (0.0082 * size))))
