"""Scans of the parts of a data set joined to one atlas, which is the one that a scan of all of it gives.

    merge_atlases([Path("monday"), Path("tuesday")], Path("week"))

Images are numbered anew in the order of their names; since what is strongest is decided by a total order and
sums are whole numbers, nothing depends on how the images were divided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import DataError
from ..locking import locked
from .atlas import IMAGES_FILE, UNITS_FILE
from .checkpoint import load_scan
from .images import ImageList
from .state import Scan
from .strongest import NO_IMAGE
from .tables import IMAGES, UNITS
from .underway import clear, differences, earlier_facts, finished_facts, refuse_foreign
from .writing import SCAN_FILE, write_tables

Ints = NDArray[np.int64]
Box = tuple[int, int, int, int]
_OF_ONE = {"made_by", "command", "date", "versions", "listed", "scanned", "skipped", "list_key"}
"""What a manifest says of one scan alone."""


@dataclass(frozen=True, eq=False)
class _Part:
    """A finished scan.

    Attributes:
        folder: where it lies.
        facts: its manifest.
        names: of its images.
        labels: their classes.
        scan: its final state.
        windows: the receptive window at each place of a layer where it has an entry.
    """

    folder: Path
    facts: Mapping[str, Any]
    names: list[str]
    labels: list[str]
    scan: Scan
    windows: dict[str, dict[int, Box]]


def merge_atlases(folders: Sequence[Path], out: Path, overwrite: bool = False) -> list[Path]:
    """Joins finished scans of different images.

    Args:
        folders: the atlases; of the same network, weights, layers and settings.
        out: the folder of the new atlas, none of theirs.
        overwrite: throw an earlier atlas there away.

    Returns:
        the tables and the manifest.

    Raises:
        DataError: one is named twice, unfinished or damaged, they do not go together, an image is in two of
            them, or there is an atlas in `out` already.
        OutputError: the disk is full or `out` cannot be written.
    """
    named: set[Path] = set()
    for folder in folders:
        if folder.resolve() in named:
            raise DataError(f"{folder} is named twice")
        named.add(folder.resolve())
    if out.resolve() in named:
        raise DataError(f"{out} is one of the atlases to be joined; name another --out")
    parts = [_part(folder) for folder in folders]
    first = parts[0]
    for part in parts[1:]:
        _check(first, part)
    order = sorted((name, p, i) for p, part in enumerate(parts) for i, name in enumerate(part.names))
    for (name, p, _), (following, q, _) in pairwise(order):
        if name == following:
            raise DataError(f"'{name}' is in {folders[p]} and in {folders[q]}; an image may be in one only")
    numbers = [np.zeros(len(part.names), np.int64) for part in parts]
    for number, (_, p, i) in enumerate(order):
        numbers[p][i] = number
    whole = reduce(Scan.joined, _renumbered(parts, numbers))
    windows: dict[str, dict[int, Box]] = {}
    for part in parts:
        for layer, boxes in part.windows.items():
            windows[layer] = {**windows.get(layer, {}), **boxes}

    def seen(layer: str, places: Ints) -> Ints:
        boxes: Ints = np.array([windows[layer][p] for p in places.tolist()], np.int64).reshape(-1, 4)
        return boxes

    facts = {name: fact for name, fact in first.facts.items() if name not in _OF_ONE}
    places = tuple(dict.fromkeys(place for part in parts for place in part.facts["images"]))
    names, labels = [name for name, _, _ in order], [parts[p].labels[i] for _, p, i in order]
    images = ImageList(names, labels, places, (), np.empty(0, np.int32), np.empty(0, np.int64))
    facts["images"] = list(places)
    facts["merged_from"] = [str(folder) for folder in folders]
    with locked(out, "scan"):
        if overwrite:
            clear(out)
        elif finished_facts(out) or earlier_facts(out):
            raise DataError(
                f"{out} holds an atlas already: throw it away with --overwrite, or name another --out"
            )
        else:
            refuse_foreign(out)
        return write_tables(out, images, whole, seen, facts)


def _part(folder: Path) -> _Part:
    facts = finished_facts(folder)
    if facts is None:
        begun = folder.is_dir() and earlier_facts(folder) is not None
        advice = f"'deconvviz atlas scan --resume --out {folder}' goes on with it"
        raise DataError(f"{folder} " + (f"holds an unfinished scan: {advice}" if begun else "is no atlas"))
    scan = load_scan(folder / SCAN_FILE)
    try:
        table = pq.read_table(folder / IMAGES_FILE, schema=IMAGES)
        names, labels = (table[name].to_pylist() for name in ("image", "label"))
        windows = _windows(folder / UNITS_FILE, scan)
    except (OSError, ValueError, KeyError, IndexError, TypeError, pa.ArrowException) as error:
        why = (str(error).splitlines() or [""])[0]
        raise DataError(f"{folder} holds a damaged atlas ({why}); scan it again with --overwrite") from None
    return _Part(folder, facts, names, labels, scan, windows)


def _windows(path: Path, scan: Scan) -> dict[str, dict[int, Box]]:
    """Reads them from the table of units; raises ValueError where one is not there."""
    names = ("layer", "row", "column", "top", "left", "height", "width")
    table = pq.read_table(path, schema=UNITS, columns=list(names))
    found: dict[str, dict[int, Box]] = {layer: {} for layer in scan.maps}
    for layer, row, column, *box in zip(*(table[name].to_pylist() for name in names), strict=True):
        size = scan.maps[layer]
        found[layer][row * size[1] + column if size else 0] = (box[0], box[1], box[2], box[3])
    for layer, kept in scan.strongest.items():
        if set(kept.places[kept.images != NO_IMAGE].tolist()) - found[layer].keys():
            raise ValueError(f"{path.name} is not of this scan")
    return found


def _check(first: _Part, part: _Part) -> None:
    """Raises DataError where two do not go together."""
    both = [{**p.facts, "list_key": "", "batch_size": 0} for p in (first, part)]
    differs = differences(*both)
    if differs:
        raise DataError(f"{first.folder} and {part.folder} do not go together: {differs}")
    here, there = (p.facts["working_folder"] for p in (first, part))
    if here != there and not all(PurePosixPath(n).is_absolute() for p in (first, part) for n in p.names):
        raise DataError(
            f"{first.folder} was scanned in {here}, {part.folder} in {there}, and their images are named "
            "relative to that; scan both with the same --root, or name the images by whole paths"
        )


def _renumbered(parts: Sequence[_Part], numbers: Sequence[Ints]) -> list[Scan]:
    """Each as a part of a scan of all the images, of one batch a part."""
    result = []
    for p, (part, new) in enumerate(zip(parts, numbers, strict=True)):
        done = np.zeros(len(parts), np.bool_)
        done[p] = True
        result.append(
            Scan(
                done,
                {layer: kept.renumbered(new) for layer, kept in part.scan.strongest.items()},
                part.scan.statistics,
                part.scan.maps,
                {int(new[i]): why for i, why in part.scan.problems.items()},
                part.scan.uncertain,
            )
        )
    return result
