"""A scan as it lies on the disk while it goes on: one file, replaced in one step.

    save_scan(path, scan, {"topk": 9})
    scan, settings = load_scan(path), read_facts(path)

A file is either the old one or the new one, so a scan that is killed at any moment goes on from the last
checkpoint. Arrays are named by the layer's number; names and whatever is text stand in the header, as JSON.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..runs import write_arrays
from .state import Scan
from .statistics import Statistics
from .strongest import Strongest

_HEADER = "header"


def save_scan(path: Path, scan: Scan, facts: Mapping[str, Any] | None = None) -> Path:
    """Writes a scan's state in place of an older one.

    Args:
        path: a .npz file.
        scan: the state.
        facts: plain data to be kept with it.

    Raises:
        OutputError: the disk is full or the place cannot be written; the older file stays whole.
    """
    header = {
        "facts": facts or {},
        "layers": list(scan.strongest),
        "maps": [scan.maps[layer] for layer in scan.strongest],
        "problems": list(scan.problems.values()),
        "uncertain": scan.uncertain,
    }
    arrays: dict[str, NDArray[Any]] = {
        _HEADER: np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), np.uint8),
        "done": scan.done,
        "problems": np.array(list(scan.problems), np.int64),
    }
    for number, layer in enumerate(scan.strongest):
        for part in (scan.strongest[layer], scan.statistics[layer]):
            arrays |= {_key(number, type(part), f.name): getattr(part, f.name) for f in fields(part)}
    return write_arrays(path, **arrays)


def load_scan(path: Path) -> Scan:
    """Reads a scan's state.

    Raises:
        DataError: it is missing or damaged.
    """
    with _opened(path) as file:
        header = _header(file)
        layers = list(enumerate(header["layers"]))
        numbers = file["problems"].tolist()
        return Scan(
            strongest={layer: _part(file, i, Strongest) for i, layer in layers},
            statistics={layer: _part(file, i, Statistics) for i, layer in layers},
            maps={layer: tuple(header["maps"][i]) if header["maps"][i] else None for i, layer in layers},
            done=file["done"],
            problems=dict(zip(numbers, header["problems"], strict=True)),
            uncertain=header["uncertain"],
        )


def read_facts(path: Path) -> dict[str, Any]:
    """The plain data that was kept with a scan's state.

    Raises:
        DataError: the file is missing or damaged.
    """
    with _opened(path) as file:
        facts: dict[str, Any] = _header(file)["facts"]
        return facts


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # opened here, since numpy leaves a file open that turns out to be no archive
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            yield file
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        why = (str(error).splitlines() or [""])[0]
        raise DataError(f"{path} is missing or damaged ({why}); scan anew with --overwrite") from None


def _header(file: Any) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(file[_HEADER].tobytes().decode())
    return header


def _part(file: Any, number: int, kind: type[Any]) -> Any:
    return kind(**{f.name: file[_key(number, kind, f.name)] for f in fields(kind)})


def _key(number: int, kind: type[Any], name: str) -> str:
    return f"{number}.{kind.__name__}.{name}"
