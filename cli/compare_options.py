"""Options of ``deconvviz compare``: what is compared, how it is shown, and what only a data set has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from deconvviz.compare.methods import METHODS, chosen_methods

from .data_options import DATA_OPTIONS, data_options
from .decoder_session import decoder_option
from .optimising import search_options
from .options import F, together

OPTIMISED_LIMIT = 16
SHOWN = ("images", "sample", "form", "rows", "each", "arrays")
"""The options that only photographs have."""
SURVEYED = (*DATA_OPTIONS, "split", "limit", "optimised_limit", "resume", "overwrite", "as_json")
"""The options that only a data set has."""


def compared_options() -> Callable[[F], F]:
    """``--layers``, ``--decoder``, ``--methods``, and how the optimiser searches."""
    return together(
        click.option(
            "--layers",
            "--layer",
            "layers",
            multiple=True,
            callback=lambda _context, _option, given: listed(given),
            metavar="NAME,...",
            help="conv1, pool2, fc8, ... or module paths, separated by commas; repeatable  "
            "[default: the decoders' layers, else conv1 to fc8].",
        ),
        decoder_option(required=False),
        click.option(
            "--methods",
            multiple=True,
            callback=lambda _context, _option, given: _methods(given),
            metavar="NAME,...",
            help=f"Which of {', '.join(METHODS)}; repeatable  [default: all].",
        ),
        click.option(
            "--preset",
            type=click.Choice(["best", "mahendran2015", "mahendran2016"]),
            default="best",
            show_default=True,
            help="How pre-images are found, as invert's.",
        ),
        search_options(),
    )


def shown_options() -> Callable[[F], F]:
    """``--format``, ``--rows``, ``--each`` and ``--arrays``: of photographs."""
    return together(
        click.option(
            "--format",
            "form",
            type=click.Choice(["figure", "html"]),
            default="figure",
            show_default=True,
            help="A figure for each image, or one page of all of them in the folder --out.",
        ),
        click.option(
            "--rows",
            type=click.Choice(["layers", "images"]),
            default="layers",
            show_default=True,
            help="A figure for each image with a row for each layer, or a figure for each layer with a row "
            "for each image.",
        ),
        click.option("--each", is_flag=True, help="Also write every picture as its own PNG."),
        click.option(
            "--arrays",
            is_flag=True,
            help="Also write NAME.npz: input, signal, picture, layer, method and the errors.",
        ),
    )


def surveyed_options() -> Callable[[F], F]:
    """``--data`` and all that goes with it."""
    return together(
        data_options(default=None),
        click.option(
            "--split",
            type=click.Choice(["validation", "test", "training"]),
            default="validation",
            show_default=True,
            help="Which images of the data set.",
        ),
        click.option(
            "--limit",
            type=click.IntRange(min=2),
            metavar="N",
            help="N evenly spaced images of the data set  [default: all].",
        ),
        click.option(
            "--optimised-limit",
            type=click.IntRange(min=0),
            default=OPTIMISED_LIMIT,
            show_default=True,
            metavar="N",
            help="Evenly spaced images among these that pre-images are sought for, which takes far longer "
            "than all the rest; every table says so.",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with the run over a data set in --out, which knows its settings: "
            "--resume --out RUN is enough.",
        ),
        click.option("--overwrite", is_flag=True, help="Throw an earlier run over a data set in --out away."),
        click.option("--json", "as_json", is_flag=True, help="Print a data set's table as JSON."),
    )


def listed(given: Sequence[str]) -> tuple[str, ...]:
    """Names that stand in lists with commas, each once, in the order in which they were given.

    Example:
        >>> listed(["conv1, conv2", "fc8,conv1"])
        ('conv1', 'conv2', 'fc8')
    """
    names = (name.strip() for words in given for name in words.split(","))
    return tuple(dict.fromkeys(filter(None, names)))


def _methods(given: Sequence[str]) -> tuple[str, ...]:
    """In the table's order; all where none are given."""
    return tuple(method.name for method in chosen_methods(listed(given)))


def misplaced(given: set[str], data: bool) -> str:
    """The first option given that has no meaning here, as the command line spells it; else empty.

    Args:
        given: the parameters that stand on the command line.
        data: whether a data set is compared, or photographs.
    """
    spelt = {"images": "IMAGES", "form": "--format", "as_json": "--json"}
    for name in SHOWN if data else SURVEYED:
        if name in given:
            return spelt.get(name, f"--{name.replace('_', '-')}")
    return ""
