"""The figure of invariance: a row a transformation, a column a layer, a line an image.

Source: the nine panels of Zeiler & Fergus 2013, fig. 5, with examples of each transformation beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, PercentFormatter
from torch import Tensor

from ..experiments.invariance import Invariance
from ..experiments.transforms import untouched
from ..tiles import photo_tile
from .canvas import FAINT, INK, MARGIN, cut, figure_of, head_and_foot, hue, new_sheet, number, picture, words

_HIGH, _BELOW = 1.62, 0.64  # inches: a panel, and the room for its axis
_LEFT, _BETWEEN = 0.62, 0.5  # left of the first panel and between two
_TILE, _NOTE, _GAP = 0.8, 0.16, 0.06  # an example, the line below it, between two
_THUMB, _ENTRY, _ENTRY_HIGH = 0.62, 1.95, 0.76  # a legend's picture, and one entry of it
_HEAD, _READ, _COLUMN_NAMES, _FOOT = 0.53, 0.16, 0.48, 0.2
_ROWS = {
    "translation": ("Vertical translation", "pixels down (below zero: up)", "{:+.0f} px"),
    "scale": ("Scale", "times as large", "× {:.3g}"),
    "rotation": ("Rotation", "degrees anticlockwise", "{:.4g}°"),
}
"""What each transformation is called, its axis, and how an amount is written."""
_LEAST = 0.01  # of the features' length: no axis ends below it, so that errors of rounding look like zero


@dataclass(frozen=True)
class Subject:
    """One image of the legend, and what its lines in the panels are of.

    Attributes:
        name: of the image.
        photo: (3, H, W) in [0, 1], what the network saw of it untransformed.
        notes: lines below its name, such as its class.
    """

    name: str
    photo: Tensor
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Moved:
    """An image that something was done to.

    Attributes:
        line: number of the image.
        amount: how much, in the transformation's own unit.
        photo: (3, H, W) in [0, 1], what the network saw of it.
    """

    line: int
    amount: float
    photo: Tensor


def invariance_figure(
    found: Invariance,
    lines: Sequence[Subject],
    examples: Mapping[str, Sequence[Moved]],
    *,
    title: str,
    whose: str = "of each image's class",
    caption: str = "",
) -> Figure:
    """Draws the images' distances and probabilities over the amount of each transformation.

    Args:
        found: of as many images as there are lines.
        lines: at most nine tell themselves apart by colour.
        examples: up to four of each transformation, drawn beside its panels.
        title: the first line.
        whose: the second line of the column of probabilities.
        caption: the last line.
    """
    panels = [*range(len(found.layers)), *([-1] if found.targets else [])]
    tiles = 2 * _TILE + _GAP
    wide = 2.15 if len(panels) > 2 else 2.9
    width = max(MARGIN + tiles + _LEFT + len(panels) * (wide + _BETWEEN) - _BETWEEN + MARGIN, 8.6)
    wide = (width - 2 * MARGIN - tiles - _LEFT + _BETWEEN) / len(panels) - _BETWEEN
    across = max(1, int((width - 2 * MARGIN + 0.05) / _ENTRY))
    legend = -(-len(lines) // across) * _ENTRY_HIGH
    step = _HIGH + _BELOW
    reading = _reading(found)
    head = _HEAD + _READ * len(reading)
    height = head + legend + _COLUMN_NAMES + len(_ROWS) * step + _FOOT
    sheet = new_sheet(width, height)
    for i, said in enumerate(reading):
        words(sheet, MARGIN, height - 0.54 - _READ * i, said, 8.5, FAINT)
    for k, line in enumerate(lines):
        x, y = MARGIN + k % across * _ENTRY, height - head - k // across * _ENTRY_HIGH
        _entry(sheet, line, hue(k), x, y)
    top = height - head - legend - _COLUMN_NAMES
    first = MARGIN + tiles + _LEFT
    for j, layer in enumerate(panels):
        x = first + j * (wide + _BETWEEN)
        room = int(wide * 11)
        name = "probability" if layer < 0 else cut(f"distance at {found.layers[layer]}", room)
        words(sheet, x, top + 0.24, name, 10, INK, fontweight="bold")
        words(sheet, x, top + 0.08, whose if layer < 0 else _unit(found), 8, FAINT)
        axes = [_panel(sheet, x, top - i * step - _HIGH, wide) for i in range(len(_ROWS))]
        for panel, kind in zip(axes, _ROWS, strict=True):
            _curves(panel, found, kind, layer)
        _scaled_alike(axes, found, layer)
    for i, kind in enumerate(_ROWS):
        _examples(sheet, kind, examples.get(kind, ()), top - i * step)
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def _reading(found: Invariance) -> list[str]:
    """What a line means, in words."""
    said = ["A line is an image. Distance: Euclidean, between a layer's features of the image as it is and"]
    said[0] += " transformed."
    if len(found.between) > 1:
        said.append("Dashed: the mean distance between two different images of these, as they are.")
    return said


def _unit(found: Invariance) -> str:
    return "in lengths of the image's own features" if found.relative else "from the untransformed image"


def _entry(sheet: Axes, line: Subject, hue: str, left: float, top: float) -> None:
    """One image of the legend: framed in its colour, its name and notes beside it."""
    tile = photo_tile(line.photo.cpu().numpy())
    bottom = top - _THUMB
    picture(sheet, tile, left, bottom, _THUMB, _THUMB)
    frame = Rectangle((left, bottom), _THUMB, _THUMB, fill=False, ec=hue, lw=2.5, clip_on=False)
    frame.set_gid("frame")
    sheet.add_patch(frame)
    for i, whole in enumerate([line.name, *line.notes]):
        style = {"fontweight": "bold"} if i == 0 else {}
        text = cut(whole, 20 if i else 17)
        words(sheet, left + _THUMB + 0.09, top - 0.13 - 0.155 * i, text, 7.5, INK, **style)


def _examples(sheet: Axes, kind: str, examples: Sequence[Moved], top: float) -> None:
    """Up to four transformed images under the transformation's name, two in a row."""
    heading, _, written = _ROWS[kind]
    words(sheet, MARGIN, top + 0.08, heading, 10, INK, fontweight="bold")
    for k, example in enumerate(examples[:4]):
        x = MARGIN + k % 2 * (_TILE + _GAP)
        y = top - (k // 2 + 1) * (_TILE + _NOTE) + _NOTE
        picture(sheet, photo_tile(example.photo.cpu().numpy()), x, y, _TILE, _TILE)
        frame = Rectangle((x, y), _TILE, _TILE, fill=False, ec=hue(example.line), lw=1.5, clip_on=False)
        sheet.add_patch(frame)
        note = written.format(example.amount).replace("-", "−")
        words(sheet, x + _TILE / 2, y - 0.125, note, 7.5, FAINT, ha="center")


def _panel(sheet: Axes, left: float, bottom: float, wide: float) -> Axes:
    """Axes at this place in inches of the sheet."""
    width, height = sheet.get_xlim()[1], sheet.get_ylim()[1]
    return figure_of(sheet).add_axes((left / width, bottom / height, wide / width, _HIGH / height))


def _curves(panel: Axes, found: Invariance, kind: str, layer: int) -> None:
    """A line an image, of a layer's distances; of the probabilities where the layer is -1."""
    course = found.courses[kind]
    values = course.probabilities if layer < 0 else course.distances[:, layer]
    if values is None:
        return
    mark = "o" if len(course.amounts) < 40 else ""
    panel.axvline(untouched(kind), color="#b8b8b8", lw=0.8)
    for k, row in enumerate(values.tolist()):
        panel.plot(course.amounts, row, color=hue(k), lw=1.4, marker=mark, ms=2.2)
    usual = _usual(found, layer)
    if usual is not None:
        panel.axhline(usual, color=FAINT, lw=1, ls="--")
    panel.set_xlabel(_ROWS[kind][1], fontsize=7.5, labelpad=2)
    panel.set_xlim(min(course.amounts), max(course.amounts))
    panel.margins(x=0)
    panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if kind == "rotation" and max(map(abs, course.amounts)) > 180:
        least, most = min(course.amounts), max(course.amounts)
        every = 90 * -(-int(most - least) // 540)
        panel.xaxis.set_major_locator(
            FixedLocator([t for t in range(int(least), int(most) + 1) if t % every == 0])
        )
    panel.tick_params(labelsize=7.5)
    panel.grid(color="#e6e6e6", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _usual(found: Invariance, layer: int) -> float | None:
    """The mean distance of two different images; None where there is one image, or for probabilities."""
    count = len(found.between)
    if layer < 0 or count < 2:
        return None
    others = found.between[~torch.eye(count, dtype=torch.bool)][:, layer]
    others = others[others != 0]  # the same image twice is no other one
    return float(others.mean()) if len(others) and torch.isfinite(others).all() else None


def _scaled_alike(panels: Sequence[Axes], found: Invariance, layer: int) -> None:
    """One vertical axis for a column, from zero: the three transformations can be compared."""
    if layer < 0:
        for panel in panels:
            panel.set_ylim(-0.03, 1.03)
            panel.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
            panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        return
    values = torch.cat([course.distances[:, layer].flatten() for course in found.courses.values()])
    known = values[torch.isfinite(values)]
    length = 1.0 if found.relative else float(found.lengths[:, layer].nan_to_num(0).max())
    rounding = _LEAST * (length or 1.0)
    largest = max(float(known.max()) if len(known) else 0.0, _usual(found, layer) or 0.0, rounding)
    for panel in panels:
        panel.set_ylim(-0.03 * largest, 1.05 * largest)
        panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 5, 10]))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value + 0.0)))
