"""The figure of predictions: each picture with its most probable classes as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from .canvas import FAINT, HUES, INK, MARGIN, figure_of, head_and_foot, new_sheet, picture, words

_SIDE, _BARS, _GAP = 1.35, 2.25, 0.35  # inches: the picture, its bars, between cards
_RIGHT, _WRONG, _PLAIN = HUES[2], HUES[5], HUES[4]


@dataclass(frozen=True)
class Card:
    """One picture and what a network makes of it.

    Attributes:
        pixels: (H, W, 3) uint8, what the network saw.
        name: the picture's.
        classes: the most probable classes, most probable first.
        probabilities: of each, in [0, 1].
        truth: the true class, or empty where it is not known.
    """

    pixels: NDArray[np.uint8]
    name: str
    classes: Sequence[str]
    probabilities: Sequence[float]
    truth: str = ""


def predictions_figure(cards: Sequence[Card], *, title: str, caption: str = "") -> Figure:
    """Draws pictures as a grid, each beside bars for its most probable classes.

    Where the true class is known its bar is green, and the others' are blue; a red frame marks a picture
    whose most probable class is another.

    Args:
        cards: at least one.
        title: the first line.
        caption: the last line.
    """
    columns = 1 if len(cards) == 1 else 2 if len(cards) < 7 else 3
    rows = -(-len(cards) // columns)
    bars = max(len(card.classes) for card in cards)
    tall = max(_SIDE, 0.25 * bars) + 0.45
    wide = _SIDE + 0.12 + _BARS + _GAP
    sheet = new_sheet(max(2 * MARGIN + columns * wide - _GAP, 6.0), rows * tall + 0.9)
    top = sheet.get_ylim()[1] - 0.62
    for i, card in enumerate(cards):
        _draw(sheet, card, MARGIN + i % columns * wide, top - i // columns * tall)
    known = any(card.truth for card in cards)
    legend = "green: the true class; red frame: another came first" if known else ""
    head_and_foot(sheet, title, caption, legend)
    return figure_of(sheet)


def _draw(sheet: Axes, card: Card, left: float, top: float) -> None:
    below = top - 0.2 - _SIDE
    heading = card.name if not card.truth else f"{card.name}: {card.truth}"
    words(sheet, left, top - 0.13, heading[:58], 7.5, FAINT)
    picture(sheet, card.pixels, left, below, _SIDE, _SIDE)
    if card.truth and card.truth != card.classes[0]:
        sheet.add_patch(Rectangle((left, below), _SIDE, _SIDE, fill=False, ec=_WRONG, lw=2))
    step = _SIDE / len(card.classes) if len(card.classes) >= 4 else _SIDE / 5
    start = left + _SIDE + 0.12
    for i, (name, p) in enumerate(zip(card.classes, card.probabilities, strict=True)):
        low = top - 0.2 - (i + 1) * step
        colour = _RIGHT if name == card.truth else _PLAIN
        sheet.add_patch(Rectangle((start, low + 0.03), _BARS * p, 0.08, fc=colour, lw=0))
        sheet.add_patch(Rectangle((start, low + 0.03), _BARS, 0.08, fill=False, ec="#d8d8d8", lw=0.4))
        words(sheet, start, low + 0.135, name[:30], 7, INK)
        words(sheet, start + _BARS, low + 0.135, f"{100 * p:.1f} %", 7, INK, ha="right")
