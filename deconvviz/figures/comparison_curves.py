"""The figure of a comparison over a data set: a panel a measure, a line a method over the layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .canvas import FAINT, hue, new_figure
from .errors import name_layers

_PANELS = {
    "psnr": ("PSNR (higher is better)", "dB"),
    "ssim": ("SSIM (higher is better)", "structural similarity"),
    "explained": ("variance explained (higher is better)", "share; 0 is a flat picture"),
    "image_error": ("image error (lower is better)", "share of the distance\nbetween two images"),
    "feature_error": ("feature error (lower is better)", "share of the length\nof the features"),
}
"""Heading and unit of each measure, in the order drawn."""
_HEADINGS = {
    True: "projections, after the best\nscale and shift a channel",
    False: "reconstructions, as they are",
}
_WIDE, _HIGH, _LEFT, _BELOW = 3.5, 2.3, 0.95, 0.65  # inches: a panel, and the room for its labels
_HEAD, _FOOT, _LEGEND = 0.85, 0.45, 2.15
_SLANT = 0.045  # inches that a slanted name reaches down for each of its letters
_APART, _MOST_APART = 0.5, 0.7  # that a layer's points are spread over: of the step to the next, and inches


@dataclass(frozen=True)
class MethodLine:
    """One method over the layers.

    Attributes:
        title: what the legend calls it.
        number: tells its colour, the same in every figure.
        projects: whether these are errors of fitted projections, drawn dashed, and not of reconstructions.
        errors: by the measure's name, of each layer mean, lower and upper end of its interval; NaN where
            there is none.
    """

    title: str
    number: int
    projects: bool
    errors: Mapping[str, Sequence[tuple[float, float, float]]]


def comparison_curves_figure(
    layers: Sequence[str], lines: Sequence[MethodLine], *, title: str, caption: str = ""
) -> Figure:
    """Draws mean errors over the layers, each method as a line with its interval as a band.

    A line ends where the next layer has no value. Points of the same layer stand side by side, so that their
    intervals can be told apart.

    Args:
        layers: their names, in the order drawn.
        lines: one a method.
        title: the first line.
        caption: the last line.
    """
    shown = [name for name in _PANELS if any(_known(line, name) for line in lines)]
    wide = max(_WIDE, 0.6 * len(layers))
    columns = min(2, max(len(shown), 1))
    rows = -(-max(len(shown), 1) // columns)
    below = _BELOW + _SLANT * max(0, max(map(len, layers)) - 6)
    width = columns * (_LEFT + wide) + _LEGEND
    height = _HEAD + rows * (_HIGH + below) - 0.2 + _FOOT
    figure = new_figure(width, height)
    for i, name in enumerate(shown):
        left = _LEFT + i % columns * (wide + _LEFT)
        bottom = height - _HEAD - _HIGH - i // columns * (_HIGH + below)
        panel = figure.add_axes((left / width, bottom / height, wide / width, _HIGH / height))
        _draw(panel, layers, lines, name)
    _legend(figure, lines, width - _LEGEND + 0.15, height - _HEAD + 0.1)
    figure.text(0.25 / width, 1 - 0.38 / height, title, fontsize=12, fontweight="bold", parse_math=False)
    figure.text(0.25 / width, 0.15 / height, caption, fontsize=7.5, color=FAINT, parse_math=False)
    return figure


def _known(line: MethodLine, name: str) -> bool:
    return any(math.isfinite(mean) for mean, _, _ in line.errors.get(name, ()))


def _draw(panel: Axes, layers: Sequence[str], lines: Sequence[MethodLine], name: str) -> None:
    there = [line for line in lines if _known(line, name)]
    step = panel.get_window_extent().width / panel.figure.dpi / len(layers)
    apart = min(_APART, _MOST_APART / step)
    for i, line in enumerate(there):
        mean, low, high = np.array(line.errors[name], dtype=float).T
        mean, low, high = (np.where(np.isfinite(v), v, np.nan) for v in (mean, low, high))
        places = np.arange(len(layers)) + apart * ((i + 0.5) / len(there) - 0.5)
        colour = hue(line.number)
        panel.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
        panel.vlines(places, low, high, color=colour, lw=1.2)
        panel.plot(places, mean, **_style(line), lw=1.3, ms=3.5)
    heading, unit = _PANELS[name]
    panel.set_xlim(-0.5, len(layers) - 0.5)
    if unit != "dB":
        panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
    panel.set_title(heading, fontsize=9, loc="left")
    panel.set_ylabel(unit, fontsize=7.5)
    name_layers(panel, layers)


def _legend(figure: Figure, lines: Sequence[MethodLine], left: float, top: float) -> None:
    """To the right of the panels, projections and reconstructions apart, from so many inches."""
    width, height = figure.get_size_inches()
    for projects, heading in _HEADINGS.items():
        handles = [
            Line2D([], [], **_style(line), lw=1.3, ms=3.5, label=line.title)
            for line in lines
            if line.projects is projects
        ]
        if not handles:
            continue
        legend = figure.legend(
            handles=handles,
            title=heading,
            loc="upper left",
            bbox_to_anchor=(left / width, top / height),
            borderaxespad=0,
            fontsize=7.5,
            title_fontsize=7.5,
            frameon=False,
            handlelength=2.6,
            labelspacing=0.6,
            alignment="left",
        )
        legend.get_title().set_color(FAINT)
        for text in legend.get_texts():
            text.set_parse_math(False)
        top -= 0.45 + 0.18 * len(handles)


def _style(line: MethodLine) -> dict[str, Any]:
    return {
        "ls": "--" if line.projects else "-",
        "marker": "o" if line.projects else "s",
        "color": hue(line.number),
    }
