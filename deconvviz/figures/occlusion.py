"""The figure of occlusion: what a covered square takes from one feature map and from one class.

Source: the arrangement of Zeiler & Fergus 2013, fig. 7, one row of it: image, activity of the map, its
projection beside those from other images, probability of the class, most probable class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..deconvnet import Unit
from ..experiments.occlusion import Occlusion
from ..tiles import Bytes, Floats, photo_tile
from .canvas import FAINT, HUES, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words
from .class_map import class_legend, class_map
from .heat import heat_bar, heat_tile
from .places import places_tile

_TILE, _GAP, _HEAD, _ABOVE, _BELOW = 2.25, 0.22, 0.85, 0.24, 1.7  # inches
_HALF, _BETWEEN, _LEAST = 1.1, 0.05, 1.3  # a patch or projection, between them, and all of them
_ROOM = 36  # characters under a tile
_FRAME = HUES[0]
_NO_NUMBER = np.array([150, 190, 150], np.uint8)


@dataclass(frozen=True)
class Firing:
    """Where a map fires most in one picture, and what made it.

    Attributes:
        name: the picture's.
        unit: the map at its strongest place.
        activation: there.
        patch: (h, w, 3), what it sees.
        projection: (h, w, 3), what in it made it fire; plain grey where nothing did.
    """

    name: str
    unit: Unit
    activation: float
    patch: Bytes
    projection: Bytes


def occlusion_figure(
    photo: Tensor,
    example: Tensor,
    found: Occlusion,
    names: Mapping[int, str],
    firings: Sequence[Firing],
    *,
    title: str,
    fill: str = "grey",
    caption: str = "",
) -> Figure:
    """Draws image, activity map, projections of the map, probability map and class map in a row.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        example: the same with a square covered, at its first place.
        found: what was lost with a square at each place.
        names: of the target and of every class that was the most probable anywhere, by number.
        firings: the map in this image, then in up to about three others.
        title: the first line.
        fill: what covered pixels became, in a word.
        caption: the last line, before what grey means is said.
    """
    image, whole, unit = photo_tile(photo.cpu().numpy()), found.whole, f"unit {found.channel}"
    third = max(len(firings) * (_HALF + _BETWEEN) - _BETWEEN, _LEAST)
    lefts = [MARGIN + k * (_TILE + _GAP) for k in range(3)]
    lefts += [lefts[2] + third + _GAP, lefts[2] + third + 2 * _GAP + _TILE]
    sheet = new_sheet(lefts[4] + _TILE + MARGIN, _BELOW + _TILE + _ABOVE + _HEAD)
    headings = (
        "what the network saw",
        f"activity of {unit}, {found.layer}",
        f"{unit}, here and elsewhere" if len(firings) > 1 else f"{unit}, projected",
        f"probability of {names[found.target]}",
        "most probable class",
    )
    for k, (left, heading) in enumerate(zip(lefts, headings, strict=True)):
        room = third if k == 2 else _TILE
        words(sheet, left, _BELOW + _TILE + 0.08, cut(heading, round(14.5 * room)), 9.5, INK)
    worst = divmod(int(found.probability.nan_to_num(nan=2).argmin()), found.probability.shape[1])
    seen = 2 * found.size <= min(image.shape[:2])  # else the example would hide the image
    _tile(sheet, photo_tile(example.cpu().numpy()) if seen else image, lefts[0])
    _frame(sheet, found.boxes[worst].tolist(), image.shape[:2], lefts[0])
    _under_image(
        sheet, lefts[0], found, fill, "the square, top left at its first place:" if seen else "the square:"
    )
    score = f"its score: {number(whole.score)}, lowest: {number(found.score.min().item())}"
    summed = [] if firings[0].unit.row is None else ["summed over its map"]
    hides = "dark: it hides what the unit answers to", "dark: it hides what tells the class"
    _values(sheet, lefts[1], image, found, "activity", *summed, hides[0])
    _values(sheet, lefts[3], image, found, "probability", score, hides[1])
    _firings(sheet, lefts[2], firings)
    classes = class_map(found.top_class, keep=(found.target, whole.top_class))
    _tile(sheet, places_tile(image, classes.cells, found.boxes), lefts[4])
    words(sheet, lefts[4], _BELOW - 0.2, "and its share of the places:", 8, FAINT)
    class_legend(sheet, classes, names, lefts[4], _BELOW - 0.22, _ROOM, {whole.top_class: "uncovered"})
    how = (
        "each cell of the three maps: what the network made of the image with the square centred there · "
        "beside them the image, pale: no square is centred there"
    )
    words(sheet, MARGIN, _BELOW + _TILE + _ABOVE + 0.2, how, 8.5, FAINT)
    grey = "projections: grey is zero, brighter positive, darker negative, each to its own scale"
    head_and_foot(sheet, title, caption, f"{grey}; white is beyond the image")
    return figure_of(sheet)


def value_cells(values: Floats, low: float, high: float) -> Bytes:
    """Values as colours, dark at `low`, bright at `high`, green for NaN: (R, C) to (R, C, 3)."""
    tile = heat_tile(np.nan_to_num(values) - low, high - low)
    tile[np.isnan(values)] = _NO_NUMBER
    return tile


def value_ends(values: Floats, uncovered: float) -> tuple[float, float]:
    """What is drawn darkest, zero unless there is less, and brightest."""
    known = [value for value in (*values.flat, uncovered) if np.isfinite(value)]
    low, high = float(min(known, default=0)), float(max(known, default=0))
    return min(low, 0.0), high if high > min(low, 0.0) else low + 1


def _tile(sheet: Axes, tile: Bytes, left: float) -> None:
    picture(sheet, tile, left, _BELOW, _TILE, _TILE, edge=True)


def _frame(sheet: Axes, box: Sequence[int], shape: tuple[int, ...], left: float) -> None:
    """A square's outline on the image drawn at that place."""
    down, across = _TILE / shape[0], _TILE / shape[1]
    corner = left + box[1] * across, _BELOW + _TILE - (box[0] + box[2]) * down
    for lw, colour, alpha in ((2.8, "black", 0.5), (1.6, _FRAME, 1.0)):
        size = box[3] * across, box[2] * down
        sheet.add_patch(Rectangle(corner, *size, fill=False, lw=lw, ec=colour, alpha=alpha))


def _under_image(sheet: Axes, left: float, found: Occlusion, fill: str, first: str) -> None:
    """What is covered, and where it costs most."""
    rows, columns = found.probability.shape
    several = "s" if rows * columns > 1 else ""
    lines = (
        first,
        f"{found.size} x {found.size} pixels of {fill}",
        f"in steps of {found.stride}: {rows} x {columns} = {rows * columns} place{several}",
        "orange: where it costs the class most",
    )
    for k, line in enumerate(lines):
        words(sheet, left, _BELOW - 0.2 - 0.17 * k, line, 8, INK if k < 3 else FAINT)


def _values(sheet: Axes, left: float, image: Bytes, found: Occlusion, name: str, *notes: str) -> None:
    """A map of numbers, and below it what its colours mean, with a mark at the uncovered image's value."""

    def told(value: float) -> str:
        return f"{number(100 * value)} %" if name == "probability" else number(value)

    grid: Tensor = getattr(found, name)
    uncovered: float = getattr(found.whole, name)
    values = grid.float().cpu().numpy()
    low, high = value_ends(values, uncovered)
    _tile(sheet, places_tile(image, value_cells(values, low, high), found.boxes), left)
    picture(sheet, heat_bar(), left, _BELOW - 0.2, _TILE, 0.1)
    mark = left + _TILE * (uncovered - low) / (high - low)
    sheet.plot([mark], [_BELOW - 0.25], marker="^", ms=5, color=INK)
    words(sheet, left, _BELOW - 0.43, told(low), 8, FAINT)
    words(sheet, left + _TILE, _BELOW - 0.43, told(high), 8, FAINT, ha="right")
    lowest = grid.nan_to_num(nan=float("inf")).min().item()
    lines = [f"▲ uncovered: {told(uncovered)}, lowest: {told(lowest)}", *notes]
    if np.isnan(values).any():
        lines.append("green: not a number")
    for k, line in enumerate(lines):
        words(sheet, left, _BELOW - 0.65 - 0.17 * k, line, 8, FAINT if k > len(notes) - 1 else INK)


def _firings(sheet: Axes, left: float, firings: Sequence[Firing]) -> None:
    """Patches, each over its projection."""
    for k, firing in enumerate(firings):
        x, unit = left + k * (_HALF + _BETWEEN), firing.unit
        place = "" if unit.row is None else f" at {unit.row},{unit.column}"
        picture(sheet, firing.patch, x, _BELOW + _TILE - _HALF, _HALF, _HALF, edge=True)
        picture(sheet, firing.projection, x, _BELOW, _HALF, _HALF, edge=True)
        words(sheet, x, _BELOW - 0.2, "this image" if k == 0 else cut(firing.name, 15), 8, INK)
        words(sheet, x, _BELOW - 0.37, f"fires {number(firing.activation)}{place}", 8, FAINT)
        if firing.activation == 0:
            words(sheet, x + _HALF / 2, _BELOW + _HALF / 2, "inactive", 8, "white", ha="center", va="center")
    lines = ["above: what it sees", "where it fires most", "below: what in it", "made it fire"]
    if len(firings) > 1:
        lines = [" ".join(lines[:2]), " ".join(lines[2:])]
    for k, line in enumerate(lines):
        words(sheet, left, _BELOW - 0.65 - 0.17 * k, line, 8, FAINT)
