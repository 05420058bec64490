"""The figure of an ablation: a unit in all combinations of mask, switches and backward ReLU.

A column is a combination, its three choices ticked above it; a row is a network: as it is, and with random
weights. Networks with contrast normalisation have two rows each: it is passed unchanged, or transposed.

Source: the combinations of Mahendran & Vedaldi 2016, "Salient Deconvolutional Networks".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .. import tiles
from ..experiments.ablation import Ablation
from ..experiments.ablation_means import mean_and_deviation, over_draws
from ..experiments.combinations import Combination
from ..experiments.ways_down import Ablated
from .canvas import FAINT, HUES, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, number, picture, words

_SIDE, _TILE, _GAP, _PART = 2.3, 1.2, 0.08, 0.22  # inches: photograph, tile, between tiles, between halves
_LABEL, _NOTE, _BLOCK = 1.45, 0.44, 0.2  # inches: room for a row's name, below a tile, between units
_HEAD, _HEADINGS, _FOOT = 0.62, 1.2, 0.58
_CHOICES = (("mask", "rectifier's mask"), ("switches", "switches"), ("backward_relu", "backward ReLU"))
_YES, _NO = "#00734f", "#b0b0b0"
_MEANING = (
    "detail: share of the variance of the image's detail (edges, textures) in the unit's window that the "
    "tile's best affine fit explains · r: correlation with the same network's DeConvNet projection (FTT)"
)
_READING = (
    "Mask and switches hold what the pass",
    "recorded of this image. Without the mask",
    "the signal is not cut where a rectifier was",
    "off; without switches it goes to the centre",
    "of each pooling window. FTF has the switches",
    "alone, FFF only what it starts from.",
)


def ablation_figure(
    photo: Tensor,
    found: Ablation,
    *,
    title: str,
    caption: str = "",
    given: str = "trained",
    names: Sequence[str] = (),
) -> Figure:
    """Draws the photograph, and a row of tiles a network for each unit.

    Args:
        photo: (3, H, W) in [0, 1], what the network saw.
        found: of units of this photograph.
        title: the first line.
        caption: the last line, before what grey means is said.
        given: what the weights of the network as it is are.
        names: one a unit, such as class names; printed below what it sees.
    """
    rows, columns = _rows(found, given), _columns(found)
    row, block = _TILE + _NOTE, len(rows) * (_TILE + _NOTE) + _BLOCK
    seen, left = MARGIN + _SIDE + 0.35, MARGIN + _SIDE + 0.35 + _TILE + _LABEL
    height = _HEAD + _HEADINGS + len(found.given.units) * block - _BLOCK + _FOOT
    height = max(height, _HEAD + _SIDE + 2.1 + _FOOT)
    sheet = new_sheet(left + len(columns) * (_TILE + _GAP) + _PART + MARGIN, height)
    places = {
        code: left + k * (_TILE + _GAP) + (0 if each.switches else _PART)
        for k, (code, each) in enumerate(columns.items())
    }
    top = height - _HEAD - _HEADINGS
    _beside(sheet, photo, found, height - _HEAD)
    _headings(sheet, found, places, left, top)
    for k in range(len(found.given.units)):
        name = names[k] if k < len(names) else ""
        for i, (label, network, transposed) in enumerate(rows):
            y = top - k * block - i * row - _TILE
            if i == 0 or rows[i - 1][1] is not network:
                told = _told(found.source, network, k, name if network is found.given else "")
                _patch(sheet, photo, network.windows[k].tolist(), told, seen, y)
            _row_label(sheet, label, left - 0.12, y + _TILE / 2)
            for code, x in places.items():
                whole = code + ("F" if transposed else "")
                _tile(sheet, network, whole, k, x, y)
                _numbers(sheet, found, network, whole, k, x + _TILE / 2, y)
    drawn = len(found.random)
    over = "random weights: mean ± standard deviation of" if drawn > 1 else "random weights:"
    grey = "grey is zero, each tile at its own scale"
    note = f"{over} {drawn} network{'s, the first one shown' if drawn > 1 else ''}" if drawn else ""
    words(sheet, MARGIN, 0.32, _MEANING, 7.5, FAINT)
    head_and_foot(sheet, title, caption, grey, note)
    return figure_of(sheet)


def _columns(found: Ablation) -> dict[str, Combination]:
    """A combination for each three letters."""
    return {each.code[:3]: each for each in found.combinations}


def _rows(found: Ablation, given: str) -> list[tuple[str, Ablated, bool]]:
    """The name, network and treatment of contrast normalisation of each row of a unit."""
    treatments = sorted({each.lrn_transposed for each in found.combinations})
    networks = [(given, found.given), *(("random weights", one) for one in found.random[:1])]
    told = {False: "\nLRN passed", True: "\nLRN transposed"} if found.lrn else {False: "", True: ""}
    return [(name + told[way], network, way) for name, network in networks for way in treatments]


def _headings(sheet: Axes, found: Ablation, places: Mapping[str, float], left: float, bottom: float) -> None:
    """Above each column its code, its name, and the three choices ticked or crossed."""
    for line, (_, label) in enumerate(_CHOICES):
        words(sheet, left - 0.12, bottom + 0.46 - 0.17 * line, label, 8, FAINT, ha="right")
    for code, each in _columns(found).items():
        x, middle = places[code], {"ha": "center"}
        name = Combination(each.mask, each.switches, each.backward_relu).name()
        if found.lrn and code == "TTF":
            name = "SaliNet (gradient)\nif LRN transposed"
        words(sheet, x + _TILE / 2, bottom + 1.0, code, 9.5, INK, fontweight="bold", **middle)
        for line, part in enumerate(_lines(name)):
            words(sheet, x + _TILE / 2, bottom + 0.83 - 0.145 * line, part, 7.5, FAINT, **middle)
        for line, (choice, _) in enumerate(_CHOICES):
            sign, colour = ("✓", _YES) if getattr(each, choice) else ("✗", _NO)
            words(sheet, x + _TILE / 2, bottom + 0.46 - 0.17 * line, sign, 9, colour, **middle)


def _lines(name: str) -> list[str]:
    """A name in at most two lines of a column's width."""
    if len(name) <= 18 or "\n" in name:
        return name.split("\n")
    words_in = name.split(" ")
    half = min(range(1, len(words_in)), key=lambda i: abs(2 * len(" ".join(words_in[:i])) - len(name)))
    return [" ".join(words_in[:half]), " ".join(words_in[half:])]


def _row_label(sheet: Axes, label: str, right: float, middle: float) -> None:
    """What network a row shows, and below it what it does with contrast normalisation."""
    first, *more = label.split("\n")
    style = {"ha": "right", "va": "center"}
    words(sheet, right, middle + 0.08 * len(more), cut(first, 18), 9, INK, fontweight="bold", **style)
    for line in more:
        words(sheet, right, middle - 0.1, line, 8, FAINT, **style)


def _told(source: str, network: Ablated, k: int, name: str) -> tuple[str, str]:
    """Two lines on what is projected: which unit, and its class or how active it is."""
    unit, value = network.units[k], number(float(network.activations[k]))
    if source == "layer":
        return "all units", f"largest activation {value}"
    if source == "map":
        return f"unit {unit.channel}, whole map", cut(name, 22) or f"largest activation {value}"
    place = "" if unit.row is None else f" at {unit.row},{unit.column}"
    return f"unit {unit.channel}{place}", cut(name, 22) or f"activation {value}"


def _patch(
    sheet: Axes, photo: Tensor, window: Sequence[int], told: tuple[str, str], x: float, y: float
) -> None:
    """What a unit sees of the photograph, and which unit it is."""
    top, left, height, width = window
    _fitted(sheet, tiles.photo_tile(photo.cpu().numpy())[top : top + height, left : left + width], x, y)
    words(sheet, x, y - 0.15, told[0], 7.5, INK)
    words(sheet, x, y - 0.29, told[1], 7.5, FAINT)


def _tile(sheet: Axes, network: Ablated, code: str, k: int, x: float, y: float) -> None:
    """One picture inside the unit's window."""
    top, left, height, width = network.windows[k].tolist()
    inside = network.pixels[code][k, :, top : top + height, left : left + width].float().cpu().numpy()
    _fitted(sheet, tiles.signed_tile(inside, tiles.signed_scale([inside])), x, y)
    if not inside.any():
        words(sheet, x + _TILE / 2, y + _TILE / 2, "no signal", 8, "white", ha="center", va="center")


def _fitted(sheet: Axes, tile: tiles.Bytes, x: float, y: float) -> None:
    """A picture as large as a tile allows, in its middle."""
    if not tile.size:
        return  # of a unit that sees nothing of the image
    height, width = (_TILE * n / max(tile.shape[:2]) for n in tile.shape[:2])
    picture(sheet, tile, x + (_TILE - width) / 2, y + (_TILE - height) / 2, width, height, edge=True)


def _numbers(
    sheet: Axes, found: Ablation, network: Ablated, code: str, k: int, middle: float, y: float
) -> None:
    """How much of the image's detail a picture explains, and how like the deconvnet's it is."""
    random = network is not found.given
    for line, measure in enumerate(("detail", "correlation")):
        value, deviation = float(getattr(network, measure)[code][k]), float("nan")
        if random:
            value, deviation = mean_and_deviation(over_draws(found, code, measure)[:, k])
        text = _percent(value, deviation) if measure == "detail" else _fraction(value, deviation)
        words(sheet, middle, y - 0.15 - 0.14 * line, text, 7.5, INK, ha="center")


def _percent(value: float, deviation: float) -> str:
    """``detail 6.2 ± 0.3 %``."""
    if math.isnan(value):
        return "detail –"
    spread = "" if math.isnan(deviation) else f" ± {100 * deviation:.1f}"
    return f"detail {100 * value:.1f}{spread} %"


def _fraction(value: float, deviation: float) -> str:
    """``r 0.83 ± 0.02``."""
    if math.isnan(value):
        return "r –"
    spread = "" if math.isnan(deviation) or round(deviation, 2) == 0 else f" ± {deviation:.2f}"
    return f"r {round(value, 2) + 0:.2f}{spread}".replace("-", "−")


def _beside(sheet: Axes, photo: Tensor, found: Ablation, top: float) -> None:
    """The photograph with each unit's window, and how to read the rest."""
    seen, bottom = tiles.photo_tile(photo.cpu().numpy()), top - _SIDE
    picture(sheet, seen, MARGIN, bottom, _SIDE, _SIDE)
    for k, box in enumerate(_boxes(found, seen.shape[:2], bottom)):
        for lw, colour, alpha in ((2.8, "black", 0.45), (1.6, HUES[k % len(HUES)], 1.0)):
            frame = Rectangle(*box, fill=False, lw=lw, ec=colour, alpha=alpha)
            frame.set_gid(f"window {k + 1}")
            sheet.add_patch(frame)
    for k, line in enumerate(_READING):
        words(sheet, MARGIN, bottom - 0.25 - 0.155 * k, line, 7.5, FAINT)


def _boxes(
    found: Ablation, size: tuple[int, ...], bottom: float
) -> Iterator[tuple[tuple[float, float], float, float]]:
    """Corner, width and height in inches of each window that is not the whole photograph."""
    down, across = _SIDE / size[0], _SIDE / size[1]
    for y, x, h, w in found.given.windows.tolist():
        if (h, w) != tuple(size):
            yield (MARGIN + x * across, bottom + _SIDE - (y + h) * down), w * across, h * down
