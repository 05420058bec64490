"""Options of ``deconvviz perturb``: what is done to features, and what makes pictures of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from .options import F, together

SWEEP = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0)


def _percentages(_context: click.Context, option: click.Parameter, text: str) -> tuple[float, ...]:
    """``0,10,25`` as numbers; nothing for ``none``."""
    if text == "none":
        return ()
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = (-1.0,)
    if not all(0 <= value <= 100 for value in found):
        raise click.BadParameter(
            f"{text!r}: percentages from 0 to 100 with commas between, or none", param=option
        )
    return tuple(dict.fromkeys(found))


def perturbation_options() -> Callable[[F], F]:
    """What is done to the features of an image."""
    return together(
        click.option(
            "--keep",
            type=click.IntRange(min=1),
            default=5,
            show_default=True,
            metavar="N",
            help="How many of the largest entries are kept, and removed: of a vector its entries, of feature "
            "maps whole maps by their strongest value.",
        ),
        click.option(
            "--by",
            type=click.Choice(["value", "magnitude"]),
            default="value",
            show_default=True,
            help="What is largest. By value: of class scores the most probable classes. By magnitude: "
            "strongly negative scores as well. After a rectifier both are the same.",
        ),
        click.option(
            "--dropout",
            type=click.FloatRange(0, 100),
            default=50,
            show_default=True,
            metavar="PERCENT",
            help="The share of the entries that is set to zero, drawn from --seed.",
        ),
        click.option(
            "--rescale",
            is_flag=True,
            help="Multiply what dropout leaves, as in training: twofold where half is gone  [default: leave "
            "it as it is].",
        ),
        click.option(
            "--sweep",
            callback=_percentages,
            default=",".join(f"{value:g}" for value in SWEEP),
            show_default=True,
            metavar="PERCENT,...",
            help="Also a row of these shares of dropout, and one of 1, 2, 5, 10, ... entries kept; none for "
            "neither.",
        ),
    )


def mixing_options() -> Callable[[F], F]:
    """Features between those of two images."""
    return together(
        click.option(
            "--with",
            "other",
            type=click.Path(path_type=Path),
            metavar="OTHER",
            help="Instead: features on the straight line from each image's to this one's; a strip and an "
            "animation.",
        ),
        click.option(
            "--steps",
            type=click.IntRange(min=2),
            default=9,
            show_default=True,
            metavar="N",
            help="Pictures of that strip.",
        ),
        click.option(
            "--animation",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Where the animation goes, a .webp or a .gif  [default: a .webp beside the figure].",
        ),
    )


def drawing_at_random() -> Callable[[F], F]:
    """Features that no image has."""
    return together(
        click.option(
            "--random",
            "drawn",
            type=click.IntRange(min=1),
            metavar="N",
            help="Instead: N features in which every unit has been drawn by itself, from how it behaves over "
            "--data, beside those of N images. Of IMAGES, which may be left out, a growing share (--sweep) "
            "is drawn anew.",
        ),
        click.option(
            "--statistics",
            type=click.Choice(["empirical", "gaussian"]),
            default="empirical",
            show_default=True,
            help="What a unit is drawn from: the values that it takes, or a normal distribution fitted to "
            "them, cut at zero where the layer's rectifier cuts.",
        ),
        click.option(
            "--fit-images",
            type=click.IntRange(min=2),
            default=1000,
            show_default=True,
            metavar="M",
            help="So many evenly spaced training images of --data are looked at, at most.",
        ),
    )


def optimised_options() -> Callable[[F], F]:
    """The same features, fed to the optimiser."""
    return together(
        click.option(
            "--optimised",
            is_flag=True,
            help="Also feed the same features (sweeps left out) to the optimiser. Slow: a picture takes as "
            "long as one of 'deconvviz invert', of AlexNet about half a minute on two cores.",
        ),
        click.option(
            "--preset",
            type=click.Choice(["best", "mahendran2015", "mahendran2016"]),
            default="best",
            show_default=True,
            help="How it optimises, as in 'deconvviz invert'.",
        ),
    )
