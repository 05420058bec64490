"""The figure of settling layers: how far each layer's filters are from their last state, over the epochs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from .canvas import FAINT, INK, MARGIN, new_figure

if TYPE_CHECKING:  # as in `evolution`
    from ..experiments.settling import Settling

_PANEL, _LEFT, _BETWEEN, _TABLE = 3.6, 0.75, 0.75, 2.6  # inches: widths
_HEAD, _FOOT, _ROW = 0.85, 0.55, 0.19  # inches: heights; a row of the table
_LETTER = 0.0072  # inches: a letter's width, of a type of one point
_NOTE = (
    "Angle: between a filter and itself at another snapshot, the mean over the layer's filters; 0° is the "
    "same direction, 90° unrelated; a filter's length does not count. The last snapshot is at 0° by "
    "construction, and where the learning rate falls to zero every layer comes to rest at the end: compare "
    "which layers come first."
)


def settling_figure(found: Settling, *, within: float, title: str, caption: str = "") -> Figure:
    """Draws the angle to the last and to the previous snapshot, a line a layer, and when each had settled.

    Args:
        found: of L layers over at least two snapshots.
        within: the angle in degrees below which a layer counts as settled.
        title: the first line.
        caption: at the bottom.
    """
    layers = len(found.layers)
    width = _LEFT + 2 * _PANEL + _BETWEEN + 0.45 + _TABLE
    noted = textwrap.wrap(f"{_NOTE} {caption}".strip(), int((width - 2 * MARGIN) / (7.5 * _LETTER)))
    foot = _FOOT + 0.13 * len(noted) + 0.12
    tall = max(3.1, _ROW * (layers + 2))
    height = _HEAD + tall + foot
    figure = new_figure(width, height)

    def panel(left: float, wide: float) -> Axes:
        return figure.add_axes((left / width, foot / height, wide / width, tall / height))

    first, second = panel(_LEFT, _PANEL), panel(_LEFT + _PANEL + _BETWEEN, _PANEL)
    colours = [mpl.colormaps["viridis"](0.92 * i / max(layers - 1, 1)) for i in range(layers)]
    for colour, to_last, between in zip(
        colours, found.to_last["angle"].tolist(), found.between["angle"].tolist(), strict=True
    ):
        first.plot(found.epochs, to_last, "o-", color=colour, lw=1.6, ms=3.5)
        second.plot(found.epochs[1:], between, "o-", color=colour, lw=1.6, ms=3.5)
    highest = max(*(float(angles["angle"].max()) for angles in (found.to_last, found.between)), 1e-3)
    if within <= 1.5 * highest:  # else it would leave the lines no room; the table says it too
        highest = max(highest, within)
        first.axhline(within, color=FAINT, lw=0.9, ls="--")
        first.annotate(
            f"settled: below {within:g}°",
            (found.epochs[0], within),
            xytext=(2, 3),
            textcoords="offset points",
            fontsize=7.5,
            color=FAINT,
            bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.3},
        )
    for axes, heading in (
        (first, f"angle to the filters of epoch {found.epochs[-1]}, degrees"),
        (second, "angle to the filters of the snapshot before, degrees"),
    ):
        _style(axes, found.epochs, 1.06 * highest)
        axes.set_title(heading, fontsize=9, loc="left")
    _table(panel(width - MARGIN - _TABLE, _TABLE), found, within, colours, tall)
    figure.text(MARGIN / width, 1 - 0.38 / height, title, fontsize=12, fontweight="bold", parse_math=False)
    for i, line in enumerate(reversed(noted)):
        place = MARGIN / width, (0.15 + 0.13 * i) / height
        figure.text(*place, line, fontsize=7.5, color=FAINT, parse_math=False)
    return figure


def _style(axes: Axes, epochs: tuple[int, ...], highest: float) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(epochs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(epoch) for epoch in epochs])
    axes.set_xlim(epochs[0] / 1.12, epochs[-1] * 1.12)
    axes.set_ylim(-0.02 * highest, highest)
    axes.set_xlabel("epoch of the snapshot (logarithmic)", fontsize=8)
    axes.tick_params(labelsize=7.5)
    axes.grid(color="#e6e6e6", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _table(
    axes: Axes,
    found: Settling,
    within: float,
    colours: list[tuple[float, float, float, float]],
    tall: float,
) -> None:
    """The layers with their colours, and the epoch at which each had settled."""
    axes.set_axis_off()
    axes.set_xlim(0, _TABLE)
    axes.set_ylim(0, tall)
    axes.text(0, tall + 0.07, "layer", fontsize=9, color=INK)
    axes.text(_TABLE, tall + 0.07, f"below {within:g}° from epoch", fontsize=9, color=INK, ha="right")
    for i, (name, epoch) in enumerate(zip(found.layers, found.settled(within), strict=True)):
        y = tall - _ROW * (i + 0.75)
        axes.plot([0.03, 0.2], [y, y], color=colours[i], lw=2.4)
        short = name if len(name) <= 24 else f"…{name[-23:]}"
        told = f"{epoch}" if epoch is not None else f"{found.epochs[-1]}, the last"
        axes.text(0.27, y, short, fontsize=8, color=INK, va="center", parse_math=False)
        axes.text(_TABLE, y, told, fontsize=8, color=FAINT if epoch is None else INK, va="center", ha="right")
