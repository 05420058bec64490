"""The figure of a layer's kernels: in colour where they see pixels, one grey tile an input map elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from .. import tiles
from .canvas import FAINT, bare_axes, new_figure, number, text_at


def filters_figure(
    weight: Tensor, channels: Sequence[int], *, title: str, caption: str = "", scale: str = "shared"
) -> Figure:
    """Draws kernels: a grid of colour tiles for (C, 3, k, k), a unit-by-input table of grey tiles otherwise.

    Args:
        weight: (C, I, k, k).
        channels: which units, in the order to draw them.
        title: the first line.
        caption: the last line.
        scale: ``shared`` draws all kernels at one contrast, ``each`` every unit's at its own.
    """
    kernels = weight.float().cpu().numpy()[list(channels)]
    shared = tiles.signed_scale([kernels])
    scales = [shared if scale == "shared" else tiles.signed_scale([kernel]) for kernel in kernels]
    draw = _in_colour if kernels.shape[1] == 3 else _in_grey
    figure = draw(kernels, scales, list(channels))
    across = figure.get_size_inches()
    text_at(figure, 0.25, across[1] - 0.3, title, 12, fontweight="bold")
    how = f"one scale, ±{number(shared)}" if scale == "shared" else "each unit at its own scale"
    words = f"grey is zero, brighter positive, darker negative; {how} ({tiles.PERCENTILE:g}th percentile)"
    text_at(figure, 0.25, 0.15, " · ".join(filter(None, [caption, words])), 7.5, FAINT)
    return figure


def _in_colour(kernels: tiles.Floats, scales: list[float], channels: list[int]) -> Figure:
    columns = tiles.columns_for(len(channels), aspect=1.35)
    rows = -(-len(channels) // columns)
    tile = max(0.45, min(1.5, 10 / columns))
    step_x, step_y = tile + 0.08, tile + 0.22
    figure = new_figure(max(columns * step_x + 0.5, 6.0), rows * step_y + 1.0)
    axes = bare_axes(figure, 0.25, 0.42, columns * step_x, rows * step_y)
    for i, (kernel, end) in enumerate(zip(kernels, scales, strict=True)):
        x, y = i % columns * step_x, i // columns * step_y + 0.18
        extent = (x, x + tile, y + tile, y)
        axes.imshow(tiles.signed_tile(kernel, end), extent=extent, interpolation="nearest")
        axes.text(x, y - 0.03, str(channels[i]), fontsize=7)
    axes.set_xlim(0, columns * step_x)
    axes.set_ylim(rows * step_y, 0)
    return figure


def _in_grey(kernels: tiles.Floats, scales: list[float], channels: list[int]) -> Figure:
    units, inputs, height, width = kernels.shape
    sheet = tiles.grid(
        [tiles.signed_tile(k, end) for unit, end in zip(kernels, scales, strict=True) for k in unit],
        columns=inputs,
        gap=1,
        background=255,
    )
    inch = max(0.012, min(0.1, 14 / sheet.shape[1]))
    figure = new_figure(max(sheet.shape[1] * inch + 1.0, 6.0), sheet.shape[0] * inch + 1.35)
    axes = bare_axes(figure, 0.75, 0.62, sheet.shape[1] * inch, sheet.shape[0] * inch)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_on()
    for spine in axes.spines.values():
        spine.set_visible(False)
    every = max(1, -(-units // 64))
    shown = range(0, units, every)
    axes.set_yticks(
        [(height + 1) * i + (height - 1) / 2 for i in shown], [str(channels[i]) for i in shown], fontsize=6
    )
    every = max(1, -(-inputs // 32))
    ticks = range(0, inputs, every)
    axes.set_xticks([(width + 1) * i + (width - 1) / 2 for i in ticks], [str(i) for i in ticks], fontsize=6)
    axes.tick_params(length=0, pad=2)
    axes.set_xlabel("input map", fontsize=8)
    axes.set_ylabel("unit", fontsize=8)
    return figure
