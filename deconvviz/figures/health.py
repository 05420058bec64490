"""The figure of filter health: the first layer's kernels and spectrum, then a row a layer.

Source: dominant and dead features and aliasing as in Zeiler & Fergus 2013, fig. 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..experiments.filter_health import DOMINANT, FilterHealth
from ..experiments.firing import RARE
from ..training.renormalise import RADIUS
from .canvas import FAINT, HUES, INK, MARGIN, figure_of, head_and_foot, new_sheet, number, words
from .health_first import draw_first, first_height

_WIDTH, _HEAD, _FOOT, _NAMES, _AXIS = 12.6, 0.62, 0.36, 0.78, 0.32  # inches, likewise all below
_RMS, _FIRES, _GAP, _NOTHING = 3.75, 3.6, 0.4, 0.65  # strips, between them, and the bin of zeros in each
_COLUMNS = (("twins", 0.45), ("dead", 0.95), ("rare", 1.4), ("always on", 2.12), ("zeros", 2.65))
"""The counts, and how far right of the strips each ends."""
_DOT, _BAD = HUES[4], HUES[5]
_LEAST_SHARE = 1e-4
_TWINS = "twins: filters that repeat another one"
_ZEROS = "zeros: share of the rectified output that is zero"
_UNSEEN = "what fires was not looked at: --data would tell"
_LABELLED = 3  # dominant filters that are named in a row


@dataclass(frozen=True)
class _Strip:
    """A logarithmic axis on the sheet, with a bin for zero at its left.

    Attributes:
        left: where the bin begins.
        width: of bin and axis together.
        low: the value at the axis' left end.
        high: at its right end.
    """

    left: float
    width: float
    low: float
    high: float

    def at(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie; zero in the middle of its bin."""
        start, length = self.left + _NOTHING, self.width - _NOTHING
        inside = np.log(np.clip(values, self.low, self.high) / self.low) / np.log(self.high / self.low)
        return np.where(values > 0, start + length * inside, self.left + 0.12)

    def one(self, value: float) -> float:
        """Where one value lies."""
        return float(self.at(np.array([value]))[0])


def health_figure(found: Sequence[FilterHealth], *, title: str, caption: str = "") -> Figure:
    """Draws the first layer's kernels and spectrum, where it is among them, and a row for each layer.

    Args:
        found: at least one layer's health.
        title: the first line.
        caption: the last line.
    """
    first = next((one for one in found if one.first is not None), None)
    above = 0.0 if first is None else first_height(first)
    tall = 0.36 if len(found) <= 24 else 0.25
    longest = max(len(one.layer.name) for one in found)
    left = MARGIN + max(1.2, 0.075 * min(longest, 36) + 0.15)
    width = _WIDTH + left - MARGIN - 1.2
    sheet = new_sheet(width, _HEAD + above + _NAMES + tall * len(found) + _AXIS + _FOOT)
    if first is not None:
        draw_first(sheet, first, sheet.get_ylim()[1] - _HEAD)
    top = _FOOT + _AXIS + tall * len(found)
    known = [r for one in found for r in one.rms.tolist() if np.isfinite(r) and r > 0] or [RADIUS]
    fires = _Strip(left + _RMS + _GAP, _FIRES, _LEAST_SHARE, 1.0)
    numbers = fires.left + _FIRES + 0.15
    seen = next((one.firings for one in found if one.firings is not None), None)
    wide = _RMS if seen is not None else _RMS + _GAP + _FIRES
    rms = _Strip(left, wide, min([*known, RADIUS]) / 1.3, max([*known, RADIUS]) * 1.3)
    words(sheet, left, top + 0.42, "how large the filters are: RMS of the weights, a dot a filter", 8.5)
    words(sheet, left, top + 0.24, f"bar: median · red: over {DOMINANT:g} times that", 7.5, FAINT)
    if seen is not None:
        words(sheet, fires.left, top + 0.42, "how often the units fire: share of places, a dot a unit", 8.5)
        words(
            sheet,
            fires.left,
            top + 0.24,
            f"over {seen.images} image{'s' * (seen.images > 1)} · bar: mean",
            7.5,
            FAINT,
        )
    for heading, x in _COLUMNS[: None if seen is not None else 1]:
        words(sheet, numbers + x, top + 0.24, heading, 8, INK, ha="right")
    for i, one in enumerate(found):
        low = top - tall * (i + 1)
        if i % 2 == 0:
            sheet.axhspan(
                low, low + tall, MARGIN / width, 1 - MARGIN / width, color="#f4f4f4", lw=0, zorder=-2
            )
        name = one.layer.name
        short = name if len(name) <= 36 else f"…{name[-35:]}"
        words(sheet, MARGIN + 0.05, low + tall / 2, short, 8, INK, va="center")
        _filters(sheet, one, rms, low, tall)
        _counts(sheet, one, numbers, low + tall / 2, seen is not None)
        if seen is not None:
            _units(sheet, one, fires, low, tall)
    bottom = top - tall * len(found)
    _axis(sheet, rms, bottom, top, RADIUS, f"{RADIUS:g}, the paper's radius", "{:g}")
    if seen is not None:
        _axis(sheet, fires, bottom, top, RARE, "rarely", "{:g} %", 100)
    head_and_foot(sheet, title, caption, _TWINS, _ZEROS if seen is not None else _UNSEEN)
    return figure_of(sheet)


def _filters(sheet: Axes, one: FilterHealth, strip: _Strip, low: float, tall: float) -> None:
    """The dots of a layer's filters; those that dominate are named."""
    rms = one.rms.numpy()
    usable = np.isfinite(rms)
    bad = np.zeros(len(rms), bool)
    bad[[*one.dominant, *one.zero]] = True
    _dots(sheet, strip, rms, usable & ~bad, low, tall, _DOT)
    _dots(sheet, strip, rms, usable & bad, low, tall, _BAD)
    for unit in sorted(one.dominant, key=lambda u: -rms[u])[:_LABELLED]:
        x, y = strip.one(float(rms[unit])), low + tall * _height(unit)
        words(sheet, x - 0.05, y, str(unit), 6.5, _BAD, va="center", ha="right")
    if one.median:
        sheet.plot([strip.one(one.median)] * 2, [low + 0.04, low + tall - 0.04], color=INK, lw=1.4)
    if not usable.all():
        said = f"{(~usable).sum()} filters hold NaN or infinity"
        words(sheet, strip.left + strip.width / 2, low + tall / 2, said, 8, _BAD, va="center", ha="center")


def _units(sheet: Axes, one: FilterHealth, strip: _Strip, low: float, tall: float) -> None:
    """The dots of a layer's units."""
    if one.firings is None:
        middle = strip.left + 0.7 * strip.width
        words(sheet, middle, low + tall / 2, "no rectifier follows", 7, FAINT, va="center", ha="center")
        return
    shares = one.firings.shares.numpy()
    bad = (shares < RARE) | (shares == 1)
    _dots(sheet, strip, shares, ~bad, low, tall, _DOT)
    _dots(sheet, strip, shares, bad, low, tall, _BAD)
    mean = strip.one(1 - one.firings.zeros)
    sheet.plot([mean] * 2, [low + 0.04, low + tall - 0.04], color=INK, lw=1.4)


def _counts(sheet: Axes, one: FilterHealth, left: float, middle: float, looked: bool) -> None:
    """What is counted, in the order of the columns; what is not zero stands out."""
    fired = one.firings
    counts = [len(one.twins.spare)]
    if fired is not None:
        counts += [len(fired.dead), len(fired.rare), len(fired.always)]
    cells = [(str(n), _BAD if n else FAINT) for n in counts]
    cells += [("—", FAINT)] * (4 - len(counts))
    cells.append(("—", FAINT) if fired is None else (f"{100 * fired.zeros:.0f} %", INK))
    for (text, colour), (_, x) in zip(cells[: None if looked else 1], _COLUMNS, strict=False):
        words(sheet, left + x, middle, text, 8, colour, va="center", ha="right")


def _dots(
    sheet: Axes,
    strip: _Strip,
    values: NDArray[np.float64],
    which: NDArray[np.bool_],
    low: float,
    tall: float,
    colour: str,
) -> None:
    """Dots at different heights, so that those of one value do not hide each other."""
    numbers = np.flatnonzero(which)
    heights = low + tall * np.array([_height(n) for n in numbers.tolist()])
    across = strip.at(values[numbers])
    if len(numbers):
        few = len(numbers) <= 20 and colour == _BAD
        alpha = 0.9 if few else 0.5 if len(numbers) <= 600 else 0.25
        sheet.scatter(across, heights, s=12 if few else 4, color=colour, alpha=alpha, lw=0, rasterized=True)


def _height(unit: int) -> float:
    """Between 0.15 and 0.85: neighbouring numbers lie apart (golden ratio)."""
    return 0.15 + 0.7 * ((unit + 0.5) * 0.6180339887 % 1)


def _axis(
    sheet: Axes,
    strip: _Strip,
    bottom: float,
    top: float,
    mark: float,
    meaning: str,
    form: str,
    factor: float = 1,
) -> None:
    """The values below a strip, and the dashed line that something is measured by."""
    x = strip.one(mark)
    sheet.plot([x, x], [bottom, top], color=_BAD, lw=0.9, ls="--", zorder=-1)
    words(sheet, x, top + 0.06, meaning, 6.5, _BAD, ha="center")
    first = strip.left + _NOTHING
    sheet.plot([first, strip.left + strip.width], [bottom, bottom], color="#b8b8b8", lw=0.7)
    words(sheet, strip.one(0), bottom - 0.16, "0" if factor == 1 else "never", 7, FAINT, ha="center")
    exponents = range(int(np.floor(np.log10(strip.low))), int(np.ceil(np.log10(strip.high))) + 1)
    many = len(exponents) > 4
    ticks = [m * 10.0**e for e in exponents for m in ((1,) if many else (1, 2, 5))]
    for value in (t for t in ticks if strip.low <= t <= strip.high * 1.0001):
        at = strip.one(value)
        sheet.plot([at, at], [bottom, bottom - 0.04], color="#b8b8b8", lw=0.7)
        label = form.format(float(number(value * factor)))
        if factor != 1 and value <= strip.low * 1.0001:
            label = f"≤{label}"  # rarer units are drawn there too
        words(sheet, at, bottom - 0.16, label, 7, FAINT, ha="center")
