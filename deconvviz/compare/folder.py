"""The folder of a comparison over a data set: begun, gone on with, finished.

While the run goes on, ``started.json`` says with what it was begun, and each finished piece lies in a file of
its own, see `parts`. In the end there are the tables, the figure and ``results.json``, and the pieces are
removed. At every moment in between a later call can go on.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..runs import remove, write_json
from .chunks import differences
from .parts import PART

RESULTS, TABLE, IMAGES, CURVES = "results.json", "table.csv", "images.csv", "curves.png"
STARTED = "started.json"
SURVEY = "survey"
"""Under this key stands, in either of the two, with what the run was begun."""
_FILES = (RESULTS, TABLE, IMAGES, CURVES)
_HALF_WRITTEN = re.compile(
    r"\.((part-\d+|started|results)\.[a-z0-9_]{8}\.json|(table|images)\.[a-z0-9_]{8}\.csv"
    r"|curves\.[a-z0-9_]{8}\.png)"
)
"""How `deconvviz.runs.replacing` names what is to become one of these."""


def opened(folder: Path, known: Mapping[str, Any], resume: bool, overwrite: bool) -> bool:
    """Looks at what the folder holds, and begins a run in it or goes on with one.

    Args:
        folder: of the run; it is there.
        known: settings, network, decoders and images of this call.
        resume: go on with an unfinished run.
        overwrite: throw an earlier one away.

    Returns:
        whether there is anything left to do.

    Raises:
        DataError: the folder holds a run already, none to go on with, one of other settings, or files of
            something else that are called like those of a run.
        OutputError: it cannot be written.
    """
    if overwrite:
        clear(folder)
    unfinished, finished = earlier(folder, STARTED), earlier(folder, RESULTS)
    before = unfinished or finished
    if before is None:
        if resume:
            raise DataError(f"{folder} holds no comparison to go on with; leave --resume away")
        _refuse_foreign(folder)
        write_json(folder / STARTED, {SURVEY: known, "token": secrets.randbits(60)})
        return True
    if not resume:
        what, way = (
            ("an unfinished comparison", "go on with --resume, ") if unfinished else ("a comparison", "")
        )
        raise DataError(
            f"{folder} holds {what} already: {way}throw it away with --overwrite, or name another --out"
        )
    differs = differences(before[SURVEY], known)
    if differs:
        raise DataError(
            f"{folder} was begun with other settings: {differs}; resume with the same, or name another --out"
        )
    return unfinished is not None


def earlier(folder: Path, name: str) -> dict[str, Any] | None:
    """What ``started.json`` or ``results.json`` says; None where it is not there.

    Args:
        folder: of a run.
        name: of the file.

    Raises:
        DataError: it is damaged, or of something else.
    """
    path = folder / name
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        differences(content[SURVEY], content[SURVEY])  # all that it compares is there
        return content
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is damaged or of something else ({error}); start anew with --overwrite, or name "
            "another --out"
        ) from None


def sweep(folder: Path) -> None:
    """Removes the pieces of a run and what a killed one left half written; ``started.json`` last.

    Raises:
        OutputError: they cannot be removed.
    """
    remove(*(path for path in folder.glob("part-*") if PART.fullmatch(path.name)))
    remove(*(path for path in folder.glob(".*") if _HALF_WRITTEN.fullmatch(path.name)))
    remove(folder / STARTED)


def clear(folder: Path) -> None:
    """Removes a run, whole or not.

    Raises:
        DataError: the folder has files that are called like those of a run, and are of something else.
        OutputError: it cannot be removed.
    """
    _refuse_foreign(folder)
    if not (folder / STARTED).exists() and (folder / RESULTS).exists():
        remove(*(folder / name for name in reversed(_FILES)))  # the one that says what they are, last
    else:
        remove(*(folder / name for name in _FILES))
    sweep(folder)


def _refuse_foreign(folder: Path) -> None:
    """Keeps files of something else from being taken for those of a run."""
    there = [folder / name for name in _FILES if (folder / name).exists()]
    if there and not any(_ours(folder / name) for name in (STARTED, RESULTS)):
        raise DataError(f"{there[0]} is no part of a comparison: move it away, or name another --out")


def _ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return isinstance(content, dict) and SURVEY in content
    except (OSError, ValueError, RecursionError):
        return False
