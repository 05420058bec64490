"""The tables of a comparison over many images as files, and as plain data for JSON.

What does not exist is an empty place in a CSV and null in JSON, never zero. A CSV has six digits, which is
what float32 pictures bear out; JSON has all.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..runs import replacing
from .tables import NUMBERS, Cell, Row, in_order

_UNIT = ("channel", "row", "column")


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """Writes means and intervals, a line a layer and method.

    The columns are ``layer``, ``method``, ``n``, and for each of `NUMBERS` its mean, ``_low`` and ``_high``;
    then ``seconds``, the median, and ``missing``.

    Args:
        path: a .csv file.
        rows: of `table`.

    Raises:
        OutputError: the disk is full or the place cannot be written.
    """
    return _write(path, (_line(row) for row in rows))


def write_cells(path: Path, cells: Sequence[Cell]) -> Path:
    """Writes every single error, a line an image, layer and method.

    Args:
        path: a .csv file.
        cells: in any order.

    Raises:
        OutputError: the disk is full or the place cannot be written.
    """
    return _write(path, (_single(cell) for cell in in_order(cells)))


def plain(row: Row) -> dict[str, Any]:
    """A row of the table for JSON.

    Args:
        row: of `table`.
    """
    errors = {name: {k: _null(v) for k, v in asdict(mean).items()} for name, mean in row.errors.items()}
    return {
        "layer": row.layer,
        "method": row.method,
        "asked": row.asked,
        "n": row.count,
        **errors,
        "seconds": _null(row.seconds),
        "missing": dict(row.missing),
        "advice": row.advice,
    }


def _line(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"layer": row.layer, "method": row.method, "n": row.count}
    for name, mean in row.errors.items():
        ends = {name: mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high}
        found.update((key, _digits(value)) for key, value in ends.items())
    why = "; ".join(f"{reason} ({count} of {row.asked})" for reason, count in row.missing.items())
    return {**found, "seconds": _digits(row.seconds, 4), "missing": why}


def _single(cell: Cell) -> dict[str, Any]:
    return {
        "image": cell.image,
        "name": cell.name,
        "layer": cell.layer,
        "method": cell.method,
        **{name: _digits(cell.errors.get(name, math.nan)) for name in NUMBERS},
        "seconds": _digits(cell.seconds, 4),
        **dict(zip(_UNIT, cell.unit or (None,) * 3, strict=True)),
        "activation": _digits(cell.activation),
        "missing": cell.missing,
    }


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    lines = list(lines)
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return path


def _digits(value: float, count: int = 6) -> str:
    return "" if math.isnan(value) else f"{value:.{count}g}"


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
