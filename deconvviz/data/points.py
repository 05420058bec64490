"""Points in photographs, such as where a left eye is: a CSV file of one row a point.

    image,part,x,y
    foxhound.jpg,left eye,87,49
    foxhound.jpg,nose,96,73

``image`` is the photograph's file name; ``x`` and ``y`` are pixels to the right of and below its upper left
one, which is 0, 0, in the upright photograph and before any resizing; fractions are allowed.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..errors import DataError, ImageError, nearest
from ..runs import replacing
from .seen import seen_by

if TYPE_CHECKING:
    from ..models import Network

COLUMNS = ("image", "part", "x", "y")
"""The header of the file."""
_HEADER = ",".join(COLUMNS)


class Point(NamedTuple):
    """A place in a picture, in pixels; 0, 0 is the centre of the upper left one."""

    x: float
    y: float


Points: TypeAlias = Mapping[str, Mapping[str, Point]]
"""Points by the photograph's file name, then by the part's name, in the order of the file."""


def read_points(path: str | os.PathLike[str]) -> Points:
    """Reads a file of points.

    Args:
        path: a CSV file with the columns image, part, x, y, in any order; UTF-8.

    Raises:
        DataError: the file is missing or unreadable, a column is missing or unknown, a row is incomplete, a
            coordinate is no number, or a part of an image is there twice; the message names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; it is a CSV file with the columns {_HEADER}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text file in UTF-8; points are a CSV with {_HEADER}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, dict[str, Point]] = {}
    try:
        places = _places([cell.strip() for cell in next(rows, [])], path)
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                _add(found, cells, places, f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}") from None
    if not found:
        raise DataError(f"{path} has no points: a row each below the header {_HEADER}")
    return found


def write_points(path: Path, points: Points) -> Path:
    """Writes a file of points in place of an older one, to a tenth of a pixel.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for image, parts in points.items():
            writer.writerows((image, part, f"{p.x:.1f}", f"{p.y:.1f}") for part, p in parts.items())
    return path


def parts_of(points: Points, images: Sequence[str], asked: Sequence[str] = ()) -> list[str]:
    """The parts that every one of some images has.

    Args:
        points: from a file.
        images: the images' file names.
        asked: the parts that are wanted; none for all that the images have.

    Raises:
        DataError: an image is named twice, has no points, or lacks a part that another one has.
    """
    for i, image in enumerate(images):
        if image in images[:i]:
            raise DataError(f"two images are called {image}: points know images by file name; rename one")
        if image not in points:
            raise DataError(f"no points for {image}; {nearest(image, points)}")
    named = list(dict.fromkeys(part for image in images for part in points[image]))
    for part in asked:
        if part not in named:
            raise DataError(f"no part '{part}'; {nearest(part, named)}")
    for part in asked or named:
        for image in images:
            if part not in points[image]:
                raise DataError(
                    f"{image} has no point for '{part}': add a row, leave the image out, or name the parts "
                    "that all have with --parts"
                )
    return list(asked) or named


def in_input(point: Point, size: tuple[int, int], network: Network, what: str) -> Point:
    """A point of a photograph in the pixels of what a network sees of it.

    Args:
        point: in the photograph's pixels.
        size: width and height of the photograph.
        network: whose preprocessing is used.
        what: the point is called in messages, such as ``left eye of cat.jpg``.

    Raises:
        ImageError: it lies outside the photograph, or outside the square that the network sees.
    """
    where = f"{what} is at {point.x:g}, {point.y:g}"
    if not (0 <= point.x <= size[0] - 1 and 0 <= point.y <= size[1] - 1):
        raise ImageError(
            f"{where}, outside the photograph: x goes from 0 to {size[0] - 1}, y from 0 to {size[1] - 1}"
        )
    rows, columns = seen_by(network, size)
    seen = Point(columns.to_input(point.x), rows.to_input(point.y))
    if not all(-0.5 <= at < network.input_size - 0.5 for at in seen):
        (left, right), (top, bottom) = columns.limits(), rows.limits()
        raise ImageError(
            f"{where}, outside the middle square that {network.name} sees: x from {left} to {right}, y from "
            f"{top} to {bottom}; crop the photograph around its parts, or leave it out"
        )
    return seen


def _places(header: list[str], path: Path) -> dict[str, int]:
    """Which column each of the four is."""
    if not any(header):
        raise DataError(f"{path} is empty: its first line is {_HEADER}")
    for name in header:
        if name not in COLUMNS:
            raise DataError(f"{path}, line 1: no column '{name}'; the header is {_HEADER}")
    for name in COLUMNS:
        if header.count(name) != 1:
            how = "is missing" if name not in header else "is there twice"
            raise DataError(f"{path}, line 1: the column '{name}' {how}; the header is {_HEADER}")
    return {name: header.index(name) for name in COLUMNS}


def _add(found: dict[str, dict[str, Point]], cells: list[str], places: dict[str, int], where: str) -> None:
    """Puts one row among the points."""
    if len(cells) != len(COLUMNS):
        raise DataError(f"{where}: {len(cells)} values, not the four of {_HEADER}")
    image, part, x, y = (cells[places[name]] for name in COLUMNS)
    for name, text in (("image", image), ("part", part)):
        if not text:
            raise DataError(f"{where}: the {name} has no name")
    point = Point(_number(x, "x", where), _number(y, "y", where))
    parts = found.setdefault(image, {})
    if part in parts:
        raise DataError(f"{where}: {image} has a point for '{part}' already; keep one of the two")
    parts[part] = point


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: {name} is '{text}', not a number of pixels")
    return value
