"""A frame around a small part of a tile, and that part once more, enlarged in a corner."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..compare.showing import is_all, is_small
from ..tiles import Bytes
from .canvas import picture

_INSET = 0.46  # the side of what is enlarged, of the tile's
_FRAME = "#ff7f0e"

Box = tuple[int, int, int, int]
"""Top, left, height and width, in pixels."""


def marked(sheet: Axes, tile: Bytes, part: Box, place: tuple[float, float, float]) -> None:
    """A frame around the part, unless that is nearly everything, and the part enlarged if it is small.

    Args:
        sheet: with the tile on it.
        tile: (H, W, 3).
        part: of the tile.
        place: left, bottom and side of the tile on the sheet, in inches.
    """
    left, bottom, side = place
    height, width = tile.shape[:2]
    if is_all(part, height, width):
        return
    down, across = side / height, side / width
    corner = left + part[1] * across, bottom + side - (part[0] + part[2]) * down
    _frame(sheet, *corner, part[3] * across, part[2] * down)
    enlarge(sheet, tile, part, place)


def enlarge(sheet: Axes, tile: Bytes, part: Box, place: tuple[float, float, float]) -> None:
    """Puts a small part of a tile once more into the corner that is farthest from it; nothing if it is large.

    Args:
        sheet: with the tile on it.
        tile: (H, W, 3).
        part: of the tile.
        place: left, bottom and side of the tile on the sheet, in inches.
    """
    left, bottom, side = place
    height, width = tile.shape[:2]
    top, start, high, wide = part
    if not is_small(part, height, width):
        return
    longest = max(high, wide)
    tall, broad = _INSET * side * high / longest, _INSET * side * wide / longest
    x = left if start + wide / 2 > width / 2 else left + side - broad
    y = bottom if top + high / 2 < height / 2 else bottom + side - tall
    picture(sheet, tile[top : top + high, start : start + wide], x, y, broad, tall)
    _frame(sheet, x, y, broad, tall)


def _frame(sheet: Axes, left: float, bottom: float, width: float, height: float) -> None:
    for line, colour, alpha in ((2.2, "black", 0.4), (1.1, _FRAME, 1.0)):
        sheet.add_patch(Rectangle((left, bottom), width, height, fill=False, lw=line, ec=colour, alpha=alpha))
