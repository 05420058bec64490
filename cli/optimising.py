"""What commands that optimise images share: a look at where the results go, the progress, and the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deconvviz.errors import ModelError, OutputError

from .options import F, together

if TYPE_CHECKING:
    from torch import Tensor


def check_places(figures: Sequence[Path]) -> None:
    """Whether results can be written where they shall go, before a search of minutes.

    Raises:
        OutputError: a file stands where a folder has to be, or a folder where a file; or it is not ours.
    """
    for path in figures:
        there = next(folder for folder in path.absolute().parents if folder.exists())
        reason = ""
        if not there.is_dir():
            reason = f"{there} is no folder"
        elif path.is_dir():
            reason = "it is a folder"
        elif not os.access(there, os.W_OK | os.X_OK):
            reason = f"no permission to write in {there}"
        if reason:
            raise OutputError(f"cannot write {path}: {reason}; choose another place with --out")


def search_options() -> Callable[[F], F]:
    """``--iterations`` and ``--batch-size``."""
    return together(
        click.option(
            "--iterations",
            type=click.IntRange(min=1),
            metavar="N",
            help="Steps of the optimiser; the preset's schedule is stretched to them  "
            "[default: the preset's own].",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            default=16,
            show_default=True,
            metavar="N",
            help="Images differentiated together: fewer take less memory, and give the same.",
        ),
    )


@contextmanager
def shown_progress(
    what: str, quiet: bool, say: Callable[[Tensor], str]
) -> Iterator[Callable[[int, int, Tensor], None]]:
    """A bar on stderr for the time of one optimisation.

    Args:
        what: is being done, before the bar.
        quiet: show nothing.
        say: what was measured at a step, in a few words to stand behind the bar.

    Yields:
        a function of the step, how many there will be, and what was measured at it.
    """
    from tqdm import tqdm

    with tqdm(desc=what, unit="step", disable=quiet) as bar:

        def watch(step: int, steps: int, values: Tensor) -> None:
            if not quiet:
                bar.total = steps
                bar.set_postfix_str(say(values), refresh=False)
                bar.update()

        yield watch


def end_as(stopped: str, slower: float, quiet: bool, advice: str = "") -> None:
    """Says on stderr what the results do not show, and ends the command as its optimisation ended.

    Args:
        stopped: ``interrupted``, ``diverged``, or nothing.
        slower: what the rates were multiplied with at the end.
        quiet: leave notes out.
        advice: what to try where it diverged.

    Raises:
        KeyboardInterrupt: the user ended it.
        ModelError: it led to no numbers.
    """
    if stopped == "interrupted":
        raise KeyboardInterrupt
    rate = f"1/{round(1 / slower)}" if slower < 1 else "1"
    if stopped == "diverged":
        raise ModelError(
            f"the optimisation led to no numbers even at rates {rate} of the preset's; the best so far is "
            f"shown{advice and '; '}{advice}"
        )
    if slower < 1 and not quiet:
        click.echo(f"note: some steps led to no numbers and were taken back: rates fell to {rate}", err=True)
