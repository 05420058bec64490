"""The figure of a decoder's training: its error over the epochs, training beside validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import FAINT, HUES, new_figure

_TRAIN, _VAL = HUES[0], HUES[4]


def decoder_curves_figure(rows: Sequence[Mapping[str, Any]], *, title: str, caption: str = "") -> Figure:
    """Draws a decoder's history: normalised image error on the left, signal-to-noise ratio on the right.

    Args:
        rows: one an epoch: ``epoch``, ``train_error``, ``val_error``, ``val_psnr``.
        title: the first line.
        caption: the last line.
    """
    figure = new_figure(9.5, 4.2)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.83, bottom=0.2, wspace=0.22)
    error, ratio = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    marker = "o" if len(rows) < 12 else ""
    best = min(rows, key=lambda row: (row["val_error"], row["epoch"]))
    words = {"train_error": ("training, as trained on", _TRAIN), "val_error": ("validation", _VAL)}
    for name, (label, colour) in words.items():
        values = [row[name] for row in rows]
        error.plot(epochs, values, color=colour, lw=1.6, marker=marker, ms=3.5, label=label)
    ratio.plot(epochs, [row["val_psnr"] for row in rows], color=_VAL, lw=1.6, marker=marker, ms=3.5)
    ratio.plot([best["epoch"]], [best["val_psnr"]], "o", color=_VAL, ms=6)
    ratio.text(
        0.97,
        0.05,
        f"epoch {best['epoch']}: {best['val_psnr']:.2f} dB, image error {best['val_error']:.3f}",
        transform=ratio.transAxes,
        ha="right",
        fontsize=8,
        color=_VAL,
    )
    error.set_ylabel("normalised image error")
    error.set_ylim(bottom=0)
    error.legend(fontsize=7.5, frameon=False)
    ratio.set_ylabel("validation PSNR, dB")
    low, high = ratio.get_ylim()
    ratio.set_ylim(low - 0.2 * (high - low), high + 0.05 * (high - low))
    for panel in (error, ratio):
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(color="#e6e6e6", lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    figure.text(0.026, 0.92, title, fontsize=12, fontweight="bold", parse_math=False)
    foot = " · ".join(filter(None, [caption, "an error of 1 is as far off as another image"]))
    figure.text(0.026, 0.03, foot, fontsize=7.5, color=FAINT, parse_math=False)
    return figure
