"""Units as they are named on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def unit_option() -> Callable[[F], F]:
    """``--unit``, repeatable, in place of the strongest ones."""
    return click.option(
        "--unit",
        "units",
        multiple=True,
        metavar="N|N,ROW,COLUMN",
        help="Project this unit instead, at its strongest place or at the one given; repeatable.",
    )


def unit_place(text: str) -> tuple[int, int | None, int | None]:
    """``42`` or ``42,6,7`` as channel, row and column.

    Raises:
        UsageError: it is neither.
    """
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() for part in parts):
        raise click.UsageError(f"--unit {text}: give a unit's number, or number,row,column such as 42,6,7")
    numbers = [int(part) for part in parts]
    return (numbers[0], None, None) if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])
