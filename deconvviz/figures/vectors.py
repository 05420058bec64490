"""Figures of a fully connected layer: all its units as a sheet of cells, or some of them as bars."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .. import tiles
from .canvas import INK, head_and_foot, new_figure, number


def vector_sheet(values: tiles.Floats, title: str, caption: str) -> Figure:
    """All units as cells, read like a page: unit = row x columns + column.

    Args:
        values: (C).
        title: the first line.
        caption: the last line.
    """
    columns = tiles.columns_for(len(values))
    rows = -(-len(values) // columns)
    cells = np.full(rows * columns, np.nan, np.float32)
    cells[: len(values)] = values
    signed = bool((values < 0).any())
    end = float(np.abs(values).max()) or 1.0
    figure = new_figure(8.2, 8.2)
    axes = figure.add_axes((0.09, 0.09, 0.78, 0.82))
    colours = mpl.colormaps["RdBu_r" if signed else "magma"]
    norm = Normalize(-end if signed else 0, end)
    axes.imshow(cells.reshape(rows, columns), cmap=colours, norm=norm, interpolation="nearest")
    axes.set_xlabel("column", fontsize=9)
    axes.set_ylabel(f"row (unit = row × {columns} + column)", fontsize=9)
    axes.tick_params(labelsize=8)
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes.inset_axes((1.03, 0, 0.035, 1)))
    bar.ax.tick_params(labelsize=8)
    note = f"{len(values)} units, {int((values <= 0).sum())} of them not positive"
    _words(figure, title, caption, note)
    return figure


def vector_bars(
    values: tiles.Floats, channels: Sequence[int], names: Sequence[str], title: str, caption: str
) -> Figure:
    """Chosen units as bars, the first on top.

    Args:
        values: (K).
        channels: (K) unit numbers.
        names: (K) names, such as classes, or none.
        title: the first line.
        caption: the last line.
    """
    count = len(values)
    height = 1.3 + 0.24 * count
    figure = new_figure(8.2, height)
    axes = figure.add_axes((0.36, 0.55 / height, 0.56, (height - 1.15) / height))
    axes.barh(range(count), values, color="#56b4e9", height=0.72)
    labels = [
        f"{name}  {c}" if name else f"unit {c}"
        for c, name in zip(channels, names or [""] * count, strict=True)
    ]
    axes.set_yticks(range(count), labels, fontsize=8, parse_math=False)
    axes.set_ylim(count - 0.4, -0.6)
    axes.axvline(0, color=INK, lw=0.6)
    for i, value in enumerate(values):
        axes.annotate(
            number(value), (max(value, 0), i), (4, 0), textcoords="offset points", fontsize=7.5, va="center"
        )
    axes.margins(x=0.12)
    axes.set_xticks([])
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    _words(figure, title, caption, "bars: activations")
    return figure


def _words(figure: Figure, title: str, *notes: str) -> None:
    """The same head and foot as on a sheet, above axes of the figure's own."""
    sheet = figure.add_axes((0, 0, 1, 1), zorder=-1)
    sheet.set_axis_off()
    sheet.set_xlim(0, figure.get_size_inches()[0])
    sheet.set_ylim(0, figure.get_size_inches()[1])
    head_and_foot(sheet, title, *notes)
