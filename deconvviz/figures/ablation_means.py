"""The figure of an ablation over several images: each combination's numbers, trained and random.

A dot is a mean, a bar the standard deviation between images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..experiments.ablation_means import MeanRow
from .canvas import FAINT, HUES, MARGIN, figure_of, head_and_foot, new_sheet

_PANELS = (
    ("detail", "of the image's detail that the picture explains"),
    ("correlation", "correlation with the same network's DeConvNet projection (FTT)"),
)
_WIDTH, _PANEL, _LEFT, _HEAD, _BELOW, _BETWEEN, _FOOT = 9.0, 2.3, 1.35, 0.85, 0.72, 0.5, 0.35
_COLOURS = {"given": HUES[4], "random": HUES[5]}
_CHOICES = (("mask", "mask"), ("switches", "switches"), ("backward_relu", "backward ReLU"))


def ablation_means_figure(
    rows: Sequence[MeanRow], *, title: str, caption: str = "", given: str = "trained"
) -> Figure:
    """Draws a panel a measure over the combinations, with a dot for each kind of weights.

    Args:
        rows: from `means_over_images`.
        title: the first line.
        caption: the last line.
        given: what the weights of the network as it is are.
    """
    height = _HEAD + len(_PANELS) * _PANEL + (len(_PANELS) - 1) * _BETWEEN + _BELOW + _FOOT
    sheet = new_sheet(_WIDTH, height)
    for i, (measure, label) in enumerate(_PANELS):
        bottom = height - _HEAD - _PANEL - i * (_PANEL + _BETWEEN)
        wide = _WIDTH - _LEFT - MARGIN
        panel = figure_of(sheet).add_axes((_LEFT / _WIDTH, bottom / height, wide / _WIDTH, _PANEL / height))
        _draw(panel, rows, measure, given)
        panel.set_title(label, fontsize=8.5, loc="left", pad=4)
        if measure == "detail":
            panel.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        if i == 0:
            panel.legend(loc="upper right", fontsize=8, frameon=False)
        _ticks(panel, rows, last=i == len(_PANELS) - 1)
    head_and_foot(sheet, title, caption, "dots: means; bars: standard deviations between images")
    return figure_of(sheet)


def _draw(panel: Axes, rows: Sequence[MeanRow], measure: str, given: str) -> None:
    """Dots with bars, the kinds of weights and treatments of contrast normalisation side by side."""
    codes = _codes(rows)
    kinds = list(dict.fromkeys((row.weights, row.combination.lrn_transposed) for row in rows))
    panel.axhline(0, color="#b8b8b8", lw=0.8)
    for k, (weights, transposed) in enumerate(kinds):
        told = {
            r.combination.code[:3]: r for r in rows if (r.weights, r.combination.lrn_transposed) == kinds[k]
        }
        several = len({way for _, way in kinds}) > 1
        label = (given if weights == "given" else "random weights") + (
            (", LRN transposed" if transposed else ", LRN passed") if several else ""
        )
        places = [i + 0.16 * (k - (len(kinds) - 1) / 2) for i in range(len(codes))]
        bars = [0.0 if math.isnan(d := told[code].deviations[measure]) else d for code in codes]
        panel.errorbar(
            places,
            [told[code].means[measure] for code in codes],
            bars,
            fmt="o" if not transposed else "s",
            mfc=_COLOURS[weights] if not transposed else "white",
            color=_COLOURS[weights],
            ms=5,
            lw=1.3,
            capsize=2.5,
            label=label,
        )
    panel.set_xlim(-0.5, len(codes) - 0.5)
    panel.tick_params(axis="y", labelsize=7.5)
    panel.grid(axis="y", color="#e6e6e6", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.axvline(sum(row.combination.switches for row in told.values()) - 0.5, color="#d0d0d0", lw=0.8)


def _codes(rows: Sequence[MeanRow]) -> list[str]:
    """The three letters of each column."""
    return list(dict.fromkeys(row.combination.code[:3] for row in rows))


def _ticks(panel: Axes, rows: Sequence[MeanRow], last: bool) -> None:
    """Below each column its code, and below the last panel its three choices too."""
    combinations = {row.combination.code[:3]: row.combination for row in rows}
    signs = [
        "\n".join([code, *("✓" if getattr(each, choice) else "✗" for choice, _ in _CHOICES if last)])
        for code, each in combinations.items()
    ]
    panel.set_xticks(range(len(signs)), signs, fontsize=8)
    panel.tick_params(axis="x", length=0)
    if last:
        names = "\n".join(["", *(name for _, name in _CHOICES)])
        style: dict[str, Any] = {
            "fontsize": 8,
            "color": FAINT,
            "ha": "right",
            "va": "top",
            "textcoords": "offset points",
        }
        panel.annotate(names, (0, 0), (-5, -3.5), "axes fraction", **style)
