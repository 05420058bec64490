"""Options that name a data set: the same for everything that trains or evaluates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import together

if TYPE_CHECKING:
    from deconvviz.data.datasets import DataSet

F = TypeVar("F", bound=Callable[..., Any])

DATA_OPTIONS = ("data", "data_root", "classes", "only", "val_per_class", "train_per_class")
"""The options that `opened_data` takes."""


def data_options(default: str | None = "auto") -> Callable[[F], F]:
    """``--data`` and what chooses from it."""
    return together(
        click.option(
            "--data",
            default=default,
            show_default=default is not None,
            metavar="NAME|FOLDER|ZIP",
            help="tiny-imagenet, cifar10, dead-leaves (drawn, needs no file), class folders, or auto: "
            "tiny-imagenet where it can be had, else dead-leaves.",
        ),
        click.option(
            "--data-root",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Where tiny-imagenet or cifar10 lies, or is downloaded to  [default: the cache].",
        ),
        click.option(
            "--classes",
            type=click.IntRange(min=2),
            metavar="N",
            help="Draw N of the classes at random  [default: all].",
        ),
        click.option(
            "--only",
            multiple=True,
            metavar="CLASS",
            help="Use this class (its name or id); repeat it for each class.",
        ),
        click.option(
            "--val-per-class",
            type=click.IntRange(min=1),
            metavar="N",
            help="Hold N training images of each class out for validation  "
            "[default: the data's own split, else a tenth].",
        ),
        click.option(
            "--train-per-class",
            type=click.IntRange(min=1),
            metavar="N",
            help="Draw at most N training images of each class.",
        ),
    )


def opened_data(
    *,
    data: str,
    data_root: Path | None,
    classes: int | None,
    only: tuple[str, ...],
    val_per_class: int | None,
    train_per_class: int | None,
    seed: int,
    side: int,
    quiet: bool,
    val_share: float | None = None,
    test: bool = False,
    at_most: bool = False,
) -> DataSet:
    """The data set of one command; says on stderr what was drawn and what could not be read."""
    if classes is not None and only:
        raise click.UsageError("--classes draws classes and --only names them: give one or the other")
    from deconvviz.data.datasets import open_data

    found = open_data(
        data,
        root=data_root,
        classes=classes,
        only=only,
        val_per_class=val_per_class,
        train_per_class=train_per_class,
        seed=seed,
        side=side,
        progress=not quiet,
        val_share=val_share if val_per_class is None else None,
        test=test,
        at_most=at_most,
    )
    if quiet:
        return found
    if found.name != data:
        click.echo(f"note: the data set is {found.name}", err=True)
    if classes is not None and len(found.ids) == classes:
        drawn = ", ".join(f"{i} ({t})" if i != t else t for i, t in zip(found.ids, found.titles, strict=True))
        click.echo(f"note: drew {classes} classes (--seed {seed}): {drawn}", err=True)
    for reason in found.skipped[:5]:
        click.echo(f"note: skipped: {reason}", err=True)
    if found.skipped:
        click.echo(f"note: {len(found.skipped)} images could not be read and are left out", err=True)
    return found
