"""``--recipe`` and an option for each field of a recipe, which overrides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from deconvviz.decoders.recipe_fields import CHOICES

from .options import together

F = TypeVar("F", bound=Callable[..., Any])

_COUNT = click.IntRange(min=1)
_WHOLE = click.IntRange(min=0)
_SHARE = click.FloatRange(0, 1, max_open=True)
_POSITIVE = click.FloatRange(0, min_open=True)
_NOT_NEGATIVE = click.FloatRange(0)
NOT_OPTIONS = ("name", "about", "layers", "classes", "val_per_class", "input_size", "seed")
"""Fields that have no option of their own: words, or options that every command has."""


def numbers(kind: type[int] | type[float], count: int | None = None) -> Callable[..., Any]:
    """Reads ``"128,64"`` as (128, 64): so many numbers, none negative."""

    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            found = tuple(kind(part) for part in text.split(","))
        except ValueError:
            raise click.BadParameter(f"'{text}' is not numbers with commas between them") from None
        if count and len(found) != count:
            raise click.BadParameter(f"'{text}' has {len(found)} numbers, not {count}")
        if any(number < 0 for number in found):
            raise click.BadParameter(f"'{text}' has a negative number")
        return found

    return read


def by_layer(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """Reads ``"20"`` as 20, and ``"conv2=10,other=15"`` as a table of numbers by layer."""
    if text is None:
        return None
    pairs = [part.rpartition("=") for part in text.split(",")]
    if not all(number.isdecimal() for _, _, number in pairs):
        raise click.BadParameter(f"'{text}' is neither a number nor LAYER=N,LAYER=N")
    if len(pairs) == 1 and not pairs[0][0]:
        return int(pairs[0][2])
    if not all(layer for layer, _, _ in pairs):
        raise click.BadParameter(f"'{text}' has a number without its layer")
    return {layer: int(number) for layer, _, number in pairs}


def recipe_options() -> Callable[[F], F]:
    """All of them; each is None where it was not given."""
    return together(
        click.option(
            "--recipe",
            default="best",
            show_default=True,
            metavar="NAME|FILE.toml",
            help="Settings by name ('deconvviz recipes' lists them), or a file of your own.",
        ),
        _option("--epochs", by_layer, "N|LAYER=N,...", "Passes over the training images."),
        _option("--batch-size", _COUNT, "N", "Images a step, over all processes together."),
        _option("--family", click.Choice(CHOICES["family"]), None, "Plain up-convolutions, or ours."),
        _option("--width", _COUNT, "N", "Maps before the up-sampling."),
        _option("--up-widths", numbers(int), "N,N,...", "Maps after each up-sampling."),
        _option("--convolutions", _WHOLE, "N", "Convolutions, or residual blocks, before the up-sampling."),
        _option("--up-convolutions", by_layer, "N|LAYER=N,...", "How many (plain)."),
        _option("--fully-connected", _COUNT, "N", "Fully connected layers for a vector."),
        _option("--fc-width", _COUNT, "N", "Units of those but the last."),
        _option("--slope", _SHARE, "X", "Of the leaky rectifiers."),
        _option("--norm/--no-norm", None, None, "Group norms in residual blocks."),
        _option("--dropout", _SHARE, "P", "Of the features (residual)."),
        _option(
            "--output",
            click.IntRange(min=-1),
            "PIXELS",
            "Side of the predicted images; 0: as the up-convolutions give it; -1: the images' own.",
        ),
        _option("--mean", numbers(float, 3), "R,G,B", "What images are normalised with."),
        _option("--std", numbers(float, 3), "R,G,B", "Likewise."),
        _option("--optimiser", click.Choice(CHOICES["optimiser"]), None, "Decay in the gradient, or apart."),
        _option("--lr", _POSITIVE, "RATE", "The highest learning rate."),
        _option("--betas", numbers(float, 2), "X,X", "Of Adam."),
        _option("--weight-decay", _NOT_NEGATIVE, "X", "On weights, not on biases and norms."),
        _option("--schedule", click.Choice(CHOICES["schedule"]), None, "How the learning rate goes."),
        _option("--warmup", _SHARE, "SHARE", "Of the steps, over which one-cycle rises."),
        _option("--step-epochs", _COUNT, "N", "Epochs between two drops of the step schedule."),
        _option("--gamma", _POSITIVE, "X", "What a drop of the step schedule multiplies the rate by."),
        _option("--clip", _NOT_NEGATIVE, "X", "Cut the gradient's norm to this; 0 never."),
        _option("--average", _SHARE, "X", "Decay of the running average of the weights; 0 for none."),
        _option("--loss", click.Choice(CHOICES["loss"]), None, "Over normalised pixels."),
        _option("--feature-weight", _NOT_NEGATIVE, "X", "Of the re-encoded reconstruction's error (slow)."),
        _option("--flip/--no-flip", None, None, "Mirror every second training image."),
        _option(
            "--crop",
            click.Choice(CHOICES["crop"]),
            None,
            "Train on parts of images, moved ones, or as they are.",
        ),
        _option(
            "--smallest-crop", click.FloatRange(0, 1, min_open=True), "SHARE", "Of the area, for resized."
        ),
        _option(
            "--val-share",
            click.FloatRange(0, 1, min_open=True, max_open=True),
            "SHARE",
            "Hold out this share of each class.",
        ),
        _option(
            "--precision",
            click.Choice(CHOICES["precision"]),
            None,
            "Mixed precision is auto where it is native.",
        ),
        _option("--channels-last/--channels-first", None, None, "Memory layout of maps and weights."),
    )


def _option(spelling: str, kind: Any, metavar: str | None, text: str) -> Callable[[F], F]:
    """An option without a default; `kind` is one of click's types, or a function that reads the text."""
    reads = kind is not None and not isinstance(kind, click.ParamType)
    return click.option(
        spelling,
        type=str if reads else kind,
        callback=kind if reads else None,
        metavar=metavar,
        default=None,
        help=f"{text}  [default: the recipe's]",
    )
