"""The figure of a projection: the photograph, and for each unit its image patch beside its projection.

Source: the arrangement of Zeiler & Fergus 2013, fig. 2, for one photograph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .. import tiles
from ..deconvnet import Projection, Unit
from .canvas import FAINT, HUES, MARGIN, cut, figure_of, head_and_foot, hue, new_sheet, number, picture, words
from .maps import map_scale, map_tile
from .parts import tile_pairs

_GAP, _LABEL, _BETWEEN = 0.05, 0.2, 0.2  # inches
_HEAD, _FOOT = 0.62, 0.42


def projection_figure(
    photo: Tensor,
    projection: Projection,
    *,
    title: str,
    caption: str = "",
    names: Sequence[str] = (),
    scale: str = "shared",
    maps: Sequence[Tensor] = (),
    taken_for: str = "",
) -> Figure:
    """Draws the photograph with numbered receptive fields, and a pair of tiles a unit.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        projection: of units of one image.
        title: the first line.
        caption: the last line, before what grey means is said.
        names: one a unit, such as class names; printed after the unit's number.
        scale: ``shared`` draws all projections at one contrast, ``each`` every one at its own.
        maps: (H, W) of each unit: its whole feature map, drawn before the pair with the unit's place marked.
        taken_for: what the network takes the photograph for; printed below it.

    Returns:
        a figure about 13 inches wide for nine units.
    """
    windows = projection.windows.tolist()
    pairs, shared = tile_pairs(photo, projection, scale)
    count = len(windows)
    columns = tiles.columns_for(count)
    rows = math.ceil(count / columns)
    tile = 3.2 if count == 1 else 1.75 if count <= 4 else 1.25 if count <= 36 else 0.85
    size = 8 if tile > 1 else 6.3
    before = tile + _GAP if len(maps) else 0.0  # what a feature map takes
    step_x, step_y = before + 2 * tile + _GAP + _BETWEEN, tile + _LABEL + _BETWEEN
    block = max(rows * step_y, 3.4)
    side = min(block - 0.22, 4.7)
    left = MARGIN + side + 0.45
    sheet = new_sheet(max(left + columns * step_x - _BETWEEN + MARGIN, left + 5.2), _HEAD + block + _FOOT)
    together = projection.source == "layer"
    whole = {"map": "whole maps, projected", "layer": "the whole layer, projected"}.get(
        projection.source, "every unit sees the whole photograph"
    )
    bottom = _FOOT + block - side - 0.05
    _photograph(sheet, tiles.photo_tile(photo.cpu().numpy()), windows, bottom, side, whole)
    words(sheet, MARGIN, bottom - 0.15, taken_for, 8)
    for k, (patch, drawn) in enumerate(pairs):
        x = left + k % columns * step_x
        y = _FOOT + block - (k // columns + 1) * step_y + _BETWEEN
        value = projection.activations[k].item()
        name = names[k] if k < len(names) else ""
        if together:
            words(sheet, x, y + tile + 0.05, "all activations together", size)
        else:
            _label(sheet, k, projection.units[k], name, x, y + tile + 0.05, size, room=round(20 * tile))
        if len(maps):
            _map(sheet, maps[k], projection.units[k], x, y, tile)
            x += before
        picture(sheet, patch, x, y, tile, tile, edge=True)
        picture(sheet, drawn, x + tile + _GAP, y, tile, tile, edge=True)
        words(sheet, x + 2 * tile + _GAP, y + tile + 0.05, number(value), size, FAINT, ha="right")
        if not projection.pixels[k].any():
            why = "inactive" if value == 0 else "nothing arrives"
            words(sheet, x + 1.5 * tile + _GAP, y + tile / 2, why, 8, "white", ha="center", va="center")
    legend = "left: what the unit sees · right: what made it fire · unit at row,column · activation"
    if together:
        legend = "left: what the layer sees · right: what made it fire · its largest activation"
    if len(maps):
        legend = legend.replace("left:", "left: its feature map, brightest where it fires most · middle:")
    words(sheet, left, _FOOT + block + 0.1, legend, 8.5, FAINT)
    grey = "projections: grey is zero, brighter positive, darker negative"
    how = f"one scale, ±{number(shared)}" if scale == "shared" else "each tile at its own scale"
    head_and_foot(sheet, title, caption, f"{grey}; {how} ({tiles.PERCENTILE:g}th percentile)")
    return figure_of(sheet)


def _map(sheet: Axes, values: Tensor, unit: Unit, x: float, y: float, tile: float) -> None:
    """A whole feature map at its own brightness, with a frame around the unit's place."""
    picture(sheet, map_tile(values, map_scale(values)), x, y, tile, tile, edge=True)
    if unit.row is not None and unit.column is not None:
        height, width = values.shape
        corner = x + unit.column * tile / width, y + tile - (unit.row + 1) * tile / height
        sheet.add_patch(Rectangle(corner, tile / width, tile / height, fill=False, ec="#00e5ff", lw=1.2))


def _label(sheet: Axes, k: int, unit: Unit, name: str, x: float, y: float, size: float, room: int) -> None:
    """The rank in its colour, the unit's number, and its name or its place, in so many characters."""
    words(sheet, x, y, str(k + 1), size + 0.5, hue(k), fontweight="bold")
    place = "" if unit.row is None else f"at {unit.row},{unit.column}"
    label = f"unit {unit.channel}  {name or place}"
    words(sheet, x + (0.015 + 0.00875 * len(str(k + 1))) * size, y, cut(label, room), size)


def _photograph(
    sheet: Axes, photo: tiles.Bytes, windows: list[list[int]], bottom: float, side: float, whole: str
) -> None:
    """The photograph with a numbered rectangle a unit, or, where each is all of it, the words `whole`."""
    height, width = photo.shape[:2]
    picture(sheet, photo, MARGIN, bottom, side, side)
    if all(window == [0, 0, height, width] for window in windows):
        middle = MARGIN + side / 2
        words(sheet, middle, bottom + side + 0.06, whole, 8, FAINT, ha="center")
        return
    across, down = side / width, side / height  # inches a pixel
    taken: list[tuple[float, float]] = []
    for k, (top, left, h, w) in reversed(list(enumerate(windows))):  # the strongest on top
        corner = MARGIN + left * across, bottom + side - (top + h) * down
        for lw, colour, alpha in ((2.4, "black", 0.45), (1.4, hue(k), 1.0)):
            box = Rectangle(corner, w * across, h * down, fill=False, lw=lw, ec=colour, alpha=alpha)
            box.set_gid(f"window {k + 1}")
            sheet.add_patch(box)
    for k, (top, left, h, w) in enumerate(windows):
        x, y = _free_place(
            (left + w / 2) * across, (top + h / 2) * down, taken, spacing=0.062 * side, limit=side
        )
        taken.append((x, y))
        disc = {"boxstyle": "circle,pad=0.22", "fc": hue(k), "ec": "white", "lw": 0.8}
        ink = "black" if k % len(HUES) in (0, 1, 3, 6) else "white"
        centred = {"ha": "center", "va": "center", "fontweight": "bold", "bbox": disc}
        words(sheet, MARGIN + x, bottom + side - y, str(k + 1), 7.5, ink, **centred)


def _free_place(
    x: float, y: float, taken: list[tuple[float, float]], spacing: float, limit: float
) -> tuple[float, float]:
    """The nearest place to (x, y), on a spiral, that keeps its distance from those already taken."""
    for turn in range(400):
        angle, radius = turn * 2.4, spacing * 0.32 * math.sqrt(turn)
        px, py = x + radius * math.cos(angle), y + radius * math.sin(angle)
        within = all(spacing / 2 <= p <= limit - spacing / 2 for p in (px, py))
        if within and all(math.hypot(px - tx, py - ty) >= spacing for tx, ty in taken):
            return px, py
    return x, y
