"""The figure of an inversion: an image, what each layer would take for it, and how the errors fell.

Source: the strips and tables of pre-images in Mahendran & Vedaldi 2015, figs. 5 and 6.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from ..tiles import Bytes, columns_for
from .canvas import FAINT, INK, MARGIN, figure_of, head_and_foot, new_sheet, number, picture, words

_GAP, _BETWEEN, _NAME, _NOTE = 0.12, 0.4, 0.2, 0.36  # inches
_PANEL, _LINE, _HEAD, _FOOT = 2.8, 0.16, 0.52, 0.34  # likewise
_IN_A_ROW = 6  # restarts
_WHAT = (
    "Found by optimisation, so that the layer sees in each picture what it saw in the original, up to the "
    "feature error. What is sharp in it the layer has kept; what is wrong the layer does not tell apart."
)
_NUMBERS = (
    "feature error: the distance between the layer's features of the picture and of the original, over the "
    "length of the original's; 0 is perfect, 1 what features of zero would get (Mahendran & Vedaldi 2016)",
    "PSNR and SSIM: against what the network saw; higher is better",
)
_RESTARTS = "bold, and drawn thick: the restart with the lowest feature error"


@dataclass(frozen=True)
class PreImages:
    """What was found for one layer, R restarts.

    Attributes:
        layer: its name.
        tiles: R pictures, (H, W, 3) uint8.
        feature_error_mv16: of each.
        psnr: of each, in dB.
        ssim: of each.
        curve: (T, R), the feature error at each step.
        chosen: the restart with the lowest feature error.
    """

    layer: str
    tiles: Sequence[Bytes]
    feature_error_mv16: Sequence[float]
    psnr: Sequence[float]
    ssim: Sequence[float]
    curve: NDArray[np.float32]
    chosen: int = 0


def inversion_figure(original: Bytes, found: Sequence[PreImages], *, title: str, caption: str = "") -> Figure:
    """Draws the original, the pre-images of each layer with their errors, and the error over the steps.

    One pre-image a layer makes a strip, or, of more than four layers, a table; several restarts make a row a
    layer.

    Args:
        original: (H, W, 3) uint8, what the network saw.
        found: a layer each, in the order in which they are drawn.
        title: the first line.
        caption: the end of the last line.
    """
    restarts = len(found[0].tiles)
    columns = min(restarts, _IN_A_ROW) if restarts > 1 else _columns(len(found))
    lines = len(found) * -(-restarts // columns) if restarts > 1 else -(-len(found) // columns)
    side = 1.9 if lines * columns <= 4 else 1.7 if lines <= 4 else 1.4
    wide, tall = side + _GAP, _NAME + side + _NOTE
    below = lines > 1  # the curves stand below the original, else right of the strip
    large = side if lines == 1 else 2.15 if lines == 2 else _PANEL
    grid = MARGIN + (_PANEL if below else side) + _BETWEEN
    right = grid + columns * wide - _GAP
    width = max(right + MARGIN + (0 if below else _BETWEEN + _PANEL), 8.2, 0.105 * len(title) + 2 * MARGIN)
    told = textwrap.wrap(_WHAT, round(16 * (width - 2 * MARGIN)))
    said = [*_NUMBERS, _RESTARTS] if restarts > 1 else _NUMBERS
    notes = [line for text in said for line in textwrap.wrap(text, round(18 * (width - 2 * MARGIN)))]
    foot = _FOOT + _LINE * len(notes)
    top = foot + lines * tall
    sheet = new_sheet(width, top + _LINE * len(told) + _HEAD)
    for i, line in enumerate(told[::-1]):
        words(sheet, MARGIN, top + 0.12 + _LINE * i, line, 8.5, FAINT)
    for i, line in enumerate(notes[::-1]):
        words(sheet, MARGIN, 0.15 + _LINE * (i + 1), line, 7.5, FAINT)
    words(sheet, MARGIN, top - _NAME + 0.05, "what the network saw", 9, INK)
    picture(sheet, original, MARGIN, top - _NAME - large, large, large, edge=True)
    for i, one in enumerate(found):
        for restart in range(restarts):
            row, place = divmod(restart if restarts > 1 else i, columns)
            row += i * -(-restarts // columns) if restarts > 1 else 0
            _draw(sheet, one, restart, grid + place * wide, top - row * tall, side)
    if below:
        _curves(sheet, found, MARGIN, foot + 0.05, lines * tall - _NAME - large - 0.3)
    else:
        _curves(sheet, found, right + _BETWEEN, top - _NAME - side - 0.1, side + 0.27)
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def _columns(layers: int) -> int:
    return layers if layers <= 4 else max(3, columns_for(layers))


def _draw(sheet: Axes, one: PreImages, restart: int, left: float, top: float, side: float) -> None:
    """A pre-image under its layer's name, its errors below."""
    bold = {"fontweight": "bold"} if len(one.tiles) > 1 and restart == one.chosen else {}
    which = f", restart {restart + 1}" if len(one.tiles) > 1 else ""
    below = top - _NAME - side
    words(
        sheet, left, top - _NAME + 0.05, _short(one.layer, round(13 * side) - len(which)) + which, 9, **bold
    )
    picture(sheet, one.tiles[restart], left, below, side, side, edge=True)
    error, ratio, likeness = one.feature_error_mv16[restart], one.psnr[restart], one.ssim[restart]
    said = f"feature error {number(error)}" if math.isfinite(error) else "feature error is no number"
    words(sheet, left, below - 0.15, said, 7.5, **bold)
    known = [f"PSNR {ratio:.1f} dB"] * math.isfinite(ratio) + [f"SSIM {likeness:.2f}"] * math.isfinite(
        likeness
    )
    words(sheet, left, below - 0.28, ", ".join(known), 7.5, FAINT)


def _short(name: str, room: int) -> str:
    """The end of a name that is too long: that of a module path tells more than its beginning."""
    return name if len(name) <= room else "…" + name[1 - room :]


def _curves(sheet: Axes, found: Sequence[PreImages], left: float, bottom: float, height: float) -> None:
    """The feature errors over the steps on axes of their own, a line a layer with its name at its end."""
    figure = figure_of(sheet)
    names = [_short(one.layer, 16) for one in found]
    beside = 0.07 * max(map(len, names)) + 0.1
    (across, up), tall = figure.get_size_inches(), height - 0.36 - 0.2
    panel = figure.add_axes(
        ((left + 0.4) / across, (bottom + 0.36) / up, (_PANEL - 0.4 - beside) / across, tall / up)
    )
    words(sheet, left, bottom + height - 0.12, "feature error at each step", 9, INK)
    shades = mpl.colormaps["plasma"](np.linspace(0, 0.75, len(found)))
    for one, shade in zip(found, shades, strict=True):
        steps = np.arange(1, len(one.curve) + 1)
        for restart, values in enumerate(one.curve.T):
            bold = restart == one.chosen
            style: dict[str, Any] = {"lw": 1.4, "zorder": 3} if bold else {"lw": 0.7, "alpha": 0.45}
            panel.plot(steps, values, color=shade, marker="o" if len(steps) == 1 else "", ms=3, **style)
    _axes(panel)
    low, high = np.log(panel.get_ylim())
    ends = [float(one.curve[-1, one.chosen]) if len(one.curve) else math.nan for one in found]
    shown = [i for i, end in enumerate(ends) if 0 < end < math.inf]
    heights = [(math.log(ends[i]) - low) / (high - low) for i in shown]
    for i, at in zip(shown, apart(heights, 0.125 / tall), strict=True):
        words(panel, 1.02, at, names[i], 7.5, shades[i], transform=panel.transAxes, va="center")


def _axes(panel: Axes) -> None:
    panel.set_yscale("log")
    panel.set_xlabel("step", fontsize=7.5, labelpad=2)
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.tick_params(labelsize=7, length=2.5)
    panel.grid(color="#e6e6e6", lw=0.6)
    panel.spines[["top", "right"]].set_visible(False)


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights of labels moved as little as it takes that neighbours are so far apart: isotonic regression.

    Example:
        >>> apart([0.5, 0.1, 0.5], 0.2)
        [0.4, 0.1, 0.6]
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    groups: list[list[float]] = []  # of what is left of each height once the labels below have their room
    for place, i in enumerate(order):
        groups.append([heights[i] - place * least])
        while len(groups) > 1 and sum(groups[-2]) * len(groups[-1]) >= sum(groups[-1]) * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    found = list(heights)
    evened = [sum(group) / len(group) for group in groups for _ in group]
    for place, (i, height) in enumerate(zip(order, evened, strict=True)):
        found[i] = round(height + place * least, 6)
    return found
