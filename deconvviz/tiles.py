"""Arrays to 8-bit tiles and grids: where a signed picture gets its grey and its scale.

A projection is signed. Zero is mid-grey (128), the scale is symmetric, and its end is a high percentile of
the magnitudes, so that a few outliers do not turn the rest grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

ZERO = 128
"""The grey level that means zero."""
PERCENTILE = 99.5


def signed_scale(arrays: Sequence[Floats], percentile: float = PERCENTILE) -> float:
    """The magnitude that is drawn at full contrast: a percentile of all values that are not zero.

    Args:
        arrays: signed arrays that share one scale.
        percentile: in [0, 100].

    Returns:
        a positive number; 1 where everything is zero.
    """
    values = np.concatenate([np.abs(a[a != 0]).ravel() for a in arrays]) if arrays else np.empty(0)
    return float(np.percentile(values, percentile)) if values.size else 1.0


def signed_tile(array: Floats, scale: float) -> Bytes:
    """A signed picture as RGB or grey: zero is 128, -scale is 1, +scale is 255.

    Args:
        array: (3, H, W) or (H, W).
        scale: the magnitude drawn at full contrast; larger ones are cut.

    Returns:
        (H, W, 3) or (H, W) uint8.
    """
    levels = np.rint(ZERO + 127 * np.clip(array / scale, -1, 1)).astype(np.uint8)
    return np.moveaxis(levels, 0, -1) if levels.ndim == 3 else levels


def photo_tile(array: Floats) -> Bytes:
    """A picture in [0, 1] as 8-bit RGB: (3, H, W) to (H, W, 3)."""
    return np.moveaxis(np.rint(255 * np.clip(array, 0, 1)).astype(np.uint8), 0, -1)


def positive_tile(array: Floats, top: float) -> Bytes:
    """Activations as levels: zero and below are 0, `top` and above 255; (H, W) to (H, W)."""
    return (
        np.rint(255 * np.clip(array / top, 0, 1)).astype(np.uint8)
        if top > 0
        else np.zeros(array.shape, np.uint8)
    )


def framed(tile: Bytes, window: Sequence[int]) -> Bytes:
    """A window of a tile, white where it hangs over the image's edge.

    Args:
        tile: (H, W, 3), the whole image.
        window: top, left, height, width; may begin above or left of the image and end beyond it.

    Returns:
        (height, width, 3).
    """
    top, left, height, width = window
    frame = np.full((height, width, 3), 255, np.uint8)
    rows = slice(max(top, 0), min(top + height, tile.shape[0]))
    columns = slice(max(left, 0), min(left + width, tile.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return frame  # a window in the padding alone
    frame[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = tile[
        rows, columns
    ]
    return frame


def enlarged(tile: Bytes, to: int = 256) -> Bytes:
    """Every pixel repeated a whole number of times, until the longer side is about `to`."""
    times = max(1, round(to / max(tile.shape[:2])))
    return tile.repeat(times, 0).repeat(times, 1)


def columns_for(tiles: int, aspect: float = 1.0) -> int:
    """How many columns make a grid of so many tiles about `aspect` times as wide as high."""
    return max(1, math.ceil(math.sqrt(tiles * aspect)))


def grid(tiles: Sequence[Bytes], columns: int, gap: int, background: int = 255) -> Bytes:
    """Tiles of one size in rows, with a gap between them.

    Args:
        tiles: each (H, W) or (H, W, 3).
        columns: tiles in a row.
        gap: pixels between tiles.
        background: grey level of gaps and empty places.

    Returns:
        (rows * (H + gap) - gap, columns * (W + gap) - gap) or the same with 3 channels.
    """
    height, width, *channels = tiles[0].shape
    rows = -(-len(tiles) // columns)
    sheet = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, *channels), background, np.uint8
    )
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet
