"""Options that say how to train, one for each field of the training settings, with its default."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from deconvviz.training.schedules import SCHEDULES
from deconvviz.training.settings import CROPS, OPTIMISERS, PRECISIONS, SNAPSHOT_EPOCHS, Settings

from .options import seed_option, together

F = TypeVar("F", bound=Callable[..., Any])

SETTINGS = tuple(field.name for field in fields(Settings))
"""Every setting is an option of the same name."""
_COUNT = click.IntRange(min=1)
_SHARE = click.FloatRange(0, 1, max_open=True)


class _Positive(click.FloatRange):
    """A number above zero; unlike its base, neither infinity nor NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number above zero", param, ctx)
        return number


_POSITIVE = _Positive(0, min_open=True)


def training_options() -> Callable[[F], F]:
    """All of them, ``--seed`` included."""
    rates = ", ".join(f"{rate} for {name}" for name, rate in OPTIMISERS.items())
    epochs = ", ".join(map(str, SNAPSHOT_EPOCHS))
    return together(
        _option("--epochs", _COUNT, "N", "Passes over the training images."),
        _option("--batch-size", click.IntRange(min=2), "N", "Images a step, over all processes together."),
        _option("--optimiser", click.Choice(list(OPTIMISERS)), None, "SGD with Nesterov momentum, or AdamW."),
        _option("--lr", _POSITIVE, "RATE", f"The highest learning rate  [default: {rates}]."),
        _option("--momentum", _SHARE, "X", "Of sgd."),
        _option("--weight-decay", click.FloatRange(0), "X", "On weights, not on biases and norms."),
        _option(
            "--schedule",
            click.Choice(SCHEDULES),
            None,
            "How the rate goes: up and down to nothing, in drops, or not at all.",
        ),
        _option("--warmup", _SHARE, "SHARE", "Of the steps, over which one-cycle rises."),
        _option("--step-epochs", _COUNT, "N", "Epochs between two drops of the step schedule."),
        _option("--gamma", _POSITIVE, "X", "What a drop of the step schedule multiplies the rate by."),
        _option("--label-smoothing", _SHARE, "X", "Of the cross-entropy."),
        _option("--flip/--no-flip", None, None, "Mirror every second training image."),
        _option(
            "--crop",
            click.Choice(CROPS),
            None,
            "Train on random parts of the images, on images shifted by up to an eighth, or as they are.",
        ),
        _option(
            "--smallest-crop", click.FloatRange(0, 1, min_open=True), "SHARE", "Of the area, for resized."
        ),
        _option(
            "--erase", _SHARE, "SHARE", "Blank a square of this share of the side in every training image."
        ),
        _option("--crop-size", click.IntRange(min=8), "PIXELS", "Side of crops  [default: the input size]."),
        _option("--precision", click.Choice(PRECISIONS), None, "Mixed precision is auto where it is native."),
        _option("--channels-last/--channels-first", None, None, "Memory layout of images and weights."),
        _option(
            "--renormalise",
            _POSITIVE,
            "RMS",
            "Scale filters of larger root mean square back to it after each step (Zeiler & Fergus: 0.1), as "
            "they are before batch norms are folded in.",
        ),
        _option(
            "--freeze",
            None,
            "PART",
            "Leave this beginning of the network as it is ('features') and compute its outputs once.",
        ),
        _option("--patience", _COUNT, "N", "Stop after N epochs without a better validation accuracy."),
        _option("--snapshots/--no-snapshots", None, None, f"Keep the weights of epochs {epochs}."),
        seed_option(),
    )


def _option(spelling: str, kind: Any, metavar: str | None, text: str) -> Callable[[F], F]:
    name = spelling.partition("/")[0].removeprefix("--").replace("-", "_")
    default = getattr(Settings(), name)
    return click.option(
        spelling, type=kind, metavar=metavar, default=default, show_default=default is not None, help=text
    )
