"""Heat maps as 8-bit tiles: a map that is never negative in colour, and laid over its image.

The colours are matplotlib's inferno: evenly graded to the eye, from black over red to pale yellow, and still
in order when printed in grey.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

from ..tiles import PERCENTILE, Bytes, Floats, positive_tile

COLOURS = "inferno"
_DARKEST, _LIGHTEST = 48, 190  # what black and white of the image become under a heat map


def heat_scale(heat: Floats) -> float:
    """The value drawn brightest: a high percentile of those that are not zero; 1 where all are.

    Args:
        heat: (H, W), never negative.
    """
    values = heat[heat > 0]
    return float(np.percentile(values, PERCENTILE)) if values.size else 1.0


def heat_tile(heat: Floats, top: float) -> Bytes:
    """A heat map in colour: zero is black, `top` and above the brightest; (H, W) to (H, W, 3)."""
    tile: Bytes = _colours()[positive_tile(heat, top)]
    return tile


def heat_bar() -> Bytes:
    """The colours from zero to the brightest, left to right: (1, 256, 3)."""
    return _colours()[None]


def overlay_tile(photo: Bytes, heat: Floats, top: float) -> Bytes:
    """An image in middling greys with a heat map on it that covers it the more, the hotter it is.

    Args:
        photo: (H, W, 3).
        heat: (H, W), never negative.
        top: the value drawn brightest.

    Returns:
        (H, W, 3).
    """
    grey = _DARKEST + (_LIGHTEST - _DARKEST) / 255 * (photo @ np.array([0.299, 0.587, 0.114]))
    cover = np.clip(heat / top, 0, 1)[..., None]
    mixed = grey[..., None] * (1 - cover) + heat_tile(heat, top) * cover
    tile: Bytes = np.rint(mixed).astype(np.uint8)
    return tile


def _colours() -> Bytes:
    """(256, 3): the colours in order."""
    colours: Bytes = (mpl.colormaps[COLOURS](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    return colours
