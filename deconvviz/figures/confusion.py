"""The figure of a confusion matrix: what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .canvas import FAINT, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, words

_LABELLED = 25  # classes: beyond it rows are too thin for names and numbers
_LISTED = 16  # of the most frequent confusions


def confusion_figure(
    confusion: NDArray[np.int64], names: Sequence[str], *, title: str, caption: str = ""
) -> Figure:
    """Draws the matrix, with numbers where there is room, and lists the most frequent confusions.

    Args:
        confusion: (C, C) counts: row the true class, column the predicted one.
        names: of the classes.
        title: the first line.
        caption: the last line.
    """
    classes = len(names)
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    labelled = classes <= _LABELLED
    cell = max(0.34, min(0.62, 5.2 / classes)) if labelled else 6.0 / classes
    side = cell * classes
    left = MARGIN + (0.072 * max(map(len, names)) + 0.2 if labelled else 0.35)
    below = 0.45 + (0.045 * max(map(len, names)) + 0.2 if labelled else 0.2)
    height = max(side + below + 0.75, 3.2)
    right = left + side + 0.35
    sheet = new_sheet(right + 3.6, height)
    bottom = height - 0.75 - side
    sheet.imshow(
        np.sqrt(shares),  # so that confusions of a few per cent can be seen beside the diagonal
        extent=(left, left + side, bottom, bottom + side),
        cmap="Blues",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
    )
    if labelled:
        _label(sheet, shares, names, left, bottom, cell)
    words(
        sheet,
        left + side / 2,
        bottom + side + 0.08,
        "predicted across, true class down",
        7.5,
        FAINT,
        ha="center",
    )
    _most_frequent(sheet, confusion, names, right, bottom + side)
    numbers = "numbers are per cent of the true class" if labelled else ""
    darker = "darker is more, by the square root of the share of the true class"
    head_and_foot(sheet, title, caption, numbers, darker)
    return figure_of(sheet)


def _label(
    sheet: Axes, shares: NDArray[np.float64], names: Sequence[str], left: float, bottom: float, cell: float
) -> None:
    top = bottom + cell * len(names)
    for i, name in enumerate(names):
        middle = top - (i + 0.5) * cell
        words(sheet, left - 0.06, middle, name, 7.5, ha="right", va="center")
        across = left + (i + 0.5) * cell
        words(
            sheet, across, bottom - 0.05, name, 7.5, ha="right", va="top", rotation=40, rotation_mode="anchor"
        )
        for j, share in enumerate(shares[i]):
            if share >= 0.005:
                colour = "white" if share > 0.35 else INK
                x = left + (j + 0.5) * cell
                words(sheet, x, middle, f"{100 * share:.0f}", 6.5, colour, ha="center", va="center")


def _most_frequent(
    sheet: Axes, confusion: NDArray[np.int64], names: Sequence[str], left: float, top: float
) -> None:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
    words(sheet, left, top - 0.1, "most frequent confusions", 8.5, fontweight="bold")
    room = max(1, min(_LISTED, int((top - 0.5) / 0.17)))
    for place, cell in enumerate(order[:room]):
        true, taken = divmod(int(cell), len(names))
        if not wrong[true, taken]:
            break
        share = wrong[true, taken] / confusion[true].sum()
        line = f"{100 * share:.0f} % of {_short(names[true])} taken for {_short(names[taken])}"
        words(sheet, left, top - 0.33 - 0.17 * place, line, 7)


def _short(name: str) -> str:
    return cut(name, 22)
