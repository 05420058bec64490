"""The figure of a training run: loss and accuracy over the epochs, training beside validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .canvas import FAINT, HUES, new_figure

_TRAIN, _VAL, _VAL5 = HUES[0], HUES[4], HUES[1]


def curves_figure(rows: Sequence[Mapping[str, Any]], *, title: str, caption: str = "") -> Figure:
    """Draws a run's history: loss on the left, accuracy on the right; the best epoch is marked.

    Args:
        rows: one an epoch: ``epoch``, ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_top1``,
            ``val_top5``.
        title: the first line.
        caption: the last line.
    """
    figure = new_figure(9.5, 4.2)
    figure.subplots_adjust(left=0.075, right=0.975, top=0.83, bottom=0.2, wspace=0.22)
    loss, accuracy = figure.subplots(1, 2)
    best = max(rows, key=lambda row: (row["val_top1"], -row["epoch"]))
    _line(loss, rows, "train_loss", "training (augmented, smoothed labels)", _TRAIN)
    _line(loss, rows, "val_loss", "validation", _VAL)
    _line(accuracy, rows, "train_accuracy", "training (augmented), top-1", _TRAIN)
    _line(accuracy, rows, "val_top1", "validation, top-1", _VAL)
    _line(accuracy, rows, "val_top5", "validation, top-5", _VAL5)
    accuracy.plot([best["epoch"]], [best["val_top1"]], "o", color=_VAL, ms=5)
    accuracy.annotate(
        f"{best['val_top1']:.3f} at epoch {best['epoch']}",
        (best["epoch"], best["val_top1"]),
        xytext=(0, -14),
        textcoords="offset points",
        ha="right" if best["epoch"] > len(rows) / 2 else "left",
        fontsize=8,
        color=_VAL,
    )
    loss.set_ylabel("cross-entropy, nats")
    # the first epochs of a high learning rate may be far off; the curve that matters shall fill the panel
    tallest = max(row["train_loss"] for row in rows)
    loss.set_ylim(0, 1.15 * max(tallest, sorted(row["val_loss"] for row in rows)[len(rows) // 2]))
    accuracy.set_ylabel("accuracy")
    accuracy.set_ylim(0, 1)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for panel in (loss, accuracy):
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(color="#e6e6e6", lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=7.5, frameon=False)
    figure.text(0.026, 0.92, title, fontsize=12, fontweight="bold", parse_math=False)
    figure.text(0.026, 0.03, caption, fontsize=7.5, color=FAINT, parse_math=False)
    return figure


def _line(panel: Axes, rows: Sequence[Mapping[str, Any]], name: str, label: str, colour: str) -> None:
    marker = "o" if len(rows) == 1 else ""
    epochs, values = [row["epoch"] for row in rows], [row[name] for row in rows]
    panel.plot(epochs, values, color=colour, lw=1.6, marker=marker, label=label)
