"""The figure of a comparison: what every method makes of the same activations, and how far each is off."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..compare.answers import Answer, Comparison
from ..compare.methods import METHODS, Method
from ..compare.showing import (
    FITTED,
    FRAMED,
    MEASURES,
    NO_PICTURE,
    ONE_ACTIVATION,
    TOLD_TWICE,
    Measure,
    NameOf,
    nameless,
    reach_of,
    seconds_of,
    tile_of,
    unit_of,
)
from ..tiles import Bytes, photo_tile
from .canvas import FAINT, INK, MARGIN, cut, figure_of, head_and_foot, new_sheet, picture, words
from .comparison_inset import enlarge, marked

_GAP, _NAME, _BETWEEN = 0.1, 0.19, 0.14  # inches
_LINE, _SMALL, _HEAD, _FOOT = 0.125, 0.115, 0.5, 0.34  # likewise
_LEAST = 7.2  # the least width
_LETTERS = 18.5  # of small type, an inch
_RAW, _BEST = 0.44, 0.86  # where the two numbers end, of a tile's side


@dataclass(frozen=True)
class _Row:
    name: str
    original: Bytes
    answers: Sequence[Answer]


def comparison_figure(
    comparisons: Sequence[Comparison],
    *,
    rows: str = "layers",
    title: str,
    caption: str = "",
    name_of: NameOf = nameless,
) -> Figure:
    """Draws the image and a tile for each method, row by row, with its errors below each.

    Args:
        comparisons: with rows of layers one, else one an image, all of one layer and the same methods.
        rows: ``layers`` or ``images``.
        title: the first line.
        caption: the last line.
        name_of: names units, such as those that score classes.
    """
    first = comparisons[0]
    table = _rows(comparisons, rows)
    methods = [METHODS[name] for name in first.methods]
    known = [answer for row in table for answer in row.answers]
    measures = [m for m in MEASURES if any(math.isfinite(a.errors.get(m.name, math.nan)) for a in known)]
    filling = (_LEAST - 2 * MARGIN + _GAP) / (len(methods) + 1) - _GAP
    side = min(max(filling, 1.36), 2.2)
    across = (len(methods) + 1) * (side + _GAP) - _GAP
    width = max(2 * MARGIN + across, _LEAST, 0.105 * len(title) + 2 * MARGIN)
    notes = [
        line
        for text in _legend(methods, measures)
        for line in textwrap.wrap(text, int(18 * (width - 0.5)), break_on_hyphens=False)
    ]
    given = [textwrap.wrap(method.given, int(_LETTERS * side)) for method in methods]
    head = 0.3 + _NAME + _SMALL * max(map(len, given))
    tall = _NAME + side + _LINE * (len(measures) + 2) + _BETWEEN
    foot = _FOOT + _LINE * len(notes)
    sheet = new_sheet(width, foot + len(table) * tall + head + _HEAD)
    top = foot + len(table) * tall
    _heads(sheet, methods, given, top + head, side)
    for i, row in enumerate(table):
        _draw(sheet, row, measures, top - i * tall, side, name_of)
    for i, line in enumerate(notes[::-1]):
        words(sheet, MARGIN, 0.15 + _LINE * (i + 1), line, 7.5, FAINT)
    head_and_foot(sheet, title, caption)
    return figure_of(sheet)


def _rows(comparisons: Sequence[Comparison], rows: str) -> list[_Row]:
    """What each row shows."""
    found = []
    for one in comparisons:
        original = photo_tile(one.original.float().cpu().numpy())
        for layer in one.layers:
            name = layer if rows == "layers" else one.name
            found.append(_Row(name, original, [one.answers[layer, method] for method in one.methods]))
    return found


def _legend(methods: Sequence[Method], measures: Sequence[Measure]) -> list[str]:
    """What one has to know to read the figure, a line each."""
    told = [NO_PICTURE] if any(method.projects for method in methods) else []
    if any(method.name in ONE_ACTIVATION for method in methods):
        told.append(FRAMED)
    meanings = [f"{measure.heading.partition(',')[0]}: {measure.meaning}." for measure in measures]
    return [" ".join(told), *([TOLD_TWICE] if measures else []), " ".join(meanings)]


def _left(column: int, side: float) -> float:
    return MARGIN + column * (side + _GAP)


def _heads(
    sheet: Axes, methods: Sequence[Method], given: Sequence[Sequence[str]], top: float, side: float
) -> None:
    """The kinds of picture over a rule each, the methods' titles, and what they are given."""
    for projects, kind in ((True, "projections"), (False, "reconstructions")):
        columns = [j for j, method in enumerate(methods, 1) if method.projects == projects]
        if columns:
            left, right = _left(columns[0], side), _left(columns[-1], side) + side
            words(sheet, (left + right) / 2, top - 0.17, kind, 8, FAINT, ha="center")
            sheet.plot([left, right], [top - 0.22, top - 0.22], color="#b8b8b8", lw=0.8, clip_on=False)
    below = top - 0.3 - _NAME + 0.06
    words(sheet, MARGIN, below, "image", 8, fontweight="bold")
    for j, (method, lines) in enumerate(zip(methods, given, strict=True), 1):
        words(sheet, _left(j, side), below, method.title, 8, fontweight="bold")
        for k, line in enumerate(lines):
            words(sheet, _left(j, side), below - _SMALL * (k + 1) - 0.02, line, 6.5, FAINT)


def _draw(
    sheet: Axes, row: _Row, measures: Sequence[Measure], top: float, side: float, name_of: NameOf
) -> None:
    """The image, the tiles, and under each its numbers."""
    below = top - _NAME - side
    words(sheet, MARGIN, top - _NAME + 0.05, cut(row.name, int(10.5 * side)), 9.5, fontweight="bold")
    picture(sheet, row.original, MARGIN, below, side, side, edge=True)
    lines = ["", *(measure.heading for measure in measures), "time"]
    for k, line in enumerate(lines if any(a.picture is not None for a in row.answers) else ()):
        words(sheet, MARGIN + side, below - _LINE * (k + 1), line, 7, FAINT, ha="right")
    one = next((a for a in row.answers if a.method in ONE_ACTIVATION and a.signal is not None), None)
    frame = None if one is None or one.signal is None else reach_of(one.signal)
    if frame is not None:
        marked(sheet, row.original, frame, (MARGIN, below, side))
    for j, answer in enumerate(row.answers, 1):
        left, tile = _left(j, side), tile_of(answer)
        if tile is None:
            _missing(sheet, answer, left, below, side)
            continue
        words(sheet, left, top - _NAME + 0.05, cut(unit_of(answer, name_of), int(16 * side)), 7, FAINT)
        words(sheet, left, top - _NAME + 0.05, cut(answer.note, int(20 * side)), 6.2, FAINT)
        picture(sheet, tile, left, below, side, side, edge=True)
        if answer.method in ONE_ACTIVATION and frame is not None:
            enlarge(sheet, tile, frame, (left, below, side))
        _numbers(sheet, answer, measures, left, below, side)


def _numbers(
    sheet: Axes, answer: Answer, measures: Sequence[Measure], left: float, below: float, side: float
) -> None:
    """An answer's errors as it is and fitted, a line each, and the time it took."""
    ends = left + _RAW * side, left + _BEST * side
    for end, head in zip(ends, ("as it is", "fitted"), strict=True):
        words(sheet, end, below - _LINE, head, 6.5, FAINT, ha="right")
    for k, measure in enumerate(measures, 2):
        for end, name in zip(ends, (measure.name, measure.name + FITTED), strict=True):
            said = measure.said(answer.errors.get(name, math.nan))
            words(sheet, end, below - _LINE * k, said, 7.5, INK, ha="right")
    at = below - _LINE * (len(measures) + 2)
    words(sheet, ends[0], at, seconds_of(answer), 7.5, INK, ha="right")


def _missing(sheet: Axes, answer: Answer, left: float, below: float, side: float) -> None:
    """An empty cell: why, and what would fill it."""
    box = Rectangle((left, below), side, side, fc="#f4f4f4", ec="#b8b8b8", lw=0.5, ls=(0, (3, 2)))
    sheet.add_patch(box)
    room = int(_LETTERS * (side - 0.15))
    why = _wrapped(answer.missing, int(room * 0.9), 5)
    how = _wrapped(answer.advice, room, 9 - len(why))
    high = _LINE * len(why) + _SMALL * len(how) + (0.06 if how else 0)
    at, middle = below + (side + high) / 2, left + side / 2
    for line in why:
        at -= _LINE
        words(sheet, middle, at, line, 7.5, INK, ha="center")
    at -= 0.06
    for line in how:
        at -= _SMALL
        words(sheet, middle, at, line, 6.5, FAINT, ha="center")


def _wrapped(text: str, room: int, lines: int) -> list[str]:
    """A text in at most so many lines of so many letters; options of a command stay whole."""
    return textwrap.wrap(text, room, max_lines=lines, placeholder=" …", break_on_hyphens=False)
