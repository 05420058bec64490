"""Values at places of an image, drawn where they belong: a grid of cells on the washed-out image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..tiles import Bytes

_FINE = 448  # pixels that a tile has at least, so that the cells' edges are sharp
_DARKEST = 205  # what black of the image becomes beside the cells


def places_tile(photo: Bytes, cells: Bytes, boxes: Tensor) -> Bytes:
    """Coloured cells on a washed-out image, each around the centre of its box.

    A cell ends half-way to its neighbours, and the outermost as far on their other side: beyond them there
    are no boxes' centres, and the image is seen. A lone cell is as large as its box.

    Args:
        photo: (H, W, 3), the image.
        cells: (R, C, 3), a colour for each place.
        boxes: (R, C, 4) top, left, height, width in pixels of the image.

    Returns:
        (H, W, 3), or a whole number of times as large.
    """
    times = max(1, -(-_FINE // max(photo.shape[:2])))
    bounds = boxes.cpu().numpy()
    rows = _cell_of(bounds[:, 0, 0], bounds[:, 0, 2], photo.shape[0], times)
    columns = _cell_of(bounds[0, :, 1], bounds[0, :, 3], photo.shape[1], times)
    tile = _washed(photo).repeat(times, 0).repeat(times, 1)
    inside = np.ix_(rows >= 0, columns >= 0)
    tile[inside] = cells[np.ix_(rows[rows >= 0], columns[columns >= 0])]
    return tile


def _cell_of(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], side: int, times: int
) -> NDArray[np.int64]:
    """For each fine pixel of an axis the cell that it lies in; -1 where it lies in none."""
    centres = starts + lengths / 2
    pixels = (np.arange(side * times) + 0.5) / times
    cell = np.searchsorted((centres[1:] + centres[:-1]) / 2, pixels)
    gaps = np.diff(centres) if len(centres) > 1 else lengths
    outside = (pixels < centres[0] - gaps[0] / 2) | (pixels > centres[-1] + gaps[-1] / 2)
    return np.where(outside, -1, cell)


def _washed(photo: Bytes) -> Bytes:
    """An image in pale greys."""
    grey = _DARKEST + (255 - _DARKEST) / 255 * (photo @ np.array([0.299, 0.587, 0.114]))
    tile: Bytes = np.rint(grey)[..., None].repeat(3, axis=2).astype(np.uint8)
    return tile
