"""``deconvviz compare IMAGE...``: photographs one after the other, a method at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deconvviz.errors import ImageError
from deconvviz.runs import FIGURE_SUFFIXES

from .compare_session import Compared, opened_comparison
from .compare_work import Seen, Work
from .earlier import given_options
from .optimising import check_places
from .session import announce, for_each_photo, pictures, targets

if TYPE_CHECKING:
    from deconvviz.data.images import Photo


def compare_images(
    context: click.Context,
    images: Sequence[Path],
    sample: bool,
    *,
    layers: Sequence[str],
    runs: Sequence[Path],
    form: str,
    rows: str,
    each: bool,
    arrays: bool,
    out: str | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Compares photographs and writes figures, or a page; the parameters are those of the command."""
    paths, given = pictures(images, sample), given_options(context)
    if form == "html":
        _check_page(out, given)
    places = [place for (place,) in targets([p.stem for p in paths], ["compare"], _folder(out, form, rows))]
    compared = opened_comparison(layers, runs, given, options, device, quiet)
    figures = places
    if rows == "images" and form == "figure":
        stem = "pictures" if len(paths) > 1 else paths[0].stem
        figures = targets([stem], compared.layers, out, "_compare")[0]
    check_places([place.figure for place in figures])
    from deconvviz.compare.page import check_page

    from .compare_results import Results, page

    if form == "html":
        check_page(Path(out or ""))

    seen, bad = _seen(compared, paths)
    work = Work(compared, seen, options, quiet)
    results = Results(compared, work.facts(), work.methods, rows)
    if form == "html":
        announce(*page(results, Path(out or ""), work.comparisons()))
    elif rows == "layers":
        for one, comparison in work.comparisons():
            place = places[one.number]
            announce(*results.write([(one.photo, comparison)], place.figure, arrays))
            if each:
                announce(*results.parts(one.photo, comparison, place.parts))
    else:
        found = list(work.comparisons())
        for layer, place in zip(compared.layers, figures, strict=True):
            of_layer = [(one.photo, replace(c, layers=(layer,))) for one, c in found]
            announce(*results.write(of_layer, place.figure, arrays))
        if each:
            for one, comparison in found:
                announce(*results.parts(one.photo, comparison, places[one.number].parts))
    if work.interrupted:
        if bad is not None:
            click.echo(f"deconvviz: {bad}", err=True)
        raise KeyboardInterrupt
    if bad is not None:
        raise bad


def _check_page(out: str | None, given: set[str]) -> None:
    """Whether a page can be written as asked.

    Raises:
        UsageError: it has no folder, or what only figures have is asked for.
    """
    for name in ("rows", "each", "arrays"):
        if name in given:
            raise click.UsageError(f"--{name} is for figures: a page has all pictures and numbers beside it")
    if out is None or Path(out).suffix.lower() in FIGURE_SUFFIXES:
        raise click.UsageError("--format html makes a folder: name it with --out FOLDER/")


def _folder(out: str | None, form: str, rows: str) -> str | None:
    """Where what belongs to one image goes: for a figure of several images, the folder of that figure."""
    if form == "html":
        return f"{out}{os.sep}"
    single = out is not None and Path(out).suffix.lower() in FIGURE_SUFFIXES and not Path(out).is_dir()
    return f"{Path(out or '').parent}{os.sep}" if rows == "images" and single else out


def _seen(compared: Compared, paths: Sequence[Path]) -> tuple[list[Seen], ImageError | None]:
    """The photographs, and, where some are bad, how many are.

    Raises:
        ImageError: all are bad.
    """
    found: list[Seen] = []

    def look(i: int, photo: Photo) -> None:
        found.append(Seen(i, photo, compared.session.see(photo.image)))

    try:
        for_each_photo(paths, look)
    except ImageError as error:
        if not found:
            raise
        return found, error
    return found, None
