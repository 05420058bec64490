"""The figure of what survives: colour, light and dark, the subject's place, and detail, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from .canvas import FAINT, HUES, new_figure
from .errors import name_layers

_OURS, _GUESS = HUES[4], HUES[5]
_GUESSED = "chance: compared with another image"


@dataclass(frozen=True)
class Track:
    """One measure over the layers.

    Attributes:
        means: a value a layer.
        spreads: the standard deviation over the images, a layer.
        chances: the same measure when reconstructions are compared with other images, a layer.
    """

    means: Sequence[float]
    spreads: Sequence[float]
    chances: Sequence[float]


def survival_figure(
    layers: Sequence[str],
    colour: Track,
    order: Track,
    displacement: Track,
    bands: Sequence[tuple[float, float]],
    band_errors: Sequence[Sequence[float]],
    band_chances: Sequence[Sequence[float]],
    *,
    title: str,
    caption: str = "",
) -> Figure:
    """Draws four panels, in each the chance level as a dashed line.

    Args:
        layers: the layers' names, shallow ones first.
        colour: distance of the dominant colours, in units of Lab.
        order: share of pairs of regions whose light-dark order is right, in [0, 1].
        displacement: of the salient region, in sides of the image.
        bands: of spatial frequency: from, to, in cycles an image.
        band_errors: a row a layer: squared error relative to the original, a band; NaN is left out.
        band_chances: likewise by chance; drawn as their mean over the layers.
        title: the first line.
        caption: the last line.
    """
    legend = 0.65 + 0.062 * max(map(len, layers))  # inches, right of the last panel
    longest = max(map(len, layers))
    width, height = max(8.6 + legend, 2.4 + 0.9 * len(layers)), 6.7 + 0.04 * longest
    figure = new_figure(width, height)
    figure.subplots_adjust(
        left=0.9 / width,
        right=1 - legend / width,
        top=1 - 1.0 / height,
        bottom=(0.75 + 0.02 * longest) / height,
        wspace=0.26,
        hspace=0.3 + 0.013 * longest,
    )
    first, second, third, fourth = figure.subplots(2, 2).flat
    _track(first, layers, colour, "Colour", "distance of the dominant colours, Lab units\n(lower is better)")
    _track(second, layers, order, "Light and dark", "pairs of regions in the right order\n(higher is better)")
    _track(
        third,
        layers,
        displacement,
        "Place of the subject",
        "displacement of the salient region,\nshare of the image's side (lower is better)",
    )
    second.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    third.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    second.set_ylim(min(0.4, *np.subtract(order.means, order.spreads)), 1.02)
    for panel in (first, third):
        panel.set_ylim(bottom=0)
    _bands(fourth, layers, bands, band_errors, band_chances)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(
        handles[::-1],
        labels[::-1],
        loc="upper left",
        bbox_to_anchor=(0.2 / width, 1 - 0.42 / height),
        ncols=len(handles),
        fontsize=7.5,
        frameon=False,
    )
    figure.text(0.25 / width, 1 - 0.38 / height, title, fontsize=12, fontweight="bold", parse_math=False)
    figure.text(0.25 / width, 0.15 / height, caption, fontsize=7.5, color=FAINT, parse_math=False)
    return figure


def _track(panel: Axes, layers: Sequence[str], track: Track, heading: str, unit: str) -> None:
    places = np.arange(len(layers))
    means, spreads = np.asarray(track.means), np.asarray(track.spreads)
    panel.errorbar(
        places, means, spreads, fmt="o-", color=_OURS, lw=1.6, ms=4, elinewidth=0.8, capsize=2.5,
        label="reconstruction and its original, mean and standard deviation over the images",
    )  # fmt: skip
    # to both edges, so that one layer has a line too
    edges = [-0.5, *places, len(layers) - 0.5]
    chances = [track.chances[0], *track.chances, track.chances[-1]]
    panel.plot(edges, chances, "--", color=_GUESS, lw=1.3, label=_GUESSED)
    panel.set_xlim(-0.5, len(layers) - 0.5)
    _named(panel, heading, unit)
    name_layers(panel, layers)


def _bands(
    panel: Axes,
    layers: Sequence[str],
    bands: Sequence[tuple[float, float]],
    errors: Sequence[Sequence[float]],
    chances: Sequence[Sequence[float]],
) -> None:
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.88, len(layers)))
    places = range(len(bands))
    for name, row, shade in zip(layers, errors, shades, strict=True):
        panel.plot(places, row, "o-", color=shade, lw=1.5, ms=3.5, label=name)
    panel.plot(places, np.mean(np.asarray(chances), axis=0), "--", color=_GUESS, lw=1.3)
    panel.axhline(1, color=FAINT, lw=1, ls=":")
    panel.annotate(
        "1: nothing drawn in this band",
        (0, 1),
        xytext=(-10, -9),
        textcoords="offset points",
        fontsize=6.5,
        color=FAINT,
    )
    names = [f"{low:g}–{high:g}" for low, high in bands]
    _named(panel, "Coarse and fine detail", "squared error relative to the original\n(lower is better)")
    panel.set_xlabel("cycles per image: coarse on the left, fine on the right", fontsize=7.5)
    panel.set_xlim(-0.3, len(bands) - 0.7)
    panel.set_ylim(bottom=0)
    panel.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7.5, frameon=False, title="layer",
        title_fontsize=7.5,
    )  # fmt: skip
    name_layers(panel, names)


def _named(panel: Axes, heading: str, unit: str) -> None:
    panel.set_title(heading, fontsize=9, loc="left")
    panel.set_ylabel(unit, fontsize=7.5)
