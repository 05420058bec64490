"""The figure of a layer's feature maps: one labelled grid; dead maps are marked."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from .. import tiles
from .canvas import FAINT, INK, MARGIN, figure_of, head_and_foot, new_sheet, number, picture, words
from .vectors import vector_bars, vector_sheet

COLOURS = "magma"
_DEAD = np.array([216, 216, 216], np.uint8)


def map_scale(features: Tensor) -> float:
    """The activation drawn brightest: a high percentile of the positive ones; 1 where none is."""
    positive = features[features > 0].float().cpu().numpy()
    return float(np.percentile(positive, tiles.PERCENTILE)) if positive.size else 1.0


def map_tile(feature_map: Tensor, top: float) -> tiles.Bytes:
    """One feature map in colour: (H, W) to (H, W, 3); zero and below black, a dead map plain light grey."""
    values = feature_map.float().cpu().numpy()
    if not (values > 0).any():
        return np.broadcast_to(_DEAD, (*values.shape, 3)).copy()
    colours = (mpl.colormaps[COLOURS](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    tile: tiles.Bytes = colours[tiles.positive_tile(values, top)]
    return tile


def maps_figure(
    photo: Tensor,
    features: Tensor,
    channels: Sequence[int],
    *,
    title: str,
    caption: str = "",
    names: Sequence[str] = (),
    scale: str = "shared",
) -> Figure:
    """Draws the photograph and its feature maps as one grid, each map under its unit's number.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        features: (C, H, W) of one image; or (C) of a fully connected layer: all of it is a sheet of cells,
            chosen units as bars.
        channels: which units, in the order to draw them.
        title: the first line.
        caption: the last line.
        names: one a unit, such as class names; for a fully connected layer's strongest units.
        scale: ``shared`` draws all maps at one brightness, ``each`` every one at its own.
    """
    if features.ndim == 1:
        values = features.float().cpu().numpy()
        if list(channels) == list(range(len(values))):
            return vector_sheet(values, title, caption)
        return vector_bars(values[list(channels)], channels, names, title, caption)
    shared = map_scale(features[list(channels)])
    places = len(channels) + 1  # the photograph takes the first
    columns = tiles.columns_for(places, aspect=1.35)
    rows = -(-places // columns)
    tile = max(0.55, min(1.5, 11 / columns))
    step_x, step_y = tile + 0.07, tile + 0.2
    sheet = new_sheet(max(columns * step_x + 2 * MARGIN, 6.0), rows * step_y + 0.95)
    size = 6.5 if tile < 0.9 else 8
    first = 0.4 + rows * step_y - step_y

    def place(i: int) -> tuple[float, float]:
        return MARGIN + i % columns * step_x, first - i // columns * step_y

    x, y = place(0)
    picture(sheet, tiles.photo_tile(photo.cpu().numpy()), x, y, tile, tile)
    words(sheet, x, y + tile + 0.03, "photograph", size, FAINT)
    dead = 0
    for i, channel in enumerate(channels, start=1):
        x, y = place(i)
        top = shared if scale == "shared" else map_scale(features[channel])
        alive = bool((features[channel] > 0).any())
        picture(sheet, map_tile(features[channel], top), x, y, tile, tile)
        label, colour = (str(channel), INK) if alive else (f"{channel} dead", FAINT)
        words(sheet, x, y + tile + 0.03, label, size, colour)
        if not alive:
            dead += 1
            sheet.plot([x, x + tile], [y + tile, y], color="#b0b0b0", lw=0.8)
    how = (
        f"black is zero, brightest {number(shared)} and above"
        if scale == "shared"
        else "each map at its own brightness"
    )
    note = f"{dead} dead (grey, struck out: no positive activation)" if dead else "none dead"
    head_and_foot(sheet, title, caption, how, note)
    return figure_of(sheet)
