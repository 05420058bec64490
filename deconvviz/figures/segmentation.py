"""The figure of a segmentation: what the network saw, what pointed at the object, and the object.

Source: the arrangement of Simonyan et al. 2013, "Deep Inside Convolutional Networks", fig. 3; the colours
that were learnt are added.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..gradients.graph_cut import ColourModel, Mask
from ..gradients.segmentation import Box, Segmentation
from ..tiles import PERCENTILE, Bytes, photo_tile
from .canvas import FAINT, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words
from .heat import heat_bar, heat_scale, heat_tile

OBJECT, BACKGROUND = "#ffb000", "#3aa0ff"
"""The colours of the two sides: of the box and the object's outline and seeds, and of the other seeds."""
_TILE, _GAP, _HEAD, _ABOVE, _BELOW = 2.5, 0.15, 0.85, 0.24, 1.25  # inches
_DIMMED = 0.4  # of an image's brightness, where it is not the object
_ROOM = 41  # characters under a tile


def segmentation_figure(
    photo: Tensor,
    saliency_map: Tensor,
    found: Segmentation,
    *,
    title: str,
    caption: str = "",
    taken_for: str = "",
    where: str = "",
) -> Figure:
    """Draws the image with the box, its saliency, the pixels that taught the colours, mask and object.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        saliency_map: (H, W) or smaller, never negative.
        found: what was made of the two.
        title: the first line.
        caption: the last line, before the saliency's scale is told.
        taken_for: what the network takes the image for; printed below it.
        where: where the box lies in the whole photograph; printed below the object.
    """
    image, heat = photo_tile(photo.cpu().numpy()), saliency_map.float().cpu().numpy()
    bright = heat_scale(heat)
    drawn = {
        "what the network saw": image,
        "saliency of the class": heat_tile(heat, bright),
        "the pixels that taught the colours": seeds_tile(image, found),
        "the object: largest piece of the cut": mask_tile(found.mask),
        "the object in the image": object_tile(image, found.mask),
    }
    sheet = new_sheet(2 * MARGIN + 5 * _TILE + 4 * _GAP, _BELOW + _TILE + _ABOVE + _HEAD)
    places = [MARGIN + k * (_TILE + _GAP) for k in range(5)]
    for left, (name, tile) in zip(places, drawn.items(), strict=True):
        words(sheet, left, _BELOW + _TILE + 0.08, name, 9.5, INK)
        picture(sheet, tile, left, _BELOW, _TILE, _TILE, edge=True)
    for left in (places[0], places[4]):
        _frame(sheet, found.box, image.shape[:2], left)
    _under_saliency(sheet, places[1], bright)
    _under_seeds(sheet, places[2], found)
    box = found.box
    _lines(sheet, places[0], taken_for, "orange: the box around the object")
    _lines(sheet, places[3], f"white: the object, {100 * found.share:.1f} % of the image")
    place = f"box {box.width} x {box.height}, from row {box.top}, column {box.left}"
    _lines(sheet, places[4], place, *where.splitlines())
    how = (
        "the most and the least salient pixels teach one colour model each · a graph cut gives every pixel "
        "to one of the two, with borders along edges"
    )
    words(sheet, MARGIN, _BELOW + _TILE + _ABOVE + 0.2, how, 8.5, FAINT)
    head_and_foot(sheet, title, caption, f"saliency from 0 to the {PERCENTILE:g}th percentile of its values")
    return figure_of(sheet)


def mask_tile(mask: Mask) -> Bytes:
    """The object white on black: (H, W) to (H, W, 3)."""
    tile: Bytes = np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    return tile


def object_tile(photo: Bytes, mask: Mask) -> Bytes:
    """An image in dimmed greys but for the object, which keeps its colours and has an outline.

    Args:
        photo: (H, W, 3).
        mask: (H, W), true on the object.
    """
    tile = np.where(mask[..., None], photo, _dimmed(photo))
    tile[_outline(mask)] = _bytes(OBJECT)
    return tile


def seeds_tile(photo: Bytes, found: Segmentation) -> Bytes:
    """An image in dimmed greys, with the pixels in colour that taught the two colour models.

    Args:
        photo: (H, W, 3).
        found: a segmentation of it.
    """
    tile = _dimmed(photo)
    tile[found.background_seeds] = _bytes(BACKGROUND)
    tile[found.foreground_seeds] = _bytes(OBJECT)
    return tile


def _dimmed(photo: Bytes) -> Bytes:
    grey = photo @ np.array([0.299, 0.587, 0.114]) * _DIMMED
    tile: Bytes = np.rint(grey)[..., None].repeat(3, axis=2).astype(np.uint8)
    return tile


def _bytes(colour: str) -> Bytes:
    """A colour as three bytes."""
    return np.array([round(255 * part) for part in to_rgb(colour)], dtype=np.uint8)


def _outline(mask: Mask) -> Mask:
    """The object's pixels that have a neighbour, above, below or beside, that is not the object's."""
    around = np.pad(mask, 1, mode="edge")
    inside = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    found: Mask = mask & ~inside
    return found


def _frame(sheet: Axes, box: Box, shape: tuple[int, ...], left: float) -> None:
    """The box on an image drawn at that place."""
    down, across = _TILE / shape[0], _TILE / shape[1]
    corner = left + box.left * across, _BELOW + _TILE - (box.top + box.height) * down
    for lw, colour, alpha in ((2.8, "black", 0.5), (1.6, OBJECT, 1.0)):
        size = box.width * across, box.height * down
        sheet.add_patch(Rectangle(corner, *size, fill=False, lw=lw, ec=colour, alpha=alpha))


def _lines(sheet: Axes, left: float, *lines: str) -> None:
    """Lines of text below a tile."""
    for k, line in enumerate(filter(None, lines)):
        words(sheet, left, _BELOW - 0.2 - 0.17 * k, cut(line, _ROOM), 8, INK if k == 0 else FAINT)


def _under_saliency(sheet: Axes, left: float, bright: float) -> None:
    """What the heat map's colours mean."""
    picture(sheet, heat_bar(), left, _BELOW - 0.14, _TILE, 0.08)
    words(sheet, left, _BELOW - 0.28, "0", 7.5, FAINT)
    words(sheet, left + _TILE, _BELOW - 0.28, f"{number(bright)} and above", 7.5, FAINT, ha="right")


def _under_seeds(sheet: Axes, left: float, found: Segmentation) -> None:
    """Which colour marks which seeds, and the colours that they taught, as wide as each one's weight."""
    sides = (
        (OBJECT, "object", found.foreground_above, "above", found.foreground_colours),
        (BACKGROUND, "background", found.background_below, "below", found.background_colours),
    )
    for k, (colour, name, bound, where, colours) in enumerate(sides):
        y = _BELOW - 0.2 - 0.4 * k
        sheet.add_patch(Rectangle((left, y + 0.01), 0.1, 0.1, fc=colour, ec="none"))
        words(sheet, left + 0.15, y, f"{name}: {where} {number(bound)}; its colours:", 8, INK)
        picture(sheet, _swatches(colours), left, y - 0.2, _TILE, 0.15, edge=True)


def _swatches(colours: ColourModel, wide: int = 200) -> Bytes:
    """The means of a colour model side by side, the heaviest first: (1, wide, 3)."""
    order = np.argsort(-colours.weights, kind="stable")
    ends = np.rint(wide * np.cumsum(colours.weights[order]) / colours.weights.sum()).astype(int)
    which = np.searchsorted(ends, np.arange(wide), side="right")
    return np.rint(colours.means[order][which]).astype(np.uint8)[None]
