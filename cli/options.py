"""Options that several commands share: the same name, meaning and default everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, shown by ``--help`` in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def model_option() -> Callable[[F], F]:
    """``--model`` and ``--input-size``."""
    return together(
        click.option(
            "--model",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="A network ('deconvviz models' lists them), package.module:function for your own, or auto: "
            "what the weights belong to; else AlexNet, or mini where that cannot be had.",
        ),
        input_size_option(),
    )


def input_size_option() -> Callable[[F], F]:
    """``--input-size``."""
    return click.option(
        "--input-size",
        type=click.IntRange(min=1),
        metavar="PIXELS",
        help="Side of the square the network is shown  [default: the network's own].",
    )


def weights_option() -> Callable[[F], F]:
    """``--weights``."""
    return click.option(
        "--weights",
        default="default",
        show_default=True,
        metavar="default|random|FILE|RUN",
        help="Published weights (downloaded once), random ones, a file (safetensors or a state dict), or the "
        "folder of a training run.",
    )


def weights_options() -> Callable[[F], F]:
    """``--weights``, ``--seed`` and ``--device``."""
    return together(weights_option(), seed_option(), device_option())


def seed_option() -> Callable[[F], F]:
    """``--seed``."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        metavar="N",
        help="Of all that is drawn: random weights, classes, splits, crops, images, units, squares, noise.",
    )


def device_option() -> Callable[[F], F]:
    """``--device``."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="auto|cpu|cuda|...",
        help="Where to compute; auto takes a GPU where there is one.",
    )


def quiet_option() -> Callable[[F], F]:
    """``--quiet``."""
    return click.option("--quiet", is_flag=True, help="Say nothing on stderr but errors.")


def image_arguments() -> Callable[[F], F]:
    """``IMAGES...`` and ``--sample``."""
    return together(
        click.argument("images", nargs=-1, type=click.Path(path_type=Path)),
        click.option("--sample", is_flag=True, help="Use the photograph that ships with matplotlib."),
    )


def layer_option(required: bool = True) -> Callable[[F], F]:
    """``--layer``, repeatable."""
    return click.option(
        "--layer",
        "layers",
        multiple=True,
        required=required,
        callback=lambda _context, _option, names: tuple(dict.fromkeys(names)),
        metavar="NAME",
        help="conv1, pool2, conv3_2, fc8, ... or a module path such as features.3; repeatable where several "
        "can be shown.",
    )


def square_options() -> Callable[[F], F]:
    """``--size`` and ``--fill`` of a square that covers a part of the image."""
    return together(
        click.option(
            "--size",
            type=click.IntRange(min=1),
            metavar="PIXELS",
            help="Side of the square, in the network's input  [default: 50 of 224, in proportion].",
        ),
        click.option(
            "--fill",
            type=click.Choice(["grey", "mean", "noise", "blur"]),
            default="grey",
            show_default=True,
            help="What is in the square: mid-grey, the mean colour that the network subtracts, noise, or the "
            "image so blurred that nothing can be made out.",
        ),
    )


def rule_option(default: str) -> Callable[[F], F]:
    """``--rule``: the deconvnet's for units, the plain gradient for what starts from a class score."""
    return click.option(
        "--rule",
        type=click.Choice(["deconvnet", "gradient", "guided"]),
        default=default,
        show_default=True,
        help="How rectifiers treat the signal on its way down.",
    )


def output_options() -> Callable[[F], F]:
    """``--out`` and ``--quiet``."""
    return together(
        click.option(
            "--out",
            metavar="FILE|FOLDER/",
            help="A .png, .svg or .pdf file for one figure, or a folder  [default: here].",
        ),
        quiet_option(),
    )


def drawing_options() -> Callable[[F], F]:
    """``--scale``."""
    return click.option(
        "--scale",
        type=click.Choice(["shared", "each"]),
        default="shared",
        show_default=True,
        help="One contrast for all tiles of a figure, or its own for each.",
    )
