"""The figure of a projection: the photograph, and for each unit its image patch beside its projection.

Source: the arrangement of Zeiler & Fergus 2013, fig. 2, for one photograph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .. import tiles
from ..deconvnet import Projection
from .canvas import FAINT, HUES, bare_axes, new_figure, number, outline, text_at
from .parts import tile_pairs

_TILE, _GAP, _LABEL, _BETWEEN = 1.25, 0.05, 0.2, 0.22  # inches
_MARGIN, _HEAD, _FOOT = 0.25, 0.62, 0.42


def projection_figure(
    photo: Tensor,
    projection: Projection,
    *,
    title: str,
    caption: str = "",
    names: Sequence[str] = (),
    scale: str = "shared",
) -> Figure:
    """Draws the photograph with numbered receptive fields, and a pair of tiles a unit.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        projection: of units of one image.
        title: the first line.
        caption: the last line, before what grey means is said.
        names: one a unit, such as class names; printed after the unit's number.
        scale: ``shared`` draws all projections at one contrast, ``each`` every one at its own.

    Returns:
        a figure about 13 inches wide for nine units.
    """
    picture = tiles.photo_tile(photo.cpu().numpy())
    windows = projection.windows.tolist()
    pairs, shared = tile_pairs(photo, projection, scale)

    count = len(windows)
    columns = tiles.columns_for(count)
    rows = math.ceil(count / columns)
    tile = _TILE if count <= 36 else 0.7
    pair, step = 2 * tile + _GAP, tile + _LABEL + _BETWEEN - 0.06
    block = max(rows * step, 3.4)
    side = min(block - 0.22, 4.7)
    left = _MARGIN + side + 0.45
    width = left + columns * (pair + _BETWEEN) + _MARGIN - _BETWEEN
    figure = new_figure(max(width, 8.6), _HEAD + block + _FOOT)
    _photograph(figure, picture, windows, block, side)
    for k in range(count):
        x = left + k % columns * (pair + _BETWEEN)
        y = _FOOT + block - (k // columns + 1) * step + _BETWEEN - 0.06
        value = projection.activations[k].item()
        unit = projection.units[k]
        label = f"unit {unit.channel}" + (f"  {names[k]}" if k < len(names) and names[k] else "")
        label = label if len(label) <= 24 else label[:23] + "…"
        up = y + tile + 0.05
        text_at(figure, x, up, f"{k + 1}", 8.5, _hue(k), fontweight="bold")
        text_at(figure, x + 0.12 + 0.07 * len(str(k + 1)), up, label, 8)
        text_at(figure, x + pair, up, number(value), 8, FAINT, ha="right")
        for x_tile, drawn in ((x, pairs[k][0]), (x + tile + _GAP, pairs[k][1])):
            axes = bare_axes(figure, x_tile, y, tile, tile)
            axes.imshow(drawn, interpolation="nearest" if len(drawn) < 24 else None)
            outline(axes)
        if not projection.pixels[k].any():
            why = "inactive" if value == 0 else "nothing arrives"
            axes.text(
                0.5, 0.5, why, ha="center", va="center", fontsize=8, color="white", transform=axes.transAxes
            )
    _words(figure, title, caption, scale, shared, left)
    return figure


def _photograph(
    figure: Figure, picture: tiles.Bytes, windows: list[list[int]], block: float, side: float
) -> None:
    """The photograph with a numbered rectangle a unit; none where every unit sees all of it."""
    height, width = picture.shape[:2]
    axes = bare_axes(figure, _MARGIN, _FOOT + block - side - 0.05, side, side)
    axes.imshow(picture)
    if all(window == [0, 0, height, width] for window in windows):
        axes.set_title("every unit sees the whole photograph", fontsize=8, color=FAINT, pad=4)
        return
    taken: list[tuple[float, float]] = []
    for k in reversed(range(len(windows))):  # the strongest on top
        top, left, h, w = windows[k]
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), w, h, fill=False, lw=2.4, ec="black", alpha=0.45))
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), w, h, fill=False, lw=1.4, ec=_hue(k)))
    for k, (top, left, h, w) in enumerate(windows):
        x, y = _free_place(left + w / 2, top + h / 2, taken, spacing=0.062 * width, limit=(width, height))
        taken.append((x, y))
        box = {"boxstyle": "circle,pad=0.22", "fc": _hue(k), "ec": "white", "lw": 0.8}
        dark = "black" if k % len(HUES) in (0, 1, 3, 6) else "white"
        axes.text(
            x, y, str(k + 1), fontsize=7.5, fontweight="bold", color=dark, ha="center", va="center", bbox=box
        )


def _free_place(
    x: float, y: float, taken: list[tuple[float, float]], spacing: float, limit: tuple[int, int]
) -> tuple[float, float]:
    """The nearest place to (x, y), on a spiral, that keeps its distance from those already taken."""
    for turn in range(400):
        angle, radius = turn * 2.4, spacing * 0.32 * math.sqrt(turn)
        px, py = x + radius * math.cos(angle), y + radius * math.sin(angle)
        within = spacing / 2 <= px <= limit[0] - spacing / 2 and spacing / 2 <= py <= limit[1] - spacing / 2
        if within and all(math.hypot(px - tx, py - ty) >= spacing for tx, ty in taken):
            return px, py
    return x, y


def _words(figure: Figure, title: str, caption: str, scale: str, shared: float, left: float) -> None:
    up = figure.get_size_inches()[1]
    text_at(figure, _MARGIN, up - 0.3, title, 12, fontweight="bold")
    text_at(
        figure,
        left,
        up - 0.52,
        "left: what the unit sees · right: what made it fire · number: activation",
        8.5,
        FAINT,
    )
    how = f"one scale, ±{number(shared)}" if scale == "shared" else "each tile at its own scale"
    grey = "projections: grey is zero, brighter positive, darker negative"
    foot = f"{grey}; {how} ({tiles.PERCENTILE:g}th percentile)"
    text_at(figure, _MARGIN, 0.15, " · ".join(filter(None, [caption, foot])), 7.5, FAINT)


def _hue(k: int) -> str:
    return HUES[k % len(HUES)]
