"""Options that several commands of ``deconvviz atlas`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from .options import F, device_option, together


def atlas_out_option() -> Callable[[F], F]:
    """``--out`` of a command that makes an atlas."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        required=True,
        metavar="ATLAS",
        help="The atlas' folder.",
    )


def overwrite_option() -> Callable[[F], F]:
    """``--overwrite``."""
    return click.option("--overwrite", is_flag=True, help="Throw an earlier atlas in this folder away.")


def scanned_options(seeded: str) -> Callable[[F], F]:
    """``--model``, ``--input-size``, ``--weights``, ``--seed`` and ``--device`` of a finished atlas.

    Args:
        seeded: what the seed is of.
    """
    return together(
        click.option(
            "--model",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="The network that was scanned, where it goes by another name now; auto is the scan's.",
        ),
        click.option(
            "--input-size",
            type=click.IntRange(min=1),
            metavar="PIXELS",
            help="Side of the square the network is shown  [default: the scan's; another is refused].",
        ),
        click.option(
            "--weights",
            default="default",
            show_default=True,
            metavar="default|random|FILE|RUN",
            help="Where the weights that were scanned are now; default is where they were.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, 2**32 - 1),
            default=0,
            show_default=True,
            metavar="N",
            help=seeded,
        ),
        device_option(),
    )
