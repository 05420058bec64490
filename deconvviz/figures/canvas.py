"""What all figures share: type, colours, and how one becomes a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..errors import OutputError
from ..runs import replacing

SUFFIXES = (".png", ".svg", ".pdf")
INK = "#1a1a1a"
FAINT = "#6b6b6b"
# Nine hues that stay apart on a photograph, in print and for colour-blind eyes (after Okabe & Ito 2008).
HUES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7a3fbf", "#8c564b")
DOTS_PER_INCH = 150
MAX_PIXELS_A_SIDE = 30_000


def new_figure(width: float, height: float) -> Figure:
    """A white figure of so many inches, drawn without a window."""
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")


def bare_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes without ticks or frame, placed in inches from the lower left corner, y pointing down."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.set_axis_off()
    return axes


def outline(axes: Axes) -> None:
    """A hairline around bare axes, so that white inside them is seen to belong to the tile."""
    axes.add_patch(
        Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, ec="#b8b8b8", lw=0.5, clip_on=False)
    )


def text_at(
    figure: Figure, left: float, bottom: float, text: str, size: float, colour: str = INK, **style: Any
) -> None:
    """A line of text at so many inches from the lower left corner."""
    across, up = figure.get_size_inches()
    figure.text(left / across, bottom / up, text, fontsize=size, color=colour, parse_math=False, **style)


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
    if suffix not in SUFFIXES:
        raise OutputError(f"{path}: figures are written as {', '.join(SUFFIXES)}")
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
    with replacing(path) as temporary, mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deconvviz"}):
        figure.savefig(temporary, format=suffix[1:], metadata=metadata)
    return path


def number(value: float) -> str:
    """A value in three significant digits, as short as it gets."""
    return f"{value:.3g}"
