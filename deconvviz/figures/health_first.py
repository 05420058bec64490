"""The part of the figure of filter health that shows the kernels which see pixels, and their spectrum."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from .. import tiles
from ..experiments.filter_health import DOMINANT, FilterHealth, FirstLayer
from .canvas import FAINT, HUES, INK, MARGIN, number, picture, words
from .heat import heat_tile

_TILE, _STEP_X, _STEP_Y, _ACROSS, _MOST = 0.46, 0.54, 0.63, 16, 64
_SPECTRUM, _HEAD, _BELOW = 2.0, 0.5, 0.32
FLAGS = {
    "dominant": (HUES[5], f"over {DOMINANT:g} times the median RMS"),
    "zero": (INK, "zero"),
    "dead": (HUES[8], "never fires"),
    "twin": (HUES[4], "repeats another one"),
    "rough": (HUES[6], "fine pattern or noise"),
}
"""What can be wrong with a kernel: the colour of its frame, and what that says."""


def first_height(one: FilterHealth) -> float:
    """How much of a sheet the part takes, in inches."""
    shown = len(shown_first(one))
    return max(_HEAD + -(-shown // _ACROSS) * _STEP_Y, _HEAD + _SPECTRUM + _BELOW) + 0.15


def flags_of(one: FilterHealth) -> dict[int, str]:
    """What is wrong with which kernel: the gravest of `FLAGS`."""
    kinds = {
        "rough": one.first.rough if one.first else (),
        "twin": one.twins.spare,
        "dead": one.firings.dead if one.firings else (),
        "zero": one.zero,
        "dominant": one.dominant,
    }
    return {unit: kind for kind, units in kinds.items() for unit in units}


def shown_first(one: FilterHealth) -> list[int]:
    """The kernels that are drawn, in order: of more than fit, first those with a flag."""
    measure, count = _measure(one), len(one.rms)
    flagged = flags_of(one)
    chosen = sorted(range(count), key=lambda u: (u not in flagged, -measure[u], u))[:_MOST]
    return sorted(chosen, key=lambda u: (-measure[u], u))


def _measure(one: FilterHealth) -> list[float]:
    """What the kernels are sorted by: aliasing, or at stride 1 their RMS."""
    aliases = one.first is not None and max(one.first.stride) > 1
    values = one.first.aliasing if one.first is not None and aliases else one.rms
    return [float(v) for v in values.nan_to_num(0)]


def draw_first(sheet: Axes, one: FilterHealth, top: float) -> None:
    """Draws kernels at the left and the spectrum at the right.

    Args:
        sheet: of the figure.
        one: the health of the first layer.
        top: of the part, in inches from the sheet's lower edge.
    """
    if one.first is None:
        return
    aliases, chosen, flagged = max(one.first.stride) > 1, shown_first(one), flags_of(one)
    count = f"all {len(chosen)}" if len(chosen) == len(one.rms) else f"{len(chosen)} of {len(one.rms)}"
    which = f"{count} kernels of {one.layer.name}, {one.layer.kernel}"
    if aliases:
        which += ", with the share of their energy that aliases, the largest first"
    else:
        which += ", with the RMS of their weights, the largest first"
    words(sheet, MARGIN, top - 0.12, which, 8.5)
    _legend(sheet, {flagged[u] for u in chosen if u in flagged}, top - 0.3)
    measure = _measure(one)
    for i, unit in enumerate(chosen):
        x = MARGIN + i % _ACROSS * _STEP_X
        y = top - _HEAD - _TILE - i // _ACROSS * _STEP_Y
        picture(sheet, _tile(one.first, unit), x, y, _TILE, _TILE)
        colour = FLAGS[flagged[unit]][0] if unit in flagged else INK
        if unit in flagged:
            sheet.add_patch(Rectangle((x, y), _TILE, _TILE, fill=False, ec=colour, lw=1.8))
        value = f"{100 * measure[unit]:.0f} %" if aliases else number(measure[unit])
        words(sheet, x + _TILE / 2, y - 0.1, f"{unit} · {value}", 6, colour, ha="center")
    _spectrum(sheet, one.first, MARGIN + _ACROSS * _STEP_X + 0.5, top)


def _tile(first: FirstLayer, unit: int) -> tiles.Bytes:
    """A kernel at its own contrast: in colour, or of other than three maps the strongest one in grey."""
    kernel = first.kernels[unit].float().nan_to_num(0, 0, 0).numpy()
    if len(kernel) != 3:
        kernel = kernel[np.square(kernel).sum((1, 2)).argmax()]
    return tiles.signed_tile(kernel, float(np.abs(kernel).max()) or 1.0)


def _legend(sheet: Axes, kinds: set[str], bottom: float) -> None:
    """What the frames that occur mean."""
    x = MARGIN
    words(sheet, x, bottom, "grey is zero; each at its own contrast", 7.5, FAINT)
    x += 2.1
    for colour, text in dict.fromkeys(FLAGS[kind] for kind in FLAGS if kind in kinds):
        sheet.add_patch(Rectangle((x, bottom), 0.09, 0.09, fill=False, ec=colour, lw=1.5))
        words(sheet, x + 0.15, bottom, text, 7.5, FAINT)
        x += 0.4 + 0.062 * len(text)


def _spectrum(sheet: Axes, first: FirstLayer, left: float, top: float) -> None:
    """Where the kernels' energy lies, with the box that the stride carries."""
    words(sheet, left, top - 0.12, "their mean spectrum, amplitude (black is 0)", 8.5)
    amplitude = first.spectrum.sqrt().numpy().astype(np.float32)
    low = top - _HEAD - _SPECTRUM + 0.2
    picture(sheet, heat_tile(amplitude, float(amplitude.max()) or 1.0), left, low, _SPECTRUM, _SPECTRUM)
    down, across = (_SPECTRUM / s for s in first.stride)
    x, y = left + (_SPECTRUM - across) / 2, low + (_SPECTRUM - down) / 2
    if max(first.stride) > 1:
        sheet.add_patch(Rectangle((x, y), across, down, fill=False, ec="white", lw=1.3, ls="--"))
    for share, text in ((0, "-½"), (0.5, "0"), (1, "½ cycle a pixel")):
        place = "right" if share == 1 else "center" if share else "left"
        words(sheet, left + share * _SPECTRUM, low - 0.13, text, 7, FAINT, ha=place)
        at = low + share * _SPECTRUM
        edge = {0: "bottom", 0.5: "center", 1: "top"}[share]
        words(sheet, left - 0.05, at, text[:2].strip(), 7, FAINT, ha="right", va=edge)
    said = ["stride 1 carries all of it: nothing aliases"]
    if max(first.stride) > 1:
        size = "×".join(map(str, dict.fromkeys(first.stride)))
        beyond = f"{100 * float(first.aliasing.mean()):.0f} % of their energy lies beyond"
        said = [f"dashed: what stride {size} carries without aliasing;", beyond]
    for i, line in enumerate(said):
        words(sheet, left, low - 0.3 - 0.15 * i, line, 7.5, FAINT)
