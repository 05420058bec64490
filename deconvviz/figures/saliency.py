"""The figure of saliency: an image, and for each class the heat map alone and on the image.

Source: the heat maps of Simonyan et al. 2013, "Deep Inside Convolutional Networks", fig. 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .. import tiles
from ..deconvnet import Rectification
from ..gradients.saliency import Saliency
from .canvas import FAINT, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words
from .heat import heat_bar, heat_scale, heat_tile, overlay_tile

_GAP, _BETWEEN, _LABEL, _BAR = 0.06, 0.35, 0.45, 0.3  # inches: in a pair, between pairs, above and below one
_HEAD, _FOOT = 0.8, 0.42
_BRIGHT = {
    Rectification.GRADIENT: "bright: a small change of this pixel moves the class's score, up or down · "
    "black: it leaves the score as it is",
    Rectification.GUIDED: "bright: guided backpropagation takes the class's score down to this pixel · "
    "black: nothing arrives",
    Rectification.DECONVNET: "bright: the deconvnet takes the class's score down to this pixel · "
    "black: nothing arrives",
    Rectification.NONE: "bright: what the score becomes at this pixel if rectifiers are left out on its way "
    "down · black: nothing arrives",
}
_DRAWN = (
    "a pixel's value is the largest magnitude among its channels · "
    f"each map is drawn from 0 to its {tiles.PERCENTILE:g}th percentile"
)


def saliency_figure(
    photo: Tensor,
    found: Saliency,
    names: Sequence[str],
    *,
    title: str,
    rule: Rectification = Rectification.GRADIENT,
    caption: str = "",
    taken_for: Sequence[str] = (),
) -> Figure:
    """Draws the image, and for each class its heat map and the image with the heat map on it.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        found: of T classes, all in this one image.
        names: what each class is called.
        title: the first line.
        rule: that of the saliency; the figure says in words what a bright pixel means.
        caption: the last line.
        taken_for: what the network takes the image for, a line each; printed below it.
    """
    image = tiles.photo_tile(photo.cpu().numpy())
    count = len(names)
    columns = 1 if count <= 3 else 2 if count <= 8 else 3
    rows = -(-count // columns)
    tile = 3.0 if count == 1 else 2.3 if count <= 4 else 1.7
    side = max(tile, 2.3)
    wide, tall = 2 * tile + _GAP + _BETWEEN, _LABEL + tile + _BAR
    block = max(rows * tall, _LABEL + side + 0.2 + 0.17 * len(taken_for))
    left = MARGIN + side + _BETWEEN
    sheet = new_sheet(max(left + columns * wide - _BETWEEN + MARGIN, 8.2), _HEAD + block + _FOOT)
    top = _FOOT + block
    words(sheet, MARGIN, top + 0.24, _BRIGHT[rule], 8.5, FAINT)
    words(sheet, MARGIN, top + 0.08, _DRAWN, 8.5, FAINT)
    words(sheet, MARGIN, top - _LABEL + 0.07, "what the network saw", 9, INK)
    picture(sheet, image, MARGIN, top - _LABEL - side, side, side, edge=True)
    for i, line in enumerate(taken_for):
        words(sheet, MARGIN, top - _LABEL - side - 0.19 - 0.17 * i, line, 8)
    for k in range(count):
        x, y = left + k % columns * wide, top - k // columns * tall
        _pair(sheet, image, found, k, names[k], x, y - _LABEL, tile)
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def _pair(
    sheet: Axes, image: tiles.Bytes, found: Saliency, k: int, name: str, left: float, top: float, tile: float
) -> None:
    """A class's heat map and overlay under its name, and its scale below."""
    heat = found.maps[k].float().cpu().numpy()
    bright, below, right = heat_scale(heat), top - tile, left + tile + _GAP
    score = (
        f"score {number(found.scores[k].item())} · probability {100 * found.probabilities[k].item():.1f} %"
    )
    room = round(11 * (2 * tile + _GAP))
    words(sheet, left, top + 0.23, cut(name, room), 10, INK)
    words(sheet, left, top + 0.07, score, 8, FAINT)
    picture(sheet, heat_tile(heat, bright), left, below, tile, tile)
    picture(sheet, overlay_tile(image, heat, bright), right, below, tile, tile, edge=True)
    words(sheet, right, below - 0.13, "the same, over the image", 7, FAINT)
    if not heat.any():
        words(
            sheet, left + tile / 2, below + tile / 2, "nothing arrives", 8, "white", ha="center", va="center"
        )
        return
    picture(sheet, heat_bar(), left, below - 0.11, tile, 0.07)
    words(sheet, left, below - 0.22, "0", 7, FAINT)
    words(sheet, left + tile, below - 0.22, f"{number(bright)} and above", 7, FAINT, ha="right")
