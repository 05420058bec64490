"""Options that several commands of ``deconvviz atlas`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from .options import F


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
