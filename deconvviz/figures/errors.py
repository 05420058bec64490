"""The figure of decoders' errors: how good reconstructions from each layer are, one panel a measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from .canvas import FAINT, HUES, INK, new_figure

_PANELS = {
    "image_error": ("image error", "share of the distance\nbetween two images", "lower", HUES[4]),
    "psnr": ("PSNR", "dB", "higher", HUES[2]),
    "ssim": ("SSIM", "structural similarity", "higher", HUES[2]),
    "lpips": ("LPIPS", "perceptual distance", "lower", HUES[4]),
    "feature_error": (
        "feature error",
        "share of the distance\nbetween two images' features",
        "lower",
        HUES[4],
    ),
}
"""Heading, unit, which way is better, and colour of each measure, in the order drawn."""
_WIDE, _HIGH, _LEFT, _BELOW = 2.9, 2.0, 0.95, 0.7  # inches: a panel, and the room for its labels
_HEAD, _FOOT = 0.9, 0.35
_SLANT = 0.045  # inches that a slanted name reaches down for each of its letters


def errors_figure(
    layers: Sequence[str], means: Mapping[str, Sequence[float]], *, title: str, caption: str = ""
) -> Figure:
    """Draws mean errors over the layers, each value printed at its point; what is not known is left out.

    Args:
        layers: the layers' names, shallow ones first.
        means: a value a layer by the measure's name: ``image_error``, ``psnr`` in dB, ``ssim``, ``lpips``,
            ``feature_error``; others are not drawn.
        title: the first line.
        caption: the last line.
    """
    shown = [name for name in _PANELS if any(map(math.isfinite, means.get(name, ())))]
    columns = 2 if len(shown) in (2, 4) else min(3, max(len(shown), 1))
    rows = -(-max(len(shown), 1) // columns)
    wide = max(_WIDE, 0.43 * len(layers))
    below = _BELOW + (_SLANT * max(map(len, layers)) if _crowded(layers, wide) else 0)
    width = max(columns * (wide + _LEFT) + 0.3, 6.0)
    height = _HEAD + rows * (_HIGH + below) - 0.2 + _FOOT
    figure = new_figure(width, height)
    for i, name in enumerate(shown):
        left = _LEFT + i % columns * (wide + _LEFT)
        bottom = height - _HEAD - _HIGH - i // columns * (_HIGH + below)
        panel = figure.add_axes((left / width, bottom / height, wide / width, _HIGH / height))
        _draw(panel, layers, means[name], *_PANELS[name])
    figure.text(0.25 / width, 1 - 0.38 / height, title, fontsize=12, fontweight="bold", parse_math=False)
    figure.text(0.25 / width, 0.15 / height, caption, fontsize=7.5, color=FAINT, parse_math=False)
    return figure


def _draw(
    panel: Axes,
    layers: Sequence[str],
    values: Sequence[float],
    heading: str,
    unit: str,
    way: str,
    colour: str,
) -> None:
    places = range(len(layers))
    panel.plot(places, values, "o-", color=colour, lw=1.4, ms=4)
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known), max(known)
    # what has a natural zero starts there; decibels have none
    low = low - 0.2 * ((high - low) or 1.0) if unit == "dB" else min(low, 0.0)
    panel.set_ylim(low, high + 0.18 * ((high - low) or 1.0))
    panel.set_xlim(-0.5, len(layers) - 0.5)
    for place, value in zip(places, values, strict=True):
        if math.isfinite(value):
            panel.annotate(
                f"{value:.1f}" if unit == "dB" else f"{value:.3f}",
                (place, value),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=6.5,
                color=INK,
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )
    panel.set_title(f"{heading} ({way} is better)", fontsize=9, loc="left")
    panel.set_ylabel(unit, fontsize=7.5)
    name_layers(panel, layers)


def name_layers(panel: Axes, layers: Sequence[str]) -> None:
    """Writes the layers' names under a panel, slanted where they are many or long; and the panel's style."""
    slanted = _crowded(layers, panel.get_window_extent().width / panel.figure.dpi)
    panel.set_xticks(
        range(len(layers)),
        layers,
        fontsize=7.5,
        rotation=35 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor",
        parse_math=False,
    )
    panel.tick_params(axis="y", labelsize=7.5)
    panel.grid(color="#e6e6e6", lw=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _crowded(names: Sequence[str], wide: float) -> bool:
    """Whether names side by side would touch each other, in so many inches."""
    return (0.065 * max(map(len, names), default=0) + 0.08) * len(names) > wide
