"""The page of a comparison of many images: a folder that any browser opens from the disk.

    write_page(Path("page"), comparisons, model="alexnet")      # then open page/index.html

One section an image, a row a layer, a column a method, and a table of means over the images. There are no
scripts in it and nothing is asked of a network; whatever the names of images and layers hold is text.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any

import jinja2

from ..errors import DataError
from ..runs import remove, replacing
from .answers import Answer, Comparison
from .methods import METHODS, Method
from .page_pictures import Pictures, frame_of
from .showing import (
    FITTED,
    FRAMED,
    MEASURES,
    NO_PICTURE,
    ONE_ACTIVATION,
    TOLD_TWICE,
    Measure,
    NameOf,
    nameless,
    seconds_of,
    unit_of,
)

PAGE = "index.html"
PARTS = "page"
"""The folder of the page's own style, beside it."""
PICTURES = "pictures"
_OURS = re.compile(r"\d+_[\w.~-]+\.(png|jpg)")


def check_page(folder: Path) -> None:
    """Whether a page may be written into a folder: into none where another page is.

    Raises:
        DataError: it may not.
    """
    if (folder / PAGE).exists() and not (folder / PARTS / "compare.css").is_file():
        raise DataError(f"{folder / PAGE} is no page of a comparison: choose another folder with --out")


def write_page(
    folder: Path,
    comparisons: Iterable[Comparison],
    *,
    model: str,
    facts: Sequence[str] = (),
    name_of: NameOf = nameless,
) -> Path:
    """Writes a page, in place of an older one.

    Args:
        folder: where to; made if need be.
        comparisons: one an image, all of the same layers and methods; taken one by one, and their pictures
            let go as soon as they are written.
        model: the network's name.
        facts: what the last lines say.
        name_of: names units, such as those that score classes.

    Returns:
        the page, which is written last.

    Raises:
        DataError: a page of something else lies there.
        OutputError: the folder cannot be written.
    """
    check_page(folder)
    pictures = Pictures(folder / PICTURES)
    sections, means = [], _Means()
    for number, one in enumerate(comparisons, 1):
        sections.append(_section(number, one, pictures, name_of))
        means.add(one)
    assets = files("deconvviz_assets") / "compare"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    measures = means.measures()
    text = environment.from_string((assets / PAGE).read_text(encoding="utf-8")).render(
        model=model,
        sections=sections,
        methods=means.methods,
        measures=measures,
        means=means.rows(measures),
        no_picture=NO_PICTURE,
        told_twice=TOLD_TWICE,
        framed=FRAMED if {method.name for method in means.methods} & {*ONE_ACTIVATION} else "",
        facts=facts,
    )
    for part in sorted(assets.iterdir(), key=lambda part: part.name):
        if part.name != PAGE and part.is_file():
            _write(folder / PARTS / part.name, part.read_text(encoding="utf-8"))
    page = _write(folder / PAGE, text)
    stale = [path for path in (folder / PICTURES).iterdir() if path.name not in pictures.names]
    remove(*(path for path in stale if _OURS.fullmatch(path.name)))
    return page


def _write(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _section(number: int, one: Comparison, pictures: Pictures, name_of: NameOf) -> dict[str, Any]:
    """What the page shows of one image."""
    original = pictures.original(number, one.original)
    rows = []
    for layer in one.layers:
        answers = [one.answers[layer, method] for method in one.methods]
        small = pictures.small_part(number, layer, one.original, answers)
        rows.append(
            {
                "layer": layer,
                "frame": frame_of(one.original, answers),
                "part": small.original if small else None,
                "cells": [
                    {
                        "method": METHODS[answer.method],
                        "picture": pictures.answer(number, answer),
                        "part": small.of.get(answer.method) if small else None,
                        "corner": small.corner if small else "",
                        "above": answer.note or unit_of(answer, name_of),
                        "missing": answer.missing,
                        "advice": answer.advice,
                        "seconds": seconds_of(answer),
                        "numbers": [_pair(measure, answer.errors) for measure in MEASURES],
                    }
                    for answer in answers
                ],
                "corner": small.corner if small else "",
            }
        )
    return {"anchor": f"image-{number}", "name": one.name, "original": original, "rows": rows}


def _pair(measure: Measure, errors: Any) -> dict[str, Any]:
    raw, fitted = (errors.get(name, math.nan) for name in (measure.name, measure.name + FITTED))
    return {"measure": measure, "raw": measure.said(raw), "fitted": measure.said(fitted)}


class _Means:
    """The numbers of all images, a cell of the table at a time."""

    def __init__(self) -> None:
        self._known: defaultdict[tuple[str, str], defaultdict[str, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._layers: Sequence[str] = ()
        self._methods: Sequence[str] = ()

    @property
    def methods(self) -> list[Method]:
        """Those compared."""
        return [METHODS[name] for name in self._methods]

    def add(self, one: Comparison) -> None:
        """Takes an image's numbers in."""
        self._layers, self._methods = one.layers, one.methods
        for cell, answer in one.answers.items():
            for name, value in {**answer.errors, "seconds": answer.seconds}.items():
                if math.isfinite(value):
                    self._known[cell][name].append(value)

    def measures(self) -> list[Measure]:
        """Those that any picture has."""
        return [m for m in MEASURES if any(m.name in numbers for numbers in self._known.values())]

    def rows(self, measures: Sequence[Measure]) -> list[dict[str, Any]]:
        """By layer, those methods that made a picture, each with its means."""
        found = []
        for layer in self._layers:
            lines = [self._line(layer, m, measures) for m in self._methods if (layer, m) in self._known]
            if lines:
                found.append({"layer": layer, "lines": lines})
        return found

    def _line(self, layer: str, method: str, measures: Sequence[Measure]) -> dict[str, Any]:
        known = self._known[layer, method]
        means = {name: fmean(values) for name, values in known.items()}
        return {
            "method": METHODS[method],
            "images": max(map(len, known.values())),
            "numbers": [_pair(measure, means) for measure in measures],
            "seconds": seconds_of(Answer(layer, method, seconds=means.get("seconds", math.nan))),
        }
