"""What all figures share: type, colours, and how one becomes a file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..errors import OutputError
from ..runs import FIGURE_SUFFIXES, replacing

INK = "#1a1a1a"
FAINT = "#6b6b6b"
# Nine hues that stay apart on a photograph and on white, also for colour-blind eyes (after Okabe & Ito 2008).
HUES = ("#e69f00", "#56b4e9", "#009e73", "#9ab800", "#0072b2", "#d55e00", "#cc79a7", "#7a3fbf", "#8c564b")
DOTS_PER_INCH = 150
MAX_PIXELS_A_SIDE = 30_000
MARGIN = 0.25  # inches


def new_figure(width: float, height: float) -> Figure:
    """A white figure of so many inches, drawn without a window."""
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")


def new_sheet(width: float, height: float) -> Axes:
    """A figure covered by one invisible pair of axes measured in inches from the lower left corner.

    Hundreds of tiles on one pair of axes are drawn many times faster than on axes of their own.
    """
    axes = new_figure(width, height).add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    return axes


def figure_of(sheet: Axes) -> Figure:
    """The figure that a sheet covers."""
    return sheet.figure  # type: ignore[return-value]  # a sheet is never on a SubFigure


def picture(
    sheet: Axes,
    tile: NDArray[np.uint8],
    left: float,
    bottom: float,
    width: float,
    height: float,
    *,
    edge: bool = False,
) -> None:
    """Puts a tile on a sheet, in inches; few pixels stay squares, many are smoothed.

    Args:
        sheet: from `new_sheet`.
        tile: (H, W, 3) or (H, W) uint8.
        left: of the tile, likewise the next three.
        bottom: of the tile.
        width: of the tile.
        height: of the tile.
        edge: draw a hairline around it, so that white inside is seen to belong to it.
    """
    extent = (left, left + width, bottom, bottom + height)
    squares = "nearest" if max(tile.shape[:2]) < 56 else None
    sheet.imshow(tile, extent=extent, interpolation=squares, aspect="auto", cmap="gray", vmin=0, vmax=255)
    if edge:
        frame = Rectangle((left, bottom), width, height, fill=False, ec="#b8b8b8", lw=0.5, clip_on=False)
        sheet.add_patch(frame)


def words(
    sheet: Axes, left: float, bottom: float, text: str, size: float, colour: str = INK, **style: Any
) -> None:
    """A line of text on a sheet, at so many inches from its lower left corner."""
    sheet.text(left, bottom, text, fontsize=size, color=colour, parse_math=False, **style)


def head_and_foot(sheet: Axes, title: str, *notes: str) -> None:
    """The title at the top, and the notes that are not empty in one line at the bottom."""
    words(sheet, MARGIN, sheet.get_ylim()[1] - 0.32, title, 12, fontweight="bold")
    words(sheet, MARGIN, 0.15, " · ".join(filter(None, notes)), 7.5, FAINT)


def save_figure(figure: Figure, path: Path, facts: Mapping[str, str] | None = None) -> Path:
    """Writes a figure as PNG, SVG or PDF by its suffix; an older file is replaced only once that is done.

    Args:
        figure: any matplotlib figure.
        path: where to; its folder is made if need be.
        facts: text to keep inside the file: ``Software`` and ``Description``.

    Raises:
        OutputError: the suffix is none of the three, the picture is too large, or the place cannot be
            written.
    """
    suffix = path.suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        raise OutputError(f"{path}: figures are written as {', '.join(FIGURE_SUFFIXES)}")
    pixels = max(figure.get_size_inches()) * figure.dpi
    if suffix == ".png" and pixels > MAX_PIXELS_A_SIDE:
        raise OutputError(f"the figure would be {pixels:.0f} pixels across: ask for fewer tiles (--topk)")
    facts = facts or {}
    software, description = facts.get("Software", ""), facts.get("Description", "")
    metadata: dict[str, str | None]
    if suffix == ".png":
        metadata = dict(facts)
    elif suffix == ".svg":
        metadata = {"Creator": software, "Description": description, "Date": None}
    else:
        metadata = {"Creator": software, "Subject": description, "CreationDate": None}
    with (
        replacing(path) as temporary,
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deconvviz"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a file name may be in any script
        figure.savefig(temporary, format=suffix[1:], metadata=metadata)
    return path


def number(value: float) -> str:
    """A value in three significant digits, as short as it gets."""
    return f"{value:.3g}"


def cut(text: str, letters: int) -> str:
    """As much of a text as so many letters hold, with an ellipsis where some is left out."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def hue(k: int) -> str:
    """The colour of the k-th of several things; the tenth has that of the first."""
    return HUES[k % len(HUES)]
