"""The figure of the sanity check: one unit's maps while the network is randomised from the top down.

Source: the arrangement of Adebayo et al. 2018, arXiv 1810.03292, figs. 2 and 4.
"""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .. import tiles
from ..gradients.randomising import Course, Randomised
from .canvas import FAINT, HUES, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words
from .errors import name_layers

_SIDE, _LABEL = 2.5, 1.0  # inches: the photograph, and the room for a row's name
_GAP, _NOTE, _STRIP, _TITLE = 0.08, 0.24, 0.95, 0.38  # inches: between tiles, below one, a panel, above one
_HEAD, _FOOT = 0.62, 0.42
_COLOURS = {"deconvnet": HUES[4], "guided": HUES[2], "gradient": HUES[5]}
_STRIPS = {
    "signed_rank_correlation": "rank correlation with the trained network's map, signed (under the tiles)",
    "rank_correlation": "rank correlation of magnitudes: the shape of the receptive field alone gives some",
    "ssim": "structural similarity (SSIM) of magnitudes",
}
_READING = (
    "Every column shows the same unit and",
    "photograph. In the first the network is as",
    "trained; in each that follows one more",
    "layer has random weights, from the top",
    "down. A map that stays as it is does not",
    "show what those layers have learnt.",
)


def randomising_figure(
    photo: Tensor, found: Randomised, *, title: str, caption: str = "", name: str = ""
) -> Figure:
    """Draws the photograph, a row of tiles for each rule, and how alike each tile is to the row's first.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        found: the maps of one unit.
        title: the first line.
        caption: the last line, before what grey means is said.
        name: the unit's, such as a class; printed after its number.
    """
    count, rows = len(found.steps), list(found.courses.items())
    tile = 1.6 if count <= 4 else 1.2 if count <= 10 else 1.0 if count <= 15 else 0.85
    strips = [key for key in _STRIPS if any(_known(getattr(course, key)) for _, course in rows)]
    longest = max(map(len, found.steps))
    slanted = 0.062 * (longest + 2) > tile
    above = 0.3 + (0.035 * longest if slanted else 0.0)  # of the columns' names
    below = 0.3 + (0.045 * longest if slanted else 0.0)
    left, step = MARGIN + _SIDE + _LABEL, tile + _GAP
    height = _HEAD + above + len(rows) * (tile + _NOTE) + len(strips) * (_STRIP + _TITLE) + below + _FOOT
    height = max(height, _HEAD + above + _SIDE + 2.6 + _FOOT)
    sheet = new_sheet(max(left + count * step + MARGIN + (0.05 * longest if slanted else 0), 9.0), height)
    top = height - _HEAD - above
    window = rows[0][1].projection.windows[0].tolist()
    _beside(sheet, photo, found, window, top, name)
    for k, heading in enumerate(found.steps):
        style = {"rotation": 30, "rotation_mode": "anchor"} if slanted else {"ha": "center"}
        x = left + k * step + tile * (0.25 if slanted else 0.5)
        words(sheet, x, top + 0.07, heading if k < 2 else f"+ {heading}", 8, **style)
    words(sheet, left + step, top + above - 0.02, "weights are random in …", 8, FAINT)
    for i, (rule, course) in enumerate(rows):
        y = top - i * (tile + _NOTE) - tile
        style = {"ha": "right", "va": "center", "fontweight": "bold"}
        words(sheet, left - 0.12, y + tile / 2, rule, 9, _COLOURS[rule], **style)
        for k in range(count):
            _tile(sheet, course, k, window, left + k * step, y, tile)
    y, wide = top - len(rows) * (tile + _NOTE), count * step - _GAP
    for key in strips:
        y -= _STRIP + _TITLE
        panel = _panel(sheet, left, y, wide)
        _draw(panel, {rule: getattr(course, key) for rule, course in rows}, _STRIPS[key], tile / step)
        if key == strips[-1] and len(rows) > 1:
            panel.legend(loc="center right", bbox_to_anchor=(-0.55 / wide, 0.5), fontsize=8, frameon=False)
        if key == strips[-1]:
            name_layers(panel, found.steps)
        else:
            panel.set_xticks(range(count), [""] * count)
    grey = "grey is zero; each tile at its own scale; every map starts from one"
    small = "" if "ssim" in strips else "no SSIM: the unit sees less than 11 pixels"
    silent = any(not c.projection.pixels.flatten(1).any(1).all() for _, c in rows)
    head_and_foot(sheet, title, caption, grey, small, "no signal: the unit is off" if silent else "")
    return figure_of(sheet)


def _known(values: Tensor) -> bool:
    """Whether there is more than the trained network's own similarity to itself."""
    return bool(torch.isfinite(values[1:]).any())


def _beside(sheet: Axes, photo: Tensor, found: Randomised, window: list[int], top: float, name: str) -> None:
    """The photograph with the unit's window, what the unit sees, which it is and how to read the rest."""
    seen, bottom = tiles.photo_tile(photo.cpu().numpy()), top - _SIDE
    picture(sheet, seen, MARGIN, bottom, _SIDE, _SIDE)
    height, width = seen.shape[:2]
    y, x, h, w = window
    place = "" if found.unit.row is None else f" at {found.unit.row},{found.unit.column}"
    lines = [
        f"unit {found.unit.channel}{place} of {found.unit.layer}",
        f"activation {number(found.activation)}",
    ]
    if name:
        lines.insert(1, cut(name, 40))
    if (h, w) == (height, width):
        lines.append("it sees the whole photograph")
    else:
        across, down = _SIDE / width, _SIDE / height
        corner = MARGIN + x * across, bottom + _SIDE - (y + h) * down
        for lw, colour, alpha in ((2.8, "black", 0.45), (1.6, HUES[0], 1.0)):
            box = Rectangle(corner, w * across, h * down, fill=False, lw=lw, ec=colour, alpha=alpha)
            box.set_gid("window")
            sheet.add_patch(box)
        _fitted(sheet, seen[y : y + h, x : x + w], MARGIN + 0.5, bottom - 0.62, 1.0)
        words(sheet, MARGIN + 1.08, bottom - 0.25, "what the unit sees", 8, FAINT)
        bottom -= 1.15
    for k, line in enumerate(lines):
        words(sheet, MARGIN, bottom - 0.2 - 0.16 * k, line, 8.5, INK, fontweight="normal" if k else "bold")
    bottom -= 0.2 + 0.16 * len(lines) + 0.14
    for k, line in enumerate(_READING):
        words(sheet, MARGIN, bottom - 0.155 * k, line, 8, FAINT)


def _tile(sheet: Axes, course: Course, k: int, window: list[int], x: float, y: float, side: float) -> None:
    """One map inside the unit's window, and below it how alike it is to the trained network's."""
    top, left, height, width = window
    inside = course.projection.pixels[k, :, top : top + height, left : left + width].float().cpu().numpy()
    middle, value = x + side / 2, float(course.signed_rank_correlation[k])
    _fitted(sheet, tiles.signed_tile(inside, tiles.signed_scale([inside])), middle, y + side / 2, side)
    if not inside.any():
        words(sheet, middle, y + side / 2, "no signal", 8, "white", ha="center", va="center")
    elif k and value == value:
        words(sheet, middle, y - 0.15, f"{round(value, 2) + 0:.2f}".replace("-", "−"), 8, FAINT, ha="center")


def _fitted(sheet: Axes, tile: tiles.Bytes, x: float, y: float, side: float) -> None:
    """A tile as large as a square of this side allows, with its centre at (x, y)."""
    height, width = (side * n / max(tile.shape[:2]) for n in tile.shape[:2])
    picture(sheet, tile, x - width / 2, y - height / 2, width, height, edge=True)


def _panel(sheet: Axes, left: float, bottom: float, wide: float) -> Axes:
    """Axes of a panel below the tiles, in inches of the sheet."""
    width, height = sheet.get_xlim()[1], sheet.get_ylim()[1]
    return figure_of(sheet).add_axes((left / width, bottom / height, wide / width, _STRIP / height))


def _draw(panel: Axes, lines: dict[str, Tensor], title: str, share: float) -> None:
    """A line a rule over the steps, each step below its column of tiles.

    Args:
        panel: empty axes as wide as all columns.
        lines: a rule's similarities.
        title: of the panel.
        share: of a column's width that its tile takes.
    """
    count = max(map(len, lines.values()))
    panel.axhline(0, color="#b8b8b8", lw=0.8)
    for rule, values in lines.items():
        panel.plot(range(count), values.tolist(), "o-", color=_COLOURS[rule], lw=1.5, ms=3.5, label=rule)
    least = min((v for values in lines.values() for v in values.tolist() if v == v), default=0.0)
    panel.set_ylim(min(-0.05, least - 0.08), 1.08)
    panel.set_xlim(-share / 2, count - 1 + share / 2)
    panel.set_yticks([0, 0.5, 1])
    panel.set_title(title, fontsize=8.5, loc="left", pad=4)
    panel.tick_params(axis="y", labelsize=7.5)
    panel.grid(color="#e6e6e6", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
