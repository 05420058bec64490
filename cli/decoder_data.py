"""The images of a command that measures trained decoders: by default those that the decoders held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import opened_data
from .earlier import as_trained, earlier

if TYPE_CHECKING:
    from collections.abc import Callable

    from deconvviz.data.datasets import DataSet, LabelledImages

    from .options import F


def split_option() -> Callable[[F], F]:
    """``--split``."""
    return click.option(
        "--split",
        type=click.Choice(["validation", "test", "training"]),
        default="validation",
        show_default=True,
        help="Which images of the data set.",
    )


def data_of(
    decoder: str | None, chosen: dict[str, Any], side: int, seed: int, given: set[str], quiet: bool
) -> DataSet:
    """The set that a decoder was trained on, with what it held out; or the one that was named.

    Args:
        decoder: its folder or file; None where there is none.
        chosen: the options of a data set; ``data`` None for the decoder's own.
        side: of the squares, in pixels.
        seed: of this call.
        given: the options that stand on the command line.
        quiet: say nothing on stderr.

    Raises:
        TrainingError: nothing says which set.
        DataError: it cannot be had.
    """
    from deconvviz.errors import TrainingError

    before = earlier(Path(decoder)) if decoder is not None and Path(decoder).is_dir() else None
    if chosen["data"] is None:
        if before is None:
            raise TrainingError(f"{decoder} does not say what it was trained on: name a set with --data")
        chosen = {**chosen, "data": before.options["data"]}
    opening = {**chosen, "seed": seed} if decoder is None else as_trained(decoder, chosen, seed, given)
    share = before.options.get("val_share") if before and before.options["data"] == chosen["data"] else None
    return opened_data(**opening, side=side, quiet=quiet, val_share=share, test=True)


def images_of(data: DataSet, split: str, most: int | None) -> LabelledImages:
    """Evenly spaced images of one part of a set.

    Args:
        data: the set.
        split: ``training``, ``validation`` or ``test``.
        most: how many; None for all.

    Raises:
        DataError: it has no test images.
    """
    from dataclasses import replace

    from deconvviz.errors import DataError
    from deconvviz.metrics import evenly_spaced

    images = {"training": data.train, "validation": data.val, "test": data.test}[split]
    if images is None:
        raise DataError(f"{data.name} has no test images besides its validation images")
    if most is None:
        return images
    return replace(images, rows=images.rows[evenly_spaced(len(images), most)])
