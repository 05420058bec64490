"""The figure of a layer's kernels: in colour where they see pixels, one grey tile an input map elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .. import tiles
from .canvas import FAINT, MARGIN, figure_of, head_and_foot, new_sheet, number, picture, words


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
    sheet = draw(kernels, scales, list(channels))
    grey = "grey is zero, brighter positive, darker negative"
    how = f"one scale, ±{number(shared)}" if scale == "shared" else "each unit at its own scale"
    head_and_foot(sheet, title, caption, f"{grey}; {how} ({tiles.PERCENTILE:g}th percentile)")
    return figure_of(sheet)


def _in_colour(kernels: tiles.Floats, scales: list[float], channels: list[int]) -> Axes:
    columns = tiles.columns_for(len(channels), aspect=1.35)
    rows = -(-len(channels) // columns)
    tile = max(0.45, min(1.5, 10 / columns))
    step_x, step_y = tile + 0.08, tile + 0.22
    sheet = new_sheet(max(columns * step_x + 2 * MARGIN, 6.0), rows * step_y + 0.95)
    for i, (kernel, end) in enumerate(zip(kernels, scales, strict=True)):
        x, y = MARGIN + i % columns * step_x, 0.42 + (rows - 1 - i // columns) * step_y
        picture(sheet, tiles.signed_tile(kernel, end), x, y, tile, tile)
        words(sheet, x, y + tile + 0.03, str(channels[i]), 7)
    return sheet


def _in_grey(kernels: tiles.Floats, scales: list[float], channels: list[int]) -> Axes:
    units, inputs, height, width = kernels.shape
    table = tiles.grid(
        [tiles.signed_tile(k, end) for unit, end in zip(kernels, scales, strict=True) for k in unit],
        columns=inputs,
        gap=1,
    )
    inch = max(0.012, min(0.1, 14 / table.shape[1]))
    across, down = table.shape[1] * inch, table.shape[0] * inch
    left, bottom = MARGIN + 0.45, 0.45
    sheet = new_sheet(max(left + across + MARGIN, 7.0), bottom + down + 0.95)
    picture(sheet, table, left, bottom, across, down)
    centre = {"va": "center", "ha": "right"}
    for i in range(0, units, max(1, -(-units // 64))):
        y = bottom + down - ((height + 1) * i + height / 2) * inch
        words(sheet, left - 0.06, y, str(channels[i]), 6, FAINT, **centre)
    for i in range(0, inputs, max(1, -(-inputs // 32))):
        x = left + ((width + 1) * i + width / 2) * inch
        words(sheet, x, bottom + down + 0.05, str(i), 6, FAINT, ha="center")
    words(sheet, left, bottom + down + 0.22, "one row a unit, one column an input map", 7.5, FAINT)
    return sheet
